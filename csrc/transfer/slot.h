// Slot: one easy handle, used again and again, and the exchange that it carries at the moment.
//
// Owned by an IoThread; used on that thread only. libcurl calls back into it from within
// curl_multi_socket_action. Once an exchange failed the slot must be destroyed: the handle's state
// is not to be trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "transfer/curl_handle.h"
#include "transfer/exchange.h"
#include "transfer/head_collector.h"
#include "transfer/rate_limit.h"
#include "transfer/stall_watch.h"

namespace ossmc {

class Slot {
 public:
  // `settings`, `sockets`, `clock` and `body_bytes` outlive the slot. Every body byte is added to
  // `body_bytes`: the thread's own count, since an atomic that all threads share would be touched
  // once for every 16 KiB.
  Slot(const TransferSettings& settings, OpenSockets& sockets, const Clock& clock,
       std::uint64_t& body_bytes);
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  CURL* easy() const { return easy_.get(); }
  // The slot that made `easy`; null: none did, it is one of libcurl's own (8.10 and later end TLS
  // connections with such a one).
  static Slot* of(CURL* easy);

  // Asks the exchange for its request and sets the handle up for it. `sequence`: greater than that
  // of every exchange of the thread before. False: it cannot be sent; finish() says why.
  bool arm(Exchange& exchange, TimePoint now, std::uint64_t sequence);
  // The exchange ended as libcurl says in `code`, and the handle is out of the multi handle. The
  // caller then gives the outcome to exchange().on_done, as its last act on it. `is_alone`: no
  // other exchange of the process can have taken what this one lacked.
  ExchangeOutcome finish(CURLcode code, TimePoint now, bool is_alone = false);
  // The same when this side ended it.
  ExchangeOutcome finish_aborted(TransportError error, std::string text, TimePoint now);
  // Its handle is left in a multi handle that is left, too. After finish_aborted().
  void abandon() { static_cast<void>(easy_.release()); }

  Exchange& exchange() const { return *exchange_; }
  Progress& progress() { return progress_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t body_bytes() const { return bytes_ - head_bytes_; }
  std::uint64_t sequence() const { return sequence_; }
  // The request has not been sent yet, or not again since libcurl replaced a dead connection.
  bool is_connecting() const;
  // The last one that libcurl had watched for the exchange; CURL_SOCKET_BAD: none yet.
  curl_socket_t socket() const { return socket_; }
  void set_socket(curl_socket_t socket);

  // --- the limit of bytes a second ---
  // Its bytes are not taken off the network, until go_on().
  bool is_held_back() const { return held_back_since_.has_value(); }
  // Since it was asked for this the last time. No stall then: it is this side that kept it.
  bool take_was_held_back() { return std::exchange(was_held_back_, is_held_back()); }
  // The limit hears whether somebody waits for it; false: it has to wait still.
  bool may_go_on();
  // REQUIRES: may_go_on(). Hands on what libcurl has kept; it may be held back again at once. Not
  // kOk: the exchange ends with this code.
  CURLcode go_on(TimePoint now);

  // Its place in the thread's list of busy slots.
  std::size_t index = 0;

 private:
  static curl_socket_t open_callback(void* slot, curlsocktype purpose,
                                     curl_sockaddr* address) noexcept;
  static std::size_t header_callback(char* data, std::size_t size, std::size_t n,
                                     void* slot) noexcept;
  static std::size_t body_callback(char* data, std::size_t size, std::size_t n,
                                   void* slot) noexcept;
  bool take_header(std::string_view line);
  bool take_body(const char* data, std::size_t size);
  bool is_to_wait();
  void acknowledge_at_once() const;
  curl_off_t sent_us() const;
  bool set_request(const HttpRequest& request);
  bool fail_by(CURLcode code);  // of an option
  bool fail(TransportError error, const char* text);
  int refused_descriptor(TransportError error, bool is_alone) const;
  int os_errno(CURLcode code) const;
  ExchangeOutcome outcome(TimePoint now);
  std::string curl_text(CURLcode code) const;

  // Constant after construction.
  const TransferSettings& settings_;
  OpenSockets& sockets_;
  const Clock& clock_;
  std::uint64_t& body_bytes_;
  EasyHandle easy_;  // null: could not be made

  // Of the exchange in progress.
  Exchange* exchange_ = nullptr;
  TimePoint started_{};
  std::uint64_t sequence_ = 0;
  curl_socket_t socket_ = CURL_SOCKET_BAD;
  curl_off_t sent_us_at_open_ = 0;  // sent_us() when the last socket was opened for it
  HeaderList header_list_;
  HeadCollector head_;
  Progress progress_;
  std::uint64_t bytes_ = 0;  // of head and body
  std::uint64_t head_bytes_ = 0;
  RateLimit* limit_ = nullptr;  // null: it is not for this exchange
  RateLimit::Share share_;      // of that
  std::optional<TimePoint> held_back_since_;
  bool was_held_back_ = false;
  Duration held_back_{};
  int refused_ = 0;  // the error of a socket that the system refused; 0: none
  TransportError failure_ = TransportError::kNone;  // why a callback of ours gave up
  const char* failure_text_ = "";
  char error_buffer_[CURL_ERROR_SIZE] = {};
};

}  // namespace ossmc
