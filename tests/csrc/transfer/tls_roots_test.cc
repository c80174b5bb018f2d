#include "transfer/tls_roots.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "csrc/transfer/few_descriptors.h"
#include "csrc/transfer/scoped_environment.h"

namespace ossmc {
namespace {

class TlsRootsTest : public ::testing::Test {
 protected:
  void SetUp() override { std::ofstream(file_) << "no certificate, but readable"; }
  void TearDown() override { ::unlink(file_.c_str()); }

  ScopedEnvironment variables_{"SSL_CERT_FILE", "CURL_CA_BUNDLE"};
  const std::string file_ = ::testing::TempDir() + "ossmc-roots-" + std::to_string(::getpid());
};

TEST_F(TlsRootsTest, OptionsComeFirst) {
  variables_.set("SSL_CERT_FILE", "/elsewhere");
  EXPECT_EQ(find_tls_roots(file_, "/tmp").value().file, file_);
  EXPECT_EQ(find_tls_roots("", "/tmp").value().path, "/tmp");
  EXPECT_EQ(find_tls_roots("", "/tmp").value().file, "");
}

TEST_F(TlsRootsTest, ThenTheEnvironment) {
  variables_.set("CURL_CA_BUNDLE", "/curl");
  EXPECT_EQ(find_tls_roots("", "").value().file, "/curl");
  variables_.set("SSL_CERT_FILE", "/openssl");
  EXPECT_EQ(find_tls_roots("", "").value().file, "/openssl");
  variables_.set("SSL_CERT_FILE", "");
  EXPECT_EQ(find_tls_roots("", "").value().file, "/curl");
}

// Which of these there is depends on the system; certifi's never come before its own.
TEST_F(TlsRootsTest, ThenTheSystemsAndLastCertifis) {
  const TlsRoots systems = find_tls_roots("", "").value();
  set_certifi_file(file_);
  const TlsRoots found = find_tls_roots("", "").value();
  set_certifi_file("");
  const bool none = systems.told.starts_with("no authorities were found; looked in SSL_CERT_FILE");
  EXPECT_EQ(found.file, none ? file_ : systems.file);
  EXPECT_NE(found.told.find("trusted are the authorities in"), std::string::npos) << found.told;
}

TEST_F(TlsRootsTest, NamesWhatCannotBeRead) {
  const Status missing = find_tls_roots(file_ + "-missing", "").status();
  EXPECT_EQ(missing.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(missing.message().find(file_ + "-missing"), std::string::npos);
  EXPECT_EQ(find_tls_roots("/tmp", "").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(find_tls_roots("", file_).status().code(), StatusCode::kInvalidArgument);
}

// An authority file that is as good as any was called a bad argument; without one, the system's
// were passed over.
TEST_F(TlsRootsTest, AFileThatIsNotOpenedForWantOfDescriptorsIsNoBadArgument) {
  const FewDescriptors few(0);
  for (const std::string& file : {file_, std::string()}) {
    const Status status = find_tls_roots(file, "").status();
    EXPECT_EQ(status.code(), StatusCode::kConnect) << file;
    EXPECT_NE(status.message().find("(ulimit -n)"), std::string::npos) << status.message();
  }
}

}  // namespace
}  // namespace ossmc
