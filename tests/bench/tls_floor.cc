// The floor over https: OpenSSL's SSL_read into one warm scratch buffer a thread, TLS 1.3 with
// AES-256-GCM, no read-ahead, the server's certificate checked against CA_FILE (receive.h).
//
//   tls_floor PORT THREADS CHUNK_MIB PASSES OBJECT_BYTES CA_FILE PATH...
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "receive.h"

namespace {

SSL_CTX* context = nullptr;  // set before the first thread starts

[[noreturn]] void fail_tls(const char* what) {
  std::fprintf(stderr, "%s:\n", what);
  ERR_print_errors_fp(stderr);
  std::exit(1);
}

void make_context(const char* ca_file) {
  context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) fail_tls("SSL_CTX_new");
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  if (SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") != 1) fail_tls("ciphers");
  if (SSL_CTX_load_verify_locations(context, ca_file, nullptr) != 1) fail_tls("the CA file");
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_read_ahead(context, 0);
}

class TlsConnection {
 public:
  explicit TlsConnection(int port) : fd_(connect_to_loopback(port)), ssl_(SSL_new(context)) {
    if (ssl_ == nullptr) fail_tls("SSL_new");
    SSL_set_fd(ssl_, fd_);
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), "127.0.0.1");
    if (SSL_connect(ssl_) != 1) fail_tls("SSL_connect");
  }
  TlsConnection(const TlsConnection&) = delete;
  TlsConnection& operator=(const TlsConnection&) = delete;
  ~TlsConnection() {
    SSL_free(ssl_);
    ::close(fd_);
  }

  void send_all(const char* data, std::size_t size) {
    if (SSL_write(ssl_, data, static_cast<int>(size)) != static_cast<int>(size)) {
      fail_tls("SSL_write");
    }
  }

  std::size_t receive(char* to, std::size_t size) {
    const int count = SSL_read(ssl_, to, static_cast<int>(size));
    if (count <= 0) fail_tls("SSL_read");
    return static_cast<std::size_t>(count);
  }

 private:
  const int fd_;
  SSL* const ssl_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 8) {
    std::fputs("usage: tls_floor PORT THREADS CHUNK_MIB PASSES OBJECT_BYTES CA_FILE PATH...\n",
               stderr);
    return 2;
  }
  const int port = std::atoi(arguments[1]);
  const int threads = std::atoi(arguments[2]);
  const std::size_t chunk_bytes = std::strtoull(arguments[3], nullptr, 10) << 20;
  const int passes = std::atoi(arguments[4]);
  const std::size_t object_bytes = std::strtoull(arguments[5], nullptr, 10);
  make_context(arguments[6]);
  const std::vector<std::string> paths(arguments + 7, arguments + count);
  receive_all<TlsConnection>(port, threads, passes,
                             jobs_of(paths, object_bytes, chunk_bytes, Into::kScratch));
  SSL_CTX_free(context);
  return 0;
}
