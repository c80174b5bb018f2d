// Exchange and WorkSource: the seam between who decides what is fetched and who moves the bytes.
//
// The floors above implement both; transfer/ drives them from its I/O threads, a fake transport
// drives them in tests.
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "protocol/http.h"

namespace ossmc {

// How an exchange ended below HTTP. kNone: a whole reply arrived, whatever its status says.
enum class TransportError : std::uint8_t {
  kNone,
  kAborted,    // on_head or on_body returned false
  kCancelled,  // cancelled() was seen
  kDns,
  kConnect,       // refused, unreachable, connect timeout, handshake cut by the network
  kTls,           // certificate or handshake: never retried
  kReset,         // the connection broke: reset, closed early, broken framing
  kStalled,       // no progress for the stall limit
  kNoMemory,      // libcurl got none
  kNoDescriptor,  // the process, or the system, has as many as it may
  kOther,
};

// The request may be as good as ever: the system refused what it needs.
constexpr bool is_shortage(TransportError error) {
  return error == TransportError::kNoDescriptor || error == TransportError::kNoMemory;
}

// A reused connection that ends before any byte of the reply came is replaced by libcurl itself:
// the request goes out again on a fresh one, and only the outcome of that is seen here.
struct ExchangeOutcome {
  TransportError error = TransportError::kNone;
  std::string text;  // libcurl's words, redacted; empty when kNone
  int os_errno = 0;  // of the system call that failed; 0: not known, or none did
  // With a shortage: others of ours have what it lacks, and will give it back. Try again then.
  bool may_pass = false;
  bool reused_connection = false;  // the connection had served a request before
  bool any_reply_byte = false;     // a line of the reply's head had arrived
  Duration elapsed{};
  Duration first_byte{};  // from the start to the first byte of the reply; 0: none came
  Duration held_back{};   // of the time, so long for the limit of bytes a second
  std::string remote;     // ip:port it went to, for the audit line
};

// One HTTP exchange. All calls come from one I/O thread, in the order request, on_head, on_body...,
// on_done; they do not block. The implementation owns itself: on_done is the last call made, and
// may delete or requeue the object.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // Asked once, just before the exchange starts: sign late. The reference holds until on_done.
  virtual const HttpRequest& request() noexcept = 0;
  // The final head (no 1xx). False aborts and closes the connection.
  virtual bool on_head(const ResponseHead& head) noexcept = 0;
  virtual bool on_body(const std::byte* data, std::size_t size) noexcept = 0;
  virtual void on_done(const ExchangeOutcome& outcome) noexcept = 0;
  // Looked at before anything is sent, and after every wake of the I/O thread. True: abort it,
  // kCancelled.
  virtual bool cancelled() const noexcept = 0;
  // Somebody waits for its bytes at this moment. Where a thread cannot serve all that is ready,
  // others may wait.
  virtual bool is_awaited() const noexcept { return true; }
  // It is not aborted for being slow.
  virtual bool may_be_slow() const noexcept { return false; }
  // Its body counts towards the connector's limit of bytes a second, and may be held back for that,
  // by turns with what others read. Who reads it; null: the limit is not for it.
  virtual const void* reader() const noexcept { return nullptr; }
  // From now on it is held back for the limit, or not any more.
  virtual void on_held_back(bool /*is_held_back*/) noexcept {}
  // Not on a connection that served another exchange before.
  virtual bool wants_fresh_connection() const noexcept { return false; }
};

// What an I/O thread has to do already when it asks for more.
struct Occupancy {
  int busy = 0;  // exchanges in progress
  // More has arrived than the thread can take in, so that what is not urgent would only wait.
  bool behind = false;
  // With so many in progress the thread has all that it can take in, if it is the thread that is
  // the limit and not the network.
  static constexpr int kNotKnown = INT_MAX;
  int enough = kNotKnown;
  // More than these, without urgency, are not to be in progress before more bytes have come: how
  // many the thread can serve is not known when it begins.
  int ramp = kNotKnown;
  // So many are held back for the limit of bytes a second; and that is what limits the connector
  // now, in this thread or another.
  int held_back = 0;
  static constexpr int kEnoughHeldBack = 2;  // what nobody waits for yet would only join them
  bool is_at_limit = false;
};

// Hands out work. Thread-safe: every I/O thread asks whenever it may have a free slot.
class WorkSource {
 public:
  virtual ~WorkSource() = default;
  // The next exchange for I/O thread `thread`; null: none now. Whether it has too much in progress
  // is the source's decision: urgent work may exceed the usual number.
  virtual Exchange* next(int thread, const Occupancy& occupancy) noexcept = 0;
  // When next() should be asked again although nothing completed (a back-off ends);
  // TimePoint::max(): not before a wake. Asked after each null of next(); while the time is past
  // and next() has nothing still, both are asked every 10 ms.
  virtual TimePoint next_due() noexcept = 0;
};

// The I/O threads as the floors above see them: the curl implementation, and a fake in virtual time
// in tests.
class Transport {
 public:
  virtual ~Transport() = default;
  // Makes the I/O threads ask their source again and look at cancelled(). Any thread; cheap when
  // already awake.
  virtual void wake() noexcept = 0;
};

}  // namespace ossmc
