// Owned libcurl handles, set up as this floor wants them, and what libcurl's codes mean here.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string_view>

#include "base/status.h"
#include "transfer/exchange.h"
#include "transfer/io_pool.h"
#include "transfer/open_sockets.h"
#include "transfer/proxies.h"
#include "transfer/tls_roots.h"

namespace ossmc {

// What IoPool::start() found out once for all its handles. Constant afterwards.
struct TransferSettings {
  IoPoolOptions options;
  TlsRoots tls_roots;
  Proxies proxies;
};

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct HeaderListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using EasyHandle = std::unique_ptr<CURL, EasyDeleter>;
using MultiHandle = std::unique_ptr<CURLM, MultiDeleter>;
using HeaderList = std::unique_ptr<curl_slist, HeaderListDeleter>;

// Once in the process, however often it is called. Thread-safe.
Status init_curl();

// An easy handle with every option that does not depend on the request. It closes its sockets by
// way of `sockets`, which must outlive the multi handle that it is used with. How it opens them is
// the slot's affair. Null: out of memory, or a libcurl that lacks an option which we do not go
// without.
EasyHandle make_easy_handle(const TransferSettings& settings, OpenSockets& sockets);

// `text`: libcurl's words for this error, which tell apart what shares a code.
TransportError transport_error(CURLcode code, std::string_view text);

// Sets options and remembers the first failure, so that none is passed over.
class OptionSetter {
 public:
  explicit OptionSetter(CURL* easy) : easy_(easy) {}

  template <typename T>
  OptionSetter& set(CURLoption option, T value) {
    // In parentheses: the function itself, not the macro that checks types where it can.
    const CURLcode code = (curl_easy_setopt)(easy_, option, value);
    if (code_ == CURLE_OK) code_ = code;
    return *this;
  }
  CURLcode code() const { return code_; }

 private:
  CURL* const easy_;
  CURLcode code_ = CURLE_OK;
};

}  // namespace ossmc
