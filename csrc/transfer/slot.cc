#include "transfer/slot.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "transfer/connect_advice.h"
#include "transfer/descriptor_limit.h"

namespace ossmc {
namespace {

// So many free descriptors say that none was lacking a moment ago: while other threads are at work,
// which take and give back, and without them.
constexpr int kEnoughAmongOthers = 16;
constexpr int kEnoughAlone = 4;

// Has it nothing that would end the header line or the string early, and so let a value add headers
// of its own? Looks at all of it: so it is many characters at a time.
bool is_clean(std::string_view text) {
  bool ends = false;
  for (const char c : text) ends |= c == '\r' || c == '\n' || c == '\0';
  return !ends;
}

bool append(HeaderList& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) return false;
  static_cast<void>(list.release());
  list.reset(longer);
  return true;
}

}  // namespace

Slot::Slot(const TransferSettings& settings, OpenSockets& sockets, const Clock& clock,
           std::uint64_t& body_bytes)
    : settings_(settings),
      sockets_(sockets),
      clock_(clock),
      body_bytes_(body_bytes),
      easy_(make_easy_handle(settings, sockets)) {
  if (!easy_) return;
  OptionSetter easy(easy_.get());
  easy.set(CURLOPT_PRIVATE, this)
      .set(CURLOPT_ERRORBUFFER, &error_buffer_[0])
      .set(CURLOPT_OPENSOCKETFUNCTION, open_callback)
      .set(CURLOPT_OPENSOCKETDATA, this)
      .set(CURLOPT_HEADERFUNCTION, header_callback)
      .set(CURLOPT_HEADERDATA, this)
      .set(CURLOPT_WRITEFUNCTION, body_callback)
      .set(CURLOPT_WRITEDATA, this);
  if (easy.code() != CURLE_OK) easy_.reset();
}

Slot* Slot::of(CURL* easy) {
  char* slot = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &slot);
  return reinterpret_cast<Slot*>(slot);
}

bool Slot::arm(Exchange& exchange, TimePoint now, std::uint64_t sequence) {
  exchange_ = &exchange;
  started_ = now;
  sequence_ = sequence;
  socket_ = CURL_SOCKET_BAD;
  sent_us_at_open_ = 0;
  header_list_.reset();
  head_.reset();
  progress_.restart(now);
  bytes_ = head_bytes_ = 0;
  refused_ = 0;
  failure_ = TransportError::kNone;
  failure_text_ = "";
  error_buffer_[0] = '\0';
  held_back_since_.reset();
  was_held_back_ = false;
  held_back_ = {};
  limit_ = exchange.reader() != nullptr ? settings_.options.rate_limit : nullptr;
  if (limit_ != nullptr) limit_->begin(share_, exchange.reader());
  const HttpRequest& request = exchange.request();
  if (!easy_) return fail(TransportError::kNoMemory, "libcurl gave no handle");
  if (!set_request(request)) return false;
  OptionSetter easy(easy_.get());
  easy.set(CURLOPT_FRESH_CONNECT, exchange.wants_fresh_connection() ? 1L : 0L);
  return easy.code() == CURLE_OK || fail_by(easy.code());
}

bool Slot::set_request(const HttpRequest& request) {
  if (!is_clean(request.url)) return fail(TransportError::kOther, "line end in the URL");
  for (const NameValue& header : request.headers) {
    if (!is_clean(header.name) || !is_clean(header.value) || header.name.empty()) {
      return fail(TransportError::kOther, "line end in a header");
    }
    // libcurl leaves "Name:" out, but sends "Name;" as a header with an empty value.
    const bool added = append(
        header_list_, header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
    if (!added) return fail(TransportError::kNoMemory, "out of memory");
  }
  OptionSetter easy(easy_.get());
  easy.set(CURLOPT_URL, request.url.c_str())
      .set(CURLOPT_PROXY, settings_.proxies.for_url(request.url).c_str())
      .set(CURLOPT_HTTPHEADER, header_list_.get());
  if (request.method == Method::kHead) {
    easy.set(CURLOPT_NOBODY, 1L);
  } else {
    easy.set(CURLOPT_HTTPGET, 1L);
  }
  return easy.code() == CURLE_OK || fail_by(easy.code());
}

bool Slot::fail_by(CURLcode code) {
  return code == CURLE_OUT_OF_MEMORY ? fail(TransportError::kNoMemory, "out of memory")
                                     : fail(TransportError::kOther, "libcurl refused an option");
}

bool Slot::fail(TransportError error, const char* text) {
  failure_ = error;
  failure_text_ = text;
  return false;
}

curl_socket_t Slot::open_callback(void* slot, curlsocktype, curl_sockaddr* address) noexcept {
  auto* const self = static_cast<Slot*>(slot);
  self->sent_us_at_open_ = self->sent_us();
  const int fd = self->sockets_.open(address->family, address->socktype, address->protocol);
  if (fd >= 0) return fd;
  if (is_descriptor_shortage(errno)) self->refused_ = errno;
  return CURL_SOCKET_BAD;
}

std::size_t Slot::header_callback(char* data, std::size_t size, std::size_t n,
                                  void* slot) noexcept {
  return static_cast<Slot*>(slot)->take_header({data, size * n}) ? size * n : size * n + 1;
}

bool Slot::take_header(std::string_view line) {
  bytes_ += line.size();
  head_bytes_ += line.size();
  switch (head_.add(line)) {
    case HeadCollector::Verdict::kMore:
      return true;
    case HeadCollector::Verdict::kTooLarge:
      return fail(TransportError::kReset, "the reply's head is too large");
    case HeadCollector::Verdict::kMalformed:
      return fail(TransportError::kReset, "the reply's status line is malformed");
    case HeadCollector::Verdict::kComplete:
      break;
  }
  acknowledge_at_once();
  const ResponseHead head = parse_response_head(head_.status(), head_.headers());
  return exchange_->on_head(head) || fail(TransportError::kAborted, "aborted at the head");
}

void Slot::set_socket(curl_socket_t socket) {
  socket_ = socket;
  // libcurl has the socket watched only when it must wait, which may be in the body.
  if (head_.complete()) acknowledge_at_once();
}

// A connection that sends a request soon after a reply looks to Linux like a conversation: it holds
// acknowledgements back, for up to 40 ms, to let them ride on what is sent next (tcp(7),
// TCP_QUICKACK). A download sends nothing, and a sender that needs them stands still. Each request
// brings that back, so this follows each. Where it is refused nothing is lost but time.
void Slot::acknowledge_at_once() const {
  if (socket_ == CURL_SOCKET_BAD) return;
  const int on = 1;
  static_cast<void>(::setsockopt(socket_, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on));
}

// The byte path: once for every 16 KiB. No lock, no allocation; under a limit of bytes a second
// there is a lock for each portion.
std::size_t Slot::body_callback(char* data, std::size_t size, std::size_t n, void* slot) noexcept {
  auto* const self = static_cast<Slot*>(slot);
  if (self->limit_ != nullptr && self->is_to_wait()) return CURL_WRITEFUNC_PAUSE;
  return self->take_body(data, size * n) ? size * n : size * n + 1;
}

// libcurl keeps what it has, and does not look at the socket any more.
bool Slot::is_to_wait() {
  if (!is_held_back() && limit_->may_take(share_, exchange_->is_awaited())) return false;
  if (is_held_back()) return true;
  held_back_since_ = clock_.now();
  was_held_back_ = true;
  exchange_->on_held_back(true);
  return true;
}

bool Slot::may_go_on() {
  if (!share_.waits()) return true;
  limit_->set_awaited(share_, exchange_->is_awaited());
  return false;
}

CURLcode Slot::go_on(TimePoint now) {
  held_back_ += now - *held_back_since_;
  held_back_since_.reset();
  exchange_->on_held_back(false);
  return curl_easy_pause(easy_.get(), CURLPAUSE_CONT);
}

bool Slot::take_body(const char* data, std::size_t size) {
  if (!head_.complete()) return fail(TransportError::kReset, "a body without a head");
  bytes_ += size;
  body_bytes_ += size;
  if (limit_ != nullptr) limit_->took(share_, size);
  return exchange_->on_body(reinterpret_cast<const std::byte*>(data), size) ||
         fail(TransportError::kAborted, "aborted in the body");
}

// libcurl adds to it each time that it sends the request, so by 1 at least.
curl_off_t Slot::sent_us() const {
  curl_off_t result = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &result);
  return result;
}

bool Slot::is_connecting() const {
  if (bytes_ > 0) return false;
  const curl_off_t sent = sent_us();
  return sent == 0 || sent == sent_us_at_open_;
}

ExchangeOutcome Slot::finish(CURLcode code, TimePoint now, bool is_alone) {
  if (failure_ == TransportError::kNone && code == CURLE_OK && !head_.complete()) {
    fail(TransportError::kReset, "the reply has no head");
  }
  if (failure_ != TransportError::kNone) return finish_aborted(failure_, failure_text_, now);
  if (code == CURLE_OK) return outcome(now);

  std::string text = curl_text(code);
  TransportError error = transport_error(code, text);
  // No callback of ours gave up, so it is something else that libcurl could not write.
  if (error == TransportError::kAborted) error = TransportError::kOther;
  // So older libcurl calls a line of the head that is too long for it, too.
  if (error == TransportError::kNoMemory && !is_connecting()) error = TransportError::kOther;
  if (const int refused = refused_descriptor(error, is_alone); refused != 0) {
    sockets_.shared().note_refusal(now);
    ExchangeOutcome result = finish_aborted(
        TransportError::kNoDescriptor,
        (refused_ != 0 ? "no socket" : text) + ": " + describe_descriptor_shortage(refused), now);
    result.os_errno = refused;
    return result;
  }
  long tunnel = 0;  // status of the proxy's reply to CONNECT; older libcurl calls this kReset
  curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_CONNECTCODE, &tunnel);
  if (tunnel >= 300 && error == TransportError::kReset) error = TransportError::kConnect;
  long connects = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_NUM_CONNECTS, &connects);
  char* effective = nullptr;  // owned by the handle
  curl_easy_getinfo(easy_.get(), CURLINFO_EFFECTIVE_URL, &effective);
  const std::string_view url = effective == nullptr ? "" : effective;
  text += connect_advice({.is_https = url.starts_with("https:"),
                          .is_proxied = !settings_.proxies.for_url(url).empty(),
                          .is_fresh = connects > 0,
                          .any_reply_byte = bytes_ > 0,
                          .text = text,
                          .roots = settings_.tls_roots.told});
  ExchangeOutcome result = finish_aborted(error, std::move(text), now);
  result.os_errno = os_errno(code);
  return result;
}

// libcurl does not say that a name was not resolved, or the file of authorities not opened, for
// want of a descriptor. Each that failed has given back its own by now.
int Slot::refused_descriptor(TransportError error, bool is_alone) const {
  if (bytes_ > 0) return 0;
  if (error == TransportError::kConnect) return refused_;
  // A thread that looks up names needs descriptors too, and libcurl does not say which it lacked.
  if (error != TransportError::kDns && error != TransportError::kTls &&
      error != TransportError::kNoMemory)
    return 0;
  if (!is_alone && sockets_.shared().was_refused_since(started_)) return EMFILE;
  return find_descriptor_shortage(is_alone ? kEnoughAlone : kEnoughAmongOthers);
}

ExchangeOutcome Slot::finish_aborted(TransportError error, std::string text, TimePoint now) {
  ExchangeOutcome result = outcome(now);
  result.error = error;
  result.text = std::move(text);
  if (error == TransportError::kNoMemory)
    result.text += " (ulimit -v, or the container's limit): raise it";
  return result;
}

// libcurl keeps that of the last call that failed: of one address of a name, though it was another
// that took the connection, and ended it without an error of the system.
int Slot::os_errno(CURLcode code) const {
  long number = 0;
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &number);
      return static_cast<int>(number);
    default:
      return 0;
  }
}

ExchangeOutcome Slot::outcome(TimePoint now) {
  if (limit_ != nullptr) std::exchange(limit_, nullptr)->end(share_);
  if (held_back_since_) held_back_ += now - *held_back_since_;
  held_back_since_.reset();
  ExchangeOutcome result;
  result.any_reply_byte = bytes_ > 0;
  result.elapsed = now - started_;
  result.held_back = held_back_;
  if (!easy_) return result;
  long connects = 0;
  long port = 0;
  curl_off_t first_byte_us = 0;
  char* ip = nullptr;  // owned by the handle
  curl_easy_getinfo(easy_.get(), CURLINFO_NUM_CONNECTS, &connects);
  curl_easy_getinfo(easy_.get(), CURLINFO_PRIMARY_PORT, &port);
  curl_easy_getinfo(easy_.get(), CURLINFO_PRIMARY_IP, &ip);
  curl_easy_getinfo(easy_.get(), CURLINFO_STARTTRANSFER_TIME_T, &first_byte_us);
  if (ip == nullptr || *ip == '\0') return result;  // it never got as far as a connection
  result.reused_connection = connects == 0;
  if (result.any_reply_byte) result.first_byte = std::chrono::microseconds(first_byte_us);
  const std::string_view address(ip);
  result.remote =
      address.find(':') == address.npos ? std::string(address) : "[" + std::string(address) + "]";
  result.remote += ":" + std::to_string(port);
  return result;
}

std::string Slot::curl_text(CURLcode code) const {
  return without_userinfo(error_buffer_[0] != '\0' ? &error_buffer_[0] : curl_easy_strerror(code));
}

}  // namespace ossmc
