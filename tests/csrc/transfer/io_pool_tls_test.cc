// IoPool and certificates, against `openssl s_server`, which pipes what it decrypts: the test sees
// every byte that came through the handshake, and whether any did.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "csrc/transfer/few_descriptors.h"
#include "csrc/transfer/io_pool_fixture.h"
#include "support/csrc/wire_server.h"
#include "transfer/io_pool.h"

namespace ossmc {
namespace {

// A running program with pipes to its standard input and output.
class Child {
 public:
  explicit Child(std::vector<std::string> words) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) return;
    std::vector<char*> argv(words.size() + 1);
    for (std::size_t i = 0; i < words.size(); ++i) argv[i] = words[i].data();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(out[1], STDERR_FILENO);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    in_ = in[1];
    out_ = out[0];
  }
  ~Child() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    wait();
    ::close(in_);
    ::close(out_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int wait() {
    int status = -1;
    if (pid_ > 0) ::waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }
  void write(const std::string& text) {
    EXPECT_EQ(::write(in_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // Reads until `words` came, or nothing for a minute; everything read so far.
  const std::string& read_until(std::string_view words, int limit_ms = 60'000) {
    std::array<char, 4096> buffer;
    pollfd waited{out_, POLLIN, 0};
    while (text_.find(words) == std::string::npos && ::poll(&waited, 1, limit_ms) > 0) {
      const ssize_t got = ::read(out_, buffer.data(), buffer.size());
      if (got <= 0) break;
      text_.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text_;
  }

 private:
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  std::string text_;
};

class IoPoolTls : public IoPoolTest {
 protected:
  static void SetUpTestSuite() {
    folder = ::testing::TempDir() + "ossmc-tls-" + std::to_string(::getpid());
    std::filesystem::create_directories(folder);
    make_certificate("good", "IP:127.0.0.1,DNS:localhost");
    make_certificate("other", "DNS:other.example");
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder); }

  // A throw-away certificate that signs itself.
  static void make_certificate(const std::string& name, const std::string& names) {
    Child openssl({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                   "-addext", "subjectAltName=" + names, "-keyout", folder + "/" + name + ".key",
                   "-out", folder + "/" + name + ".pem"});
    have_openssl = openssl.wait() == 0;
  }
  void SetUp() override {
    if (!have_openssl) GTEST_SKIP() << "no openssl command";
  }
  std::string file(const std::string& name) { return folder + "/" + name; }

  void serve(const std::string& certificate, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"openssl", "s_server",
                                      "-accept", "127.0.0.1:0",
                                      "-cert",   file(certificate + ".pem"),
                                      "-key",    file(certificate + ".key")};
    words.insert(words.end(), more.begin(), more.end());
    server_ = std::make_unique<Child>(words);
    const std::string said = server_->read_until("ACCEPT 127.0.0.1:");
    const std::size_t at = said.find("ACCEPT 127.0.0.1:");
    ASSERT_NE(at, std::string::npos) << said;
    // The line's end is there: the server writes it at once.
    port_ = std::atoi(said.c_str() + at + 17);
    ASSERT_GT(port_, 0) << said;
  }
  std::string url(const std::string& host = "127.0.0.1") {
    return "https://" + host + ":" + std::to_string(port_) + "/path";
  }
  void expect_refused(RecordedExchange& exchange) {
    const ExchangeOutcome outcome = run(exchange);
    EXPECT_EQ(outcome.error, TransportError::kTls) << outcome.text;
    EXPECT_EQ(exchange.calls(), "rd");
    EXPECT_FALSE(outcome.any_reply_byte);
    EXPECT_EQ(server_->read_until("GET /path", 100).find("GET /path"), std::string::npos);
  }

  static inline std::string folder;
  static inline bool have_openssl = false;
  std::unique_ptr<Child> server_;
  int port_ = 0;
};

TEST_F(IoPoolTls, SelfSignedIsRefusedBeforeAnyByteOfHttp) {
  serve("good");
  RecordedExchange exchange(url());
  expect_refused(exchange);
}

TEST_F(IoPoolTls, AcceptedWithItsAuthority) {
  serve("good");
  options_.ca_file = file("good.pem");
  RecordedExchange exchange(url());
  start();
  submit(exchange);
  EXPECT_NE(server_->read_until("\r\n\r\n").find("GET /path HTTP/1.1"), std::string::npos);
  server_->write(http_reply(200, "hello"));
  EXPECT_EQ(exchange.wait().error, TransportError::kNone);
  EXPECT_EQ(exchange.body(), "hello");
}

TEST_F(IoPoolTls, WrongHostIsRefused) {
  serve("other");
  options_.ca_file = file("other.pem");
  RecordedExchange exchange(url());
  expect_refused(exchange);
}

TEST_F(IoPoolTls, AnotherAuthorityIsNoHelp) {
  serve("good");
  options_.ca_file = file("other.pem");
  RecordedExchange exchange(url());
  expect_refused(exchange);
}

TEST_F(IoPoolTls, OldProtocolsAreRefused) {
  serve("good", {"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"});
  options_.ca_file = file("good.pem");
  RecordedExchange exchange(url());
  expect_refused(exchange);
}

TEST_F(IoPoolTls, AnAuthorityFileWithoutCertificatesIsATlsError) {
  serve("good");
  options_.ca_file = file("good.key");
  RecordedExchange exchange(url());
  expect_refused(exchange);
}

// It was told as a certificate that is not trusted, and never tried again.
TEST_F(IoPoolTls, AnAuthorityFileThatCouldNotBeOpenedForWantOfDescriptorsIsTriedAgain) {
  serve("good");
  options_.ca_file = file("good.pem");
  start();
  {
    const FewDescriptors few(1);
    RecordedExchange exchange(url());
    const ExchangeOutcome outcome = run(exchange);
    EXPECT_EQ(outcome.error, TransportError::kNoDescriptor) << outcome.text;
    EXPECT_TRUE(outcome.may_pass);
  }
  RecordedExchange again(url());
  submit(again);
  EXPECT_NE(server_->read_until("\r\n\r\n").find("GET /path HTTP/1.1"), std::string::npos);
  server_->write(http_reply(200, "hello"));
  EXPECT_EQ(again.wait().error, TransportError::kNone);
}

TEST_F(IoPoolTls, AHandshakeThatTheNetworkBreaksMayBeTriedAgain) {
  for (const bool with_reset : {false, true}) {
    WireServer server([](WireConnection&, const WireRequest&) {},
                      [with_reset](WireConnection& peer) {
                        peer.wait(50ms);
                        with_reset ? peer.reset() : peer.close();
                      });
    RecordedExchange exchange("https://127.0.0.1:" + std::to_string(server.port()) + "/");
    const ExchangeOutcome outcome = run(exchange);
    EXPECT_EQ(outcome.error, TransportError::kConnect) << outcome.text;
  }
}

TEST_F(IoPoolTls, PlainHttpOnATlsPortIsATlsError) {
  WireServer server([](WireConnection&, const WireRequest&) {},
                    [](WireConnection& peer) {
                      peer.send(http_reply(400, "plain"));
                      peer.wait_for_peer_to_close();
                      peer.close();
                    });
  RecordedExchange exchange("https://127.0.0.1:" + std::to_string(server.port()) + "/");
  EXPECT_EQ(run(exchange).error, TransportError::kTls);
  EXPECT_EQ(exchange.calls(), "rd");
}

TEST_F(IoPoolTls, StallInTheHandshakeIsAConnectError) {
  options_.connect_timeout = 200ms;
  WireServer server([](WireConnection&, const WireRequest&) {},
                    [](WireConnection& peer) { peer.wait_for_peer_to_close(); });
  EXPECT_TRUE(once([&] {
    RecordedExchange exchange("https://127.0.0.1:" + std::to_string(server.port()) + "/");
    const ExchangeOutcome outcome = run(exchange);
    EXPECT_EQ(outcome.error, TransportError::kConnect) << outcome.text;
    return outcome.elapsed < 2s;
  }));
}

TEST_F(IoPoolTls, ARefusedTunnelIsAConnectErrorWithoutTheProxysPassword) {
  WireServer proxy([](WireConnection& peer, const WireRequest&) {
    peer.send(http_reply(403, "no", {"ETag: \"of the proxy\""}));
  });
  options_.proxy = "http://user:secret@127.0.0.1:" + std::to_string(proxy.port());
  RecordedExchange exchange("https://store.invalid/");
  const ExchangeOutcome outcome = run(exchange);
  EXPECT_EQ(outcome.error, TransportError::kConnect) << outcome.text;
  EXPECT_EQ(outcome.text.find("secret"), std::string::npos) << outcome.text;
  EXPECT_EQ(exchange.calls(), "rd");
  EXPECT_EQ(proxy.requests().at(0).method, "CONNECT");
}

}  // namespace
}  // namespace ossmc
