#include "transfer/multi.h"

#include <algorithm>
#include <system_error>

namespace ossmc {

bool Multi::open() {
  cause_ = 0;
  handle_.reset(curl_multi_init());
  error_ = handle_ ? CURLM_OK : CURLM_OUT_OF_MEMORY;
  if (!handle_) return false;
  const auto set = [this](CURLMoption option, auto value) {
    // In parentheses: the function itself, not the macro that checks types where it can.
    note((curl_multi_setopt)(handle_.get(), option, value));
  };
  set(CURLMOPT_SOCKETFUNCTION, callbacks_.socket);
  set(CURLMOPT_SOCKETDATA, callbacks_.owner);
  set(CURLMOPT_TIMERFUNCTION, callbacks_.timer);
  set(CURLMOPT_TIMERDATA, callbacks_.owner);
  // libcurl's default, four times the handles in progress, would close warm connections whenever
  // few are in progress.
  set(CURLMOPT_MAXCONNECTS, max_connections_);
  kept_connections_ = max_connections_;
#if LIBCURL_VERSION_NUM >= 0x081400
  // From 8.20 on names are resolved by threads of the multi handle. As CURLOPT_QUICK_EXIT (see
  // curl_handle.cc): close() does not wait for one that hangs in getaddrinfo().
  set(CURLMOPT_QUICK_EXIT, 1L);
#endif
  if (!is_good()) handle_.reset();
  return is_good();
}

void Multi::close() { handle_.reset(); }

std::string Multi::error_text() const {
  std::string text = "libcurl gave up all transfers of a thread: ";
  text += cause_ != 0 ? std::system_category().message(cause_) : curl_multi_strerror(error_);
  return text;
}

void Multi::keep_connections(int most) {
  const long wanted = std::min<long>(most, max_connections_);
  if (wanted == kept_connections_ || !is_good()) return;
  kept_connections_ = wanted;
  note((curl_multi_setopt)(handle_.get(), CURLMOPT_MAXCONNECTS, wanted));
}

bool Multi::note(CURLMcode code) {
  if (error_ == CURLM_OK) error_ = code;
  return code == CURLM_OK;
}

bool Multi::add(CURL* easy) { return note(curl_multi_add_handle(handle_.get(), easy)); }

void Multi::remove(CURL* easy) { note(curl_multi_remove_handle(handle_.get(), easy)); }

void Multi::act(curl_socket_t socket, int events) {
  int running = 0;
  note(curl_multi_socket_action(handle_.get(), socket, events, &running));
}

void Multi::act_on_all() {
  int running = 0;
// Deprecated for what it costs, which is nothing a few times while connections are made.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  note(curl_multi_socket_all(handle_.get(), &running));
#pragma GCC diagnostic pop
}

const CURLMsg* Multi::next_message() {
  int left = 0;
  return curl_multi_info_read(handle_.get(), &left);
}

}  // namespace ossmc
