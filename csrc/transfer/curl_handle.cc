#include "transfer/curl_handle.h"

#include <chrono>
#include <mutex>
#include <string>

#include "transfer/rate_limit.h"

namespace ossmc {
namespace {

// libcurl's receive buffer, the size of one recv(). Measured over loopback, in cpu-s/GB: 16 KiB
// 0.70, 256 KiB 0.36, 512 KiB 0.32. It is also the most that libcurl before 7.88 takes.
constexpr long kReceiveBufferBytes = 512 * 1024;

// Under a limit of bytes a second no more than may be taken at once: the rest libcurl would keep,
// and copy each time that the transfer is held back.
long receive_buffer_bytes(const IoPoolOptions& options) {
  if (options.rate_limit == nullptr) return kReceiveBufferBytes;
  return static_cast<long>(options.rate_limit->portion_bytes());
}

// Idle connections older than this are not used again: OSS and what stands before it drop idle ones
// at 60 s, and a request sent just then fails.
constexpr long kMaxIdleSeconds = 45;

// A connection does not live longer than this, so that new addresses of a store come into use.
constexpr long kMaxConnectionSeconds = 300;

int close_socket(void* sockets, curl_socket_t fd) noexcept {
  return static_cast<OpenSockets*>(sockets)->close(fd);
}

// The thread's signals are blocked, and libcurl's own SIGPIPE handling is off (NOSIGNAL).
void set_connection_options(OptionSetter& easy, const IoPoolOptions& options,
                            OpenSockets& sockets) {
  using std::chrono::milliseconds;
  const auto connect_ms = std::chrono::ceil<milliseconds>(options.connect_timeout).count();
  easy.set(CURLOPT_NOSIGNAL, 1L)
      .set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1))
      .set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect_ms))
      .set(CURLOPT_TCP_NODELAY, 1L)
      .set(CURLOPT_TCP_KEEPALIVE, 1L)
      .set(CURLOPT_TCP_KEEPIDLE, 30L)
      .set(CURLOPT_TCP_KEEPINTVL, 10L)
      .set(CURLOPT_MAXAGE_CONN, kMaxIdleSeconds)
      .set(CURLOPT_MAXLIFETIME_CONN, kMaxConnectionSeconds)
      .set(CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L)  // a store has many addresses: spread over them
      .set(CURLOPT_BUFFERSIZE, receive_buffer_bytes(options))
      .set(CURLOPT_CLOSESOCKETFUNCTION, close_socket)
      .set(CURLOPT_CLOSESOCKETDATA, &sockets);
#if LIBCURL_VERSION_NUM >= 0x075700
  // Not to wait for a getaddrinfo() that hangs when its exchange is aborted: the resolver's thread
  // is detached and cleans up after itself. Older ones wait.
  easy.set(CURLOPT_QUICK_EXIT, 1L);
#endif
}

// Nothing is done behind the caller's back: no redirects, no other protocols, no credentials from
// files, no decoding of bodies, no rewriting of paths.
void set_http_options(OptionSetter& easy, const IoPoolOptions& options) {
  easy.set(CURLOPT_PATH_AS_IS, 1L)
      .set(CURLOPT_FOLLOWLOCATION, 0L)
      .set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED))
      .set(CURLOPT_HTTP_CONTENT_DECODING, 0L)
      .set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L)
      // Headers of requests are not for a proxy that opens a tunnel: one of them is the signature.
      .set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE))
      .set(CURLOPT_NOPROGRESS, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
  easy.set(CURLOPT_PROTOCOLS_STR, "http,https");
#else
  easy.set(CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  if (!options.user_agent.empty()) easy.set(CURLOPT_USERAGENT, options.user_agent.c_str());
}

void set_tls_options(OptionSetter& easy, const TlsRoots& roots) {
  easy.set(CURLOPT_SSL_VERIFYPEER, 1L)
      .set(CURLOPT_SSL_VERIFYHOST, 2L)
      .set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2))
      .set(CURLOPT_PROXY_SSL_VERIFYPEER, 1L)
      .set(CURLOPT_PROXY_SSL_VERIFYHOST, 2L)
      .set(CURLOPT_PROXY_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (roots.file.empty() && roots.path.empty()) return;
  // The other one is cleared: libcurl would also trust its default there. Without a path, newer
  // libcurl reads the file once for all connections (CURLOPT_CA_CACHE_TIMEOUT).
  const char* file = roots.file.empty() ? nullptr : roots.file.c_str();
  const char* path = roots.path.empty() ? nullptr : roots.path.c_str();
  easy.set(CURLOPT_CAINFO, file)
      .set(CURLOPT_CAPATH, path)
      .set(CURLOPT_PROXY_CAINFO, file)
      .set(CURLOPT_PROXY_CAPATH, path);
}

// A handshake that the network cut short, as libcurl, OpenSSL and GnuTLS put it: not the fault of a
// certificate, and worth another try.
bool is_broken_handshake(std::string_view text) {
  for (const std::string_view words :
       {"Recv failure", "Send failure", "SSL_connect:", "unexpected eof", "in the pull function",
        "non-properly terminated"}) {
    if (text.find(words) != std::string_view::npos) return true;
  }
  return false;
}

// A name is looked up by a thread, whose stack the system may refuse.
bool is_thread_refused(std::string_view text) {
  return text.find("thread failed to start") != std::string_view::npos;
}

}  // namespace

Status init_curl() {
  static std::once_flag once;
  static CURLcode code = CURLE_OK;
  std::call_once(once, [] { code = curl_global_init(CURL_GLOBAL_DEFAULT); });
  if (code == CURLE_OK) return {};
  return {StatusCode::kInternal, std::string("libcurl: ") + curl_easy_strerror(code)};
}

EasyHandle make_easy_handle(const TransferSettings& settings, OpenSockets& sockets) {
  EasyHandle handle(curl_easy_init());
  if (!handle) return nullptr;
  OptionSetter easy(handle.get());
  set_connection_options(easy, settings.options, sockets);
  set_http_options(easy, settings.options);
  set_tls_options(easy, settings.tls_roots);
  easy.set(CURLOPT_NOPROXY, settings.proxies.no_proxy.c_str());
  if (easy.code() != CURLE_OK) return nullptr;
  return handle;
}

TransportError transport_error(CURLcode code, std::string_view text) {
  switch (code) {
    case CURLE_OK:
      return TransportError::kNone;
    case CURLE_WRITE_ERROR:
    case CURLE_ABORTED_BY_CALLBACK:
      return TransportError::kAborted;
    case CURLE_OUT_OF_MEMORY:
      return TransportError::kNoMemory;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return is_thread_refused(text) ? TransportError::kNoMemory : TransportError::kDns;
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
    case CURLE_PROXY:
    case CURLE_OPERATION_TIMEDOUT:  // the connect timeout: no other is set
      return TransportError::kConnect;
    case CURLE_SSL_CONNECT_ERROR:
      return is_broken_handshake(text) ? TransportError::kConnect : TransportError::kTls;
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
      return TransportError::kTls;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_SHUTDOWN_FAILED:
#if LIBCURL_VERSION_NUM >= 0x080600
    case CURLE_TOO_LARGE:  // a head beyond libcurl's own bounds
#endif
      return TransportError::kReset;
    default:
      return TransportError::kOther;
  }
}

}  // namespace ossmc
