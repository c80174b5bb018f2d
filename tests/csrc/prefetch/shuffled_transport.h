// ShuffledTransport: the I/O threads over a store, in pieces that the test plays in any order it
// likes. Each I/O thread asks its source only when a real one would: after a wake, after the end of
// one of its exchanges, and when what the source had called due is due.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "base/counters.h"
#include "support/csrc/fake_clock.h"
#include "support/csrc/fake_transport.h"
#include "transfer/exchange.h"

namespace ossmc {

class ShuffledTransport final : public Transport {
 public:
  // What is told of each exchange.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void before_ask(int busy, bool behind) = 0;
    virtual void after_ask(Exchange* got) = 0;
    virtual void before_end(Exchange& exchange, const ExchangeOutcome& outcome) = 0;
    virtual void after_end() = 0;
  };
  using Store = std::function<FakeReply(const HttpRequest& request)>;

  ShuffledTransport(WorkSource& source, const FakeClock& clock, Counters& counters, Store store,
                    int threads, Observer& observer);

  void wake() noexcept override;

  int threads() const { return static_cast<int>(threads_.size()); }
  int busy(int thread) const { return static_cast<int>(at(thread).running.size()); }
  int in_progress() const;
  // A real one would ask its source now, or look for what was cancelled.
  bool has_reason_to_ask(int thread) const;
  // When it will have a reason though nothing happens before; TimePoint::max(): not by itself.
  TimePoint next_due(int thread) const { return at(thread).ask_due; }

  // As much as an I/O thread does at once: one exchange is taken, or the news is that there is
  // none. `behind`: it has more to take in than it can; it asks again when that is over, which may
  // be at once.
  void ask(int thread, bool behind);
  // The next piece of an exchange: its head, some of its body, its end. REQUIRES: can_play().
  std::size_t exchanges(int thread) const { return at(thread).running.size(); }
  bool can_play(int thread, std::size_t exchange) const;
  // Not before that: a slow reply's next piece, or the end of one that hangs.
  TimePoint next_part_at(int thread, std::size_t exchange) const;
  void play(int thread, std::size_t exchange);
  // Ends all, as stopping the I/O threads does.
  void stop(int thread);

 private:
  struct Running {
    Exchange* exchange = nullptr;
    FakeReply reply;
    std::size_t next_part = 0;  // 0 head, 1.. pieces, then the end
    TimePoint started{};
    TimePoint piece_at{};     // the next one of a slow reply
    TimePoint hangs_until{};  // it is given up then
  };
  struct IoThread {
    bool asks = false;
    bool woken = false;
    TimePoint ask_due = TimePoint::max();
    std::list<Running> running;
  };

  IoThread& at(int thread) { return threads_[static_cast<std::size_t>(thread)]; }
  const IoThread& at(int thread) const { return threads_[static_cast<std::size_t>(thread)]; }
  const Running& running(int thread, std::size_t exchange) const;
  void begin(IoThread& thread, Exchange& exchange);
  void finish(IoThread& thread, std::list<Running>::iterator running, TransportError error);

  WorkSource& source_;
  const FakeClock& clock_;
  Counters& counters_;
  const Store store_;
  Observer& observer_;
  std::vector<IoThread> threads_;
};

}  // namespace ossmc
