// FakeTransport: I/O threads in virtual time. It asks a WorkSource for exchanges, as the real one
// does, and plays the replies that the test scripts, in an order that follows from a seed alone.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/wait.h"
#include "protocol/http.h"
#include "support/csrc/fake_clock.h"
#include "transfer/exchange.h"

namespace ossmc {

// How one exchange goes: head after `head_delay`, each piece of the body `piece_delay` after what
// came before, then the end.
struct FakeReply {
  // 0: no head arrives, only `error`.
  int status = 206;
  std::vector<NameValue> headers;
  std::vector<std::string> body;  // in the pieces in which it arrives
  // Tells it after the last piece; kNone: a whole reply, as far as HTTP can tell.
  TransportError error = TransportError::kNone;
  std::string error_text;
  bool reused_connection = false;
  bool hangs = false;  // never ends by itself
  Duration head_delay{};
  Duration piece_delay{};

  FakeReply& with_header(std::string name, std::string value);
  // Loses all but the first `bytes` of the body, and the connection with them.
  FakeReply& reset_after(std::size_t bytes);
};

// A reply that never gets to its head.
FakeReply fail_with(TransportError error, bool reused_connection = false);
// An error as OSS words it, for example 404 "NoSuchKey".
FakeReply oss_error(int status, std::string_view code, std::string_view more_xml = {});

// An object of pattern data (support/csrc/pattern.h), and the store's answer to a GET or HEAD of
// it.
struct FakeObject {
  std::uint64_t size = 0;
  std::uint64_t seed = 1;
  std::string etag = "5B3C1A2E053D763E1B002CC607C5A0FE";
};
FakeReply serve(const FakeObject& object, const HttpRequest& request,
                std::size_t piece_bytes = 16 * 1024);
// The same of a store that takes no notice of Range: all of the object, by 200. OSS answers so
// where it does not get to see x-oss-range-behavior, and the range begins at the object's end:
// 0-, of an empty one.
FakeReply serve_whole(const FakeObject& object, HttpRequest request,
                      std::size_t piece_bytes = 16 * 1024);

// What the path of its URL ends with: the object's key.
std::string key_of(const HttpRequest& request);

// The value of the first header of that name, in any case; empty: none.
std::string header_of(const HttpRequest& request, std::string_view name);

// Single-threaded: the test's own thread is every I/O thread. Exchanges in progress keep to their
// own order; which of them goes next when several could at the same instant, the seed decides.
// on_done is called exactly once for each.
class FakeTransport final : public Transport {
 public:
  // Plays request number `index` (0 is the first that was started).
  using Script = std::function<FakeReply(const HttpRequest& request, std::size_t index)>;
  struct Started {
    HttpRequest request;
    TimePoint at;
    int thread;
  };

  // `source` and `clock` outlive it, or stop() is called before they go.
  FakeTransport(WorkSource& source, FakeClock& clock, Script script, std::uint64_t seed = 1,
                int threads = 1);

  void wake() noexcept override { ++wakes_; }

  // Takes what the source has, then lets the earliest thing happen, moving the clock on to it: a
  // reply's next part, or the moment that the source asked to be looked at again. False: nothing is
  // left that could happen by itself.
  bool step();
  // Steps until nothing is left.
  void run();
  // Steps until `done`; false: nothing is left and it is still not so.
  bool run_until(const std::function<bool()>& done);
  // Steps for that long, and leaves the clock there.
  void run_for(Duration time);
  // Ends what is in progress, as closing a connector does.
  void stop();

  const std::vector<Started>& started() const { return started_; }
  int in_progress() const { return static_cast<int>(running_.size()); }
  std::vector<const Exchange*> exchanges() const {
    std::vector<const Exchange*> exchanges;
    for (const Running& running : running_) exchanges.push_back(running.exchange);
    return exchanges;
  }
  int most_in_progress() const { return most_in_progress_; }
  int wakes() const { return wakes_; }
  // Threads that have anything in progress say that they are behind.
  void set_behind(bool behind) { behind_ = behind; }
  // So many of each thread's are held back for the limit of bytes a second.
  void set_held_back(int held_back) { held_back_ = held_back; }
  // What threads say would be enough.
  void set_enough(int enough) { enough_ = enough; }
  void set_ramp(int ramp) { ramp_ = ramp; }

 private:
  struct Running {
    Exchange* exchange = nullptr;
    int thread = 0;
    FakeReply reply;
    std::size_t next_part = 0;  // 0 head, 1.. pieces, then the end
    TimePoint due{};
    TimePoint started{};
  };

  void pull();
  void start(Exchange& exchange, int thread);
  void abort_cancelled();
  std::optional<TimePoint> next_event(bool* is_reply);
  void play_one();
  void finish(std::list<Running>::iterator running, TransportError error);
  int busy(int thread) const;

  WorkSource& source_;
  FakeClock& clock_;
  const Script script_;
  const int threads_;
  std::mt19937_64 random_;
  std::list<Running> running_;
  std::vector<Started> started_;
  int most_in_progress_ = 0;
  int wakes_ = 0;
  bool behind_ = false;
  int held_back_ = 0;
  int enough_ = Occupancy::kNotKnown;
  int ramp_ = Occupancy::kNotKnown;
};

// For code under test that blocks in an Interrupt's wait: each look at it runs the transport until
// nothing is left.
class PumpingInterrupt final : public Interrupt {
 public:
  explicit PumpingInterrupt(FakeTransport& transport) : transport_(transport) {}
  bool pending() override {
    if (before_) before_();
    transport_.run();
    return interrupted_;
  }
  void interrupt() { interrupted_ = true; }
  // Called at each look, first.
  void set_before(std::function<void()> before) { before_ = std::move(before); }

 private:
  FakeTransport& transport_;
  std::function<void()> before_;
  bool interrupted_ = false;
};

}  // namespace ossmc
