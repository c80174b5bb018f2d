// SharedDescriptors: what the I/O threads of a process have in hand together, and how they give way
// to one another where the system refuses descriptors.
//
// Such a refusal is no error while another exchange of ours is in progress or a connection is kept:
// those end, or are given up by a thread that is asked to. Only who has tried alone, and in vain,
// knows that there is not even one descriptor to be had.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "transfer/waker.h"

namespace ossmc {

// Thread-safe. One for the process, of all connectors; a forked child gets its own.
class SharedDescriptors {
 public:
  static SharedDescriptors& of_this_process();

  SharedDescriptors() = default;
  SharedDescriptors(const SharedDescriptors&) = delete;
  SharedDescriptors& operator=(const SharedDescriptors&) = delete;

  // --- what is in hand ---
  // What it returns is for was_alone().
  std::uint64_t begin_exchange();
  void end_exchange();
  // Before the socket is asked for, so that who is refused one sees who has it.
  void add_socket() { sockets_.fetch_add(1); }
  void remove_sockets(std::size_t count) { sockets_.fetch_sub(count); }
  bool holds_any() const;
  // From its begin on and until now there was no other exchange, and no connection is kept now.
  // REQUIRES: end_exchange() was not called for it yet.
  bool was_alone(std::uint64_t begun) const;

  // Some exchange was refused a descriptor. Others that failed meanwhile may have been too.
  void note_refusal(TimePoint now) { refused_at_.store(now); }
  bool was_refused_since(TimePoint time) const { return refused_at_.load() >= time; }

  // --- giving way ---
  // Whom ask_to_give_way() wakes.
  void join(std::shared_ptr<Waker> thread);
  void leave(const Waker& thread);
  // By who has nothing in hand and was refused. Under no lock: it wakes threads.
  void ask_to_give_way();
  std::uint64_t times_asked() const { return asked_.load(); }

  // Those who have nothing try one at a time: so one of them is alone in the end.
  bool try_take_turn() { return !turn_is_taken_.exchange(true); }
  void end_turn() { turn_is_taken_.store(false); }

 private:
  // Low half: exchanges in progress; high half: how many were begun.
  std::atomic<std::uint64_t> exchanges_{0};
  std::atomic<std::uint64_t> sockets_{0};
  std::atomic<TimePoint> refused_at_{TimePoint::min()};
  std::atomic<std::uint64_t> asked_{0};
  std::atomic<bool> turn_is_taken_{false};

  Mutex mutex_;
  std::vector<std::shared_ptr<Waker>> threads_ OSSMC_GUARDED_BY(mutex_);
};

}  // namespace ossmc
