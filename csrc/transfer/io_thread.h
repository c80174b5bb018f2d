// IoThread: one thread with an event loop, one curl multi handle at a time and its slots.
//
// Owned by an IoPool. start(), stop(), join() from the pool's thread; wake() from any; all else
// runs on the thread itself.
//
// One turn of the loop: ask the source for work, sleep in epoll until a socket is ready, a time has
// come or somebody wakes it, let libcurl act on ready sockets (all of them, or whom TurnOrder
// chooses) and hand out what completed. The cost of a turn is that of the sockets which are ready,
// not of all.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "base/status.h"
#include "transfer/connection_share.h"
#include "transfer/curl_handle.h"
#include "transfer/enough_requests.h"
#include "transfer/exchange.h"
#include "transfer/multi.h"
#include "transfer/open_sockets.h"
#include "transfer/slot.h"
#include "transfer/socket_watch.h"
#include "transfer/stall_watch.h"
#include "transfer/turn_order.h"
#include "transfer/waker.h"

namespace ossmc {

class IoThread {
 public:
  // All references outlive the thread.
  IoThread(int number, const TransferSettings& settings, WorkSource& source, const Clock& clock,
           Counters& counters);
  // REQUIRES: not running (never started, or joined).
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  // kConnect: for want of descriptors; kMemoryBudget: for want of memory, or threads.
  Status start();
  // Makes the thread end soon; aborts what is in progress.
  void request_stop() noexcept;
  // Gives the descriptors back too, also of one that was not started.
  void join();
  void wake() noexcept { waker_->wake(); }

 private:
  void run() noexcept;
  // Sleeps and handles what is ready. Afterwards woken_ says whether somebody called wake().
  void wait_and_act();
  ReadySocket describe(const SocketEvent& event) const;
  int sleep_ms(TimePoint now) const;
  void act(curl_socket_t socket, int events);
  void act_on_time();

  void ask_source();
  int ramp() const;
  void begin(Exchange& exchange);
  void hand_out_completed();
  void complete(Slot& slot, CURLcode code);
  void note_oldest(TimePoint now);
  // The outcome to its exchange; `owned` goes with it, or is used again.
  void end(std::unique_ptr<Slot> owned, ExchangeOutcome outcome, TimePoint now);
  // Another thread of the process has no connection, and asks for one.
  void give_way();
  void abort(Slot& slot, TransportError error, const std::string& text);
  void abort_cancelled();
  void abort_stalled();
  // Of those that the limit of bytes a second holds back, those whose turn has come.
  void let_go_on();
  int count_held_back() const;
  // libcurl gives up one address of a name and goes on to the next one only when its handle is run,
  // for which it has neither a socket nor a timer then (7.88).
  void nudge_connecting();
  // Whether the loop's descriptors are still ours. Daemons close all there are (os.closerange),
  // those of connections too, and the numbers are others' then.
  bool descriptors_are_ours() const;
  // Begins with new ones, and leaves what has the old numbers alone. Exchanges end, to be tried
  // again.
  void renew_descriptors();
  // Ends all exchanges and closes all connections.
  void close_multi(TransportError error, const std::string& text);
  // Work goes on with another one: the source asks again for what ends here.
  void renew_multi();
  std::unique_ptr<Slot> take_out(Slot& slot);

  static int socket_callback(CURL* easy, curl_socket_t socket, int what, void* thread,
                             void* known) noexcept;
  static int timer_callback(CURLM* multi, long timeout_ms, void* thread) noexcept;

  // Constant after construction.
  const int number_;
  const TransferSettings& settings_;
  WorkSource& source_;
  const Clock& clock_;
  Counters& counters_;
  const StallWatch stall_watch_;
  RateLimit* const limit_;  // null: none

  const std::shared_ptr<Waker> waker_;  // in watch_

  std::atomic<bool> stopping_{false};

  std::thread thread_;  // of the pool's thread

  // I/O thread only. Order matters: slots go before the multi handle.
  SocketWatch watch_;
  OpenSockets open_sockets_;
  ConnectionShare share_;
  Multi multi_;
  std::vector<std::unique_ptr<Slot>> busy_;
  std::vector<std::unique_ptr<Slot>> idle_;
  TurnOrder turn_order_;
  EnoughRequests enough_;
  std::uint64_t begun_ = 0;              // exchanges
  std::vector<Slot*> doomed_;            // scratch of the abort functions
  std::vector<const Progress*> tracks_;  // scratch of abort_stalled, as the next two
  std::vector<Slot*> watched_;
  std::vector<std::size_t> stalled_;
  std::vector<Slot*> free_;              // scratch of let_go_on
  std::uint64_t body_bytes_ = 0;         // received and not yet counted
  std::uint64_t received_ = 0;           // and counted
  bool ask_ = true;                      // ask the source before the next sleep
  bool ask_when_not_behind_ = false;     // it may have kept something back
  bool ask_when_not_held_back_ = false;  // likewise
  TimePoint ramp_end_ = TimePoint::max();
  int ask_above_ramp_ = Occupancy::kNotKnown;  // likewise, as soon as the ramp is above that
  bool woken_ = false;                         // look at cancelled()
  std::uint64_t asked_to_give_way_ = 0;        // as often as this thread has heeded
  TimePoint ask_due_ = TimePoint::max();       // the source wants to be asked then
  TimePoint curl_due_ = TimePoint::max();
  TimePoint sample_due_ = TimePoint::max();  // for the stall watch
  TimePoint nudge_due_ = TimePoint::max();   // for nudge_connecting()
  TimePoint limit_due_ = TimePoint::max();   // for let_go_on()
  TimePoint all_looked_at_{};                // when all sockets were, by descriptors_are_ours()
  TimePoint renew_due_{};  // for renew_multi(), while it is needed: the last try failed
};

}  // namespace ossmc
