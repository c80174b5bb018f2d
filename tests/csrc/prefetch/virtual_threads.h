// VirtualThreads: the threads of a test, which take turns on one real thread, in an order that the
// test decides, in virtual time.
//
// Each is a fiber. It runs until it waits, pauses or ends; where the test wants it, also until just
// before it takes a mutex, wakes somebody or wakes the I/O threads: the places at which real
// threads meet. So the blocking code under test runs as it is, and what happens follows from the
// test's choices alone. It says what real threads never tell: that somebody went on whom nobody
// had woken (a lost wake-up), that somebody waits or makes a system call with a mutex held, how
// many mutexes a call took.
//
// For this, the program that links virtual_threads.cc has its own futex_wait and futex_wake_all in
// the place of those of base/wait.cc, and its own pthread_mutex_lock and pthread_mutex_unlock
// around those of the system. Outside of a virtual thread they do what the others do.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "support/csrc/fake_clock.h"
#include "support/csrc/fiber.h"

namespace ossmc {

// Mutexes that this thread has taken so far, and those that it holds now. Not counted under
// ThreadSanitizer.
extern const bool kMutexesAreCounted;
std::uint64_t mutexes_taken();
int mutexes_held();

// One at a time; used by one thread.
class VirtualThreads {
 public:
  // May look again after so short a wait without having been woken: it polls.
  static constexpr Duration kLongestPoll = std::chrono::milliseconds(1);

  explicit VirtualThreads(const FakeClock& clock);
  // REQUIRES: all threads ended.
  ~VirtualThreads();
  VirtualThreads(const VirtualThreads&) = delete;
  VirtualThreads& operator=(const VirtualThreads&) = delete;

  // What is wrong with how a thread waits or wakes goes there.
  void set_complain(std::function<void(const std::string&)> complain);
  // Asked at each place where a running thread may be made to give way; none: it never is.
  void set_gives_way(std::function<bool()> gives_way) { gives_way_ = std::move(gives_way); }
  // From now on no wait lasts: for a run that has failed and is to end.
  void end_all_waits();
  // Whose time is up now is not woken by anybody, and need not be.
  void let_waits_run_out();

  // A thread that begins with its first run(). `may_wait`: false for one that must never wait.
  std::size_t add(std::function<void()> body, bool may_wait);
  std::size_t count() const { return threads_.size(); }

  bool finished(std::size_t thread) const { return threads_[thread]->fiber.finished(); }
  bool waits(std::size_t thread) const { return threads_[thread]->word != nullptr; }
  // Stopped in the middle of what it does, to go on whenever run.
  bool gave_way(std::size_t thread) const { return threads_[thread]->gave_way; }
  // REQUIRES: waits(). Where it does, and until when.
  const void* waits_on(std::size_t thread) const { return threads_[thread]->word; }
  TimePoint deadline(std::size_t thread) const { return threads_[thread]->deadline; }

  // REQUIRES: neither finished() nor waits().
  void run(std::size_t thread);
  // Its wait is over though nobody woke it. REQUIRES: waits().
  void time_out(std::size_t thread);

  // By a virtual thread: lets others run.
  static void pause() { Fiber::suspend(); }
  // By a virtual thread, at the end of what it did: whether it owes its end to having looked by
  // itself.
  bool take_unwoken();

  // The seams below. True: a virtual thread was running, and it is dealt with.
  static bool wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected, Duration limit);
  static bool wake_all(const std::atomic<std::uint32_t>& word);
  // Something that could be a system call, or at which threads meet.
  static void meeting_point(const char* system_call);

 private:
  struct Thread {
    Thread(std::function<void()> body, bool may_wait_in)
        : fiber(std::move(body)), may_wait(may_wait_in) {}
    Fiber fiber;
    const bool may_wait;
    bool gave_way = false;
    const std::atomic<std::uint32_t>* word = nullptr;  // null: does not wait
    std::uint32_t expected = 0;
    TimePoint deadline{};
    Duration limit{};
    bool runs_out = false;
    // It timed out there and has not waited again.
    const std::atomic<std::uint32_t>* unwoken_word = nullptr;
  };

  void wait_here(const std::atomic<std::uint32_t>& word, std::uint32_t expected, Duration limit);
  void maybe_give_way();
  void complain(const std::string& what) const;

  const FakeClock& clock_;
  std::function<void(const std::string&)> complain_;
  std::function<bool()> gives_way_;
  std::vector<std::unique_ptr<Thread>> threads_;
  Thread* running_ = nullptr;
  bool no_waits_ = false;
};

}  // namespace ossmc
