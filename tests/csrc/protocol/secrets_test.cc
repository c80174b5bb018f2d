#include "protocol/secrets.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "protocol/object_name.h"

namespace ossmc {
namespace {

TEST(Secrets, AreBlottedOut) {
  const std::pair<const char*, const char*> table[] = {
      {"oss://id:hunter2@bucket/key", "oss://[redacted]@bucket/key"},
      {"http://u:p@w@proxy:1 and //x@y", "http://[redacted]@proxy:1 and //[redacted]@y"},
      {"?url=https%3A%2F%2Fid%3Ahunter2%40host%2Fx", "?url=https%3A%2F%2F[redacted]%40host%2Fx"},
      {"oss://b/k?Signature=abc%2Fd+e=&Expires=1", "oss://b/k?Signature=[redacted]&Expires=1"},
      {"?x-oss-signature=0123&x=1", "?x-oss-signature=[redacted]&x=1"},
      {"?security-token=CAIS/a+b==", "?security-token=[redacted]"},
      {"x-oss-security-token=CAIS x", "x-oss-security-token=[redacted] x"},
      {"SIGNATURE=a SecurityToken=b", "SIGNATURE=[redacted] SecurityToken=[redacted]"},
      {"oss://b/k%3FSignature%3Dabc%26Expires%3D1",
       "oss://b/k%3FSignature%3D[redacted]%26Expires%3D1"},
      {"signature%253Dabc", "signature%253D[redacted]"},
      {"AccessKeySecret=abc,x", "AccessKeySecret=[redacted],x"},
      {"signature=signature=a&signature=b", "signature=[redacted]&signature=[redacted]"},
  };
  for (const auto& [text, want] : table) EXPECT_EQ(without_secrets(text), want) << text;
}

TEST(Secrets, OtherTextStays) {
  for (const char* text : {
           "",
           "oss://bucket/user@host/key",
           "oss://bucket/a=b%3Dc",
           "the signature does not match; the signature: none",
           "signature=",
           "x-oss-signature-version=OSS4-HMAC-SHA256",
           "a//b",
       }) {
    EXPECT_EQ(without_secrets(text), text);
  }
}

TEST(Secrets, AreNotPrintedThoughTheTextIsCut) {
  EXPECT_EQ(printable("oss://bucket/k?Signature=hunter2hunter2", 32),
            "oss://bucket/k?Signature=[redact...");
  const std::string long_password(3000, 'p');
  EXPECT_EQ(printable("http://u:" + long_password + "@host", 40), "http://[redacted]@host");
  // Beyond what is looked at, nothing is shown as whole.
  EXPECT_TRUE(printable("a" + std::string(100'000, '=')).ends_with("..."));
}

}  // namespace
}  // namespace ossmc
