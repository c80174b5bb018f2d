#include "protocol/error_document.h"

#include <gtest/gtest.h>

#include <string>

namespace ossmc {
namespace {

constexpr std::string_view kNoSuchKey =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Code>NoSuchKey</Code>\n"
    "  <Message>The specified key\n    does not exist.</Message>\n"
    "  <RequestId>5C3D9175B6FC201293AD****</RequestId>\n"
    "  <HostId>test.oss-cn-hangzhou.aliyuncs.com</HostId>\n  <Key>k</Key>\n"
    "  <EC>0026-00000001</EC>\n</Error>\n";

bool holds(std::string_view text, std::string_view piece) { return text.find(piece) != text.npos; }

TEST(ErrorDocument, ReadsTheParts) {
  const ErrorReply reply = parse_error_body(kNoSuchKey);
  EXPECT_EQ(reply.code, "NoSuchKey");
  EXPECT_EQ(reply.message, "The specified key does not exist.");
  EXPECT_EQ(reply.request_id, "5C3D9175B6FC201293AD****");
  EXPECT_EQ(reply.host_id, "test.oss-cn-hangzhou.aliyuncs.com");
  EXPECT_EQ(reply.ec, "0026-00000001");
  EXPECT_EQ(reply.endpoint, "");
}

TEST(ErrorDocument, BlanksInsideElementsAndNamespaces) {
  const ErrorReply reply = parse_error_body(
      "<e:Error xmlns:e=\"urn:x\"><e:Code>\n AccessDenied \n</e:Code>"
      "<e:Endpoint> oss-cn-beijing.aliyuncs.com </e:Endpoint></e:Error>");
  EXPECT_EQ(reply.code, "AccessDenied");
  EXPECT_EQ(reply.endpoint, "oss-cn-beijing.aliyuncs.com");
  EXPECT_EQ(parse_error_body("<Error><Code>no code at all</Code></Error>").code, "");
}

TEST(ErrorDocument, ACutBodyGivesItsWholeElements) {
  for (std::size_t size = 0; size < kNoSuchKey.size(); ++size) {
    const ErrorReply reply = parse_error_body(kNoSuchKey.substr(0, size));
    EXPECT_TRUE(reply.code == "NoSuchKey" || reply.code.empty()) << reply.code;
    EXPECT_TRUE(reply.ec == "0026-00000001" || reply.ec.empty()) << reply.ec;
    EXPECT_TRUE(reply.request_id == "5C3D9175B6FC201293AD****" || reply.request_id.empty());
  }
  EXPECT_EQ(parse_error_body("<Error><Code>NoSuchKey</Code><Mess").code, "NoSuchKey");
  EXPECT_EQ(parse_error_body("<Error><Code>NoSuchKey</Code>").code, "NoSuchKey");
  EXPECT_EQ(parse_error_body("<Error><Code>NoSuchKe").code, "");
  EXPECT_EQ(parse_error_body("<Error><Code>A</Code><Message>Half a sent").message, "Half a sent");
}

TEST(ErrorDocument, OtherBodiesGiveNothing) {
  for (const char* body : {"", "<html><head><title>502</title></head></html>",
                           "<!DOCTYPE html><Error><Code>x</Code></Error>", "upstream connect error",
                           "{\"Code\":\"NoSuchKey\"}", "<ListBucketResult/>", "<", "\xFF\xFE"}) {
    const ErrorReply reply = parse_error_body(body);
    EXPECT_EQ(reply.code, "") << body;
    EXPECT_EQ(reply.message, "") << body;
  }
}

TEST(ErrorDocument, LooksAt64KiBAlone) {
  const std::string filler = "<Filler>" + std::string(70000, 'f') + "</Filler>";
  const ErrorReply reply =
      parse_error_body("<Error><Code>First</Code>" + filler + "<EC>Late</EC></Error>");
  EXPECT_EQ(reply.code, "First");
  EXPECT_EQ(reply.ec, "");
}

TEST(ErrorDocument, TextsAreOneShortLine) {
  const ErrorReply reply =
      parse_error_body("<Error><Code>" + std::string(1000, 'c') + "</Code><Message>a&#27;[31m" +
                       std::string(3000, 'm') + "</Message><RequestId>\xFF</RequestId></Error>");
  EXPECT_LE(reply.code.size(), 131u);
  EXPECT_LE(reply.message.size(), 515u);
  EXPECT_TRUE(reply.message.starts_with("a\\x1b[31mmm"));
  EXPECT_EQ(reply.request_id, "\\xff");
  EXPECT_LT(parse_error_body("<Error><Message>" + std::string(9000, 'm') + "</Message></Error>")
                .message.size(),
            100u);
}

TEST(ErrorDocument, NothingThatWasSignedIsRepeated) {
  const std::string token = "CAIS1wF1q6Ft5B2yfSjIr5bfAt/token+value==";
  const std::string text = "GET\n\n\nSun, 02 Jun 2024 01:30:05 GMT\nx-oss-security-token:" + token +
                           "\n/bucket/key?continuation-token=continuation-secret";
  const ErrorReply reply = parse_error_body(
      "<Error><Code>SignatureDoesNotMatch</Code><Message>We got " + text + " and " + token +
      " and continuation-secret, check your key.</Message><OSSAccessKeyId>ak</OSSAccessKeyId>"
      "<StringToSign>" +
      text +
      "</StringToSign><SignatureProvided>c2lnbmF0dXJl</SignatureProvided>"
      "</Error>");
  EXPECT_EQ(reply.code, "SignatureDoesNotMatch");
  EXPECT_FALSE(holds(reply.message, token)) << reply.message;
  EXPECT_FALSE(holds(reply.message, "CAIS")) << reply.message;
  EXPECT_FALSE(holds(reply.message, "02 Jun")) << reply.message;
  EXPECT_FALSE(holds(reply.message, "continuation-secret")) << reply.message;
  EXPECT_TRUE(holds(reply.message, "check your key.")) << reply.message;
}

TEST(ErrorDocument, ALineThatWasSignedIsBlottedOutFromItsFirstByteToItsLast) {
  const ErrorReply reply = parse_error_body(
      "<Error><Message>not 0123456789ab, not fedcba987654.</Message>"
      "<StringToSign>GET\n0123456789ab\nfedcba987654</StringToSign></Error>");
  EXPECT_EQ(reply.message, "not [redacted], not [redacted].");
}

TEST(ErrorDocument, SecurityTokensAreBlottedOutEverywhere) {
  EXPECT_EQ(redact_security_tokens("x-oss-security-token: CAIS/abc== next"),
            "x-oss-security-token: [redacted] next");
  EXPECT_EQ(redact_security_tokens("?Security-Token=CAIS%2Fabc&x=y"),
            "?Security-Token=[redacted]&x=y");
  EXPECT_EQ(redact_security_tokens("{\"x-oss-security-token\":\"CAIS\",\"a\":1}"),
            "{\"x-oss-security-token\":\"[redacted]\",\"a\":1}");
  EXPECT_EQ(redact_security_tokens("a security-token"), "a security-token");
  EXPECT_EQ(redact_security_tokens("security-token:a security-token:b"),
            "security-token:[redacted] security-token:[redacted]");
  EXPECT_EQ(redact_security_tokens("nothing"), "nothing");
}

TEST(ErrorDocument, TokensAreFoundInBrokenDocumentsToo) {
  const std::string body =
      "<Error><Message>got CAISsecrettoken1</Message><Time></T<StringToSign>GET\n"
      "x-oss-security-token:CAISsecrettoken1\n/b/k</StringToSign></Error>";
  EXPECT_FALSE(holds(parse_error_body(body).message, "CAIS")) << parse_error_body(body).message;
  EXPECT_FALSE(holds(body_excerpt(body), "CAIS")) << body_excerpt(body);
}

TEST(ErrorHeader, IsTheSameDocumentInBase64) {
  // <Error><Code>NoSuchKey</Code><EC>0026-00000001</EC></Error>
  const std::string header =
      "PEVycm9yPjxDb2RlPk5vU3VjaEtleTwvQ29kZT48RUM+MDAyNi0wMDAwMDAwMTwvRUM+PC9FcnJvcj4=";
  EXPECT_EQ(parse_error_header(header).code, "NoSuchKey");
  EXPECT_EQ(parse_error_header(header).ec, "0026-00000001");
  EXPECT_EQ(parse_error_header(" " + header + " ").code, "NoSuchKey");
  // Broken after the code: what came before counts.
  EXPECT_EQ(parse_error_header(header.substr(0, 48) + "*" + header.substr(49)).code, "NoSuchKey");
  for (const char* text : {"", "=", "====", "*", "PEV", "not base64 at all", "\xFF"}) {
    EXPECT_EQ(parse_error_header(text).code, "") << text;
  }
  for (std::size_t size = 0; size < header.size(); ++size) {
    const std::string code = parse_error_header(header.substr(0, size)).code;
    EXPECT_TRUE(code.empty() || code == "NoSuchKey") << code;
  }
}

TEST(BodyExcerpt, IsOneLineOfWords) {
  EXPECT_EQ(body_excerpt("<!DOCTYPE html>\n<html><head><style>b{color:red}</style><title>502 Bad "
                         "Gateway</title></head>\n<body><!-- <x> --><h1>502</h1><SCRIPT>x<y"
                         "</script>nginx</body></html>"),
            "502 Bad Gateway 502 nginx");
  EXPECT_EQ(body_excerpt("upstream\r\nconnect error\x1B[0m"), "upstream connect error\\x1b[0m");
  EXPECT_EQ(body_excerpt(""), "");
  EXPECT_EQ(body_excerpt("<"), "");
  EXPECT_EQ(body_excerpt("<a"), "");
  EXPECT_EQ(body_excerpt("text<style>never closed"), "text");
  EXPECT_LE(body_excerpt(std::string(1 << 20, 'x')).size(), 512u);
}

TEST(BodyExcerpt, LeavesOutWhatMayHoldAToken) {
  EXPECT_EQ(body_excerpt(
                "<!DOCTYPE x><Error><StringToSign>GET\ntoken</StringToSign><Foo>foo</Foo></Error>"),
            "foo");
  EXPECT_EQ(body_excerpt("<td>x-oss-security-token</td><td>CAIS</td>"),
            "x-oss-security-token [redacted]");
}

}  // namespace
}  // namespace ossmc
