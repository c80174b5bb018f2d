#include "protocol/error_reply.h"

#include <gtest/gtest.h>

#include <string>

namespace ossmc {
namespace {

constexpr std::string_view kUri = "oss://my-bucket/dir/key";

bool mentions(std::string_view text, std::string_view piece) {
  return text.find(piece) != text.npos;
}

ResponseHead head_of(int status, const char* location = "") {
  ResponseHead head;
  head.status = status;
  head.location = location;
  head.is_of_store = true;
  return head;
}

std::string error_xml(std::string_view code, std::string_view more = "") {
  return "<Error><Code>" + std::string(code) + "</Code><Message>The message.</Message>" +
         std::string(more) + "</Error>";
}

Failure classify(int status, std::string_view code = "",
                 Operation operation = Operation::kGetObject) {
  ResponseHead head;
  head.status = status;
  head.is_of_store = true;
  head.date = "Sun, 02 Jun 2024 01:30:05 GMT";
  return classify_error_reply(operation, kUri, head, code.empty() ? "" : error_xml(code));
}

TEST(ClassifyErrorReply, TableOfStatusAndCode) {
  struct Row {
    int status;
    const char* code;
    StatusCode want;
    RetryClass retry;
  };
  const Row rows[] = {
      {400, "InvalidArgument", StatusCode::kOss, RetryClass::kNever},
      {400, "BadRequest", StatusCode::kOss, RetryClass::kNever},
      {400, "RequestTimeout", StatusCode::kOss, RetryClass::kTransient},
      {400, "", StatusCode::kOss, RetryClass::kNever},
      {401, "", StatusCode::kCredentials, RetryClass::kCredentials},
      {401, "Whatever", StatusCode::kCredentials, RetryClass::kCredentials},
      {403, "", StatusCode::kAccessDenied, RetryClass::kNever},
      {403, "AccessDenied", StatusCode::kAccessDenied, RetryClass::kNever},
      {403, "UserDisable", StatusCode::kAccessDenied, RetryClass::kNever},
      {403, "InDebt", StatusCode::kAccessDenied, RetryClass::kNever},
      {403, "SecondLevelDomainForbidden", StatusCode::kAccessDenied, RetryClass::kNever},
      {403, "SomethingNew", StatusCode::kAccessDenied, RetryClass::kNever},
      {403, "InvalidAccessKeyId", StatusCode::kCredentials, RetryClass::kCredentials},
      {403, "SignatureDoesNotMatch", StatusCode::kCredentials, RetryClass::kCredentials},
      {403, "InvalidSecurityToken", StatusCode::kCredentials, RetryClass::kCredentials},
      {403, "SecurityTokenExpired", StatusCode::kCredentials, RetryClass::kCredentials},
      {403, "AccessKeyIdAndSecurityTokenNotMatch", StatusCode::kCredentials,
       RetryClass::kCredentials},
      {403, "RequestTimeTooSkewed", StatusCode::kAccessDenied, RetryClass::kClockSkew},
      {403, "InvalidObjectState", StatusCode::kObjectArchived, RetryClass::kNever},
      {403, "AccountQpsLimitExceeded", StatusCode::kThrottled, RetryClass::kThrottled},
      {404, "", StatusCode::kObjectNotFound, RetryClass::kNever},
      {404, "NoSuchKey", StatusCode::kObjectNotFound, RetryClass::kNever},
      {404, "NoSuchVersion", StatusCode::kObjectNotFound, RetryClass::kNever},
      {404, "SymlinkTargetNotExist", StatusCode::kObjectNotFound, RetryClass::kNever},
      {404, "NoSuchBucket", StatusCode::kBucketNotFound, RetryClass::kNever},
      {404, "NoSuchWebsiteConfiguration", StatusCode::kOss, RetryClass::kNever},
      {405, "MethodNotAllowed", StatusCode::kOss, RetryClass::kNever},
      {407, "", StatusCode::kOss, RetryClass::kNever},
      {408, "", StatusCode::kOss, RetryClass::kTransient},
      {409, "FileImmutable", StatusCode::kOss, RetryClass::kNever},
      {412, "PreconditionFailed", StatusCode::kObjectChanged, RetryClass::kNever},
      {412, "", StatusCode::kObjectChanged, RetryClass::kNever},
      {416, "InvalidRange", StatusCode::kProtocol, RetryClass::kNever},
      {416, "", StatusCode::kProtocol, RetryClass::kNever},
      {429, "", StatusCode::kThrottled, RetryClass::kThrottled},
      {429, "QpsLimitExceeded", StatusCode::kThrottled, RetryClass::kThrottled},
      {499, "", StatusCode::kOss, RetryClass::kNever},
      {500, "InternalError", StatusCode::kServer, RetryClass::kTransient},
      {500, "", StatusCode::kServer, RetryClass::kTransient},
      {500, "CpuLimitExceeded", StatusCode::kThrottled, RetryClass::kThrottled},
      {502, "", StatusCode::kServer, RetryClass::kTransient},
      {503, "", StatusCode::kThrottled, RetryClass::kThrottled},
      {503, "SlowDown", StatusCode::kThrottled, RetryClass::kThrottled},
      {503, "ServiceUnavailable", StatusCode::kThrottled, RetryClass::kThrottled},
      {503, "DownloadTrafficRateLimitExceeded", StatusCode::kThrottled, RetryClass::kThrottled},
      {503, "PartitionQpsLimitted", StatusCode::kThrottled, RetryClass::kThrottled},
      {504, "", StatusCode::kServer, RetryClass::kTransient},
      {599, "", StatusCode::kServer, RetryClass::kTransient},
      {301, "", StatusCode::kProtocol, RetryClass::kNever},
      {304, "", StatusCode::kProtocol, RetryClass::kNever},
      {307, "", StatusCode::kProtocol, RetryClass::kNever},
      {204, "", StatusCode::kProtocol, RetryClass::kNever},
      {0, "", StatusCode::kProtocol, RetryClass::kNever},
      {999, "", StatusCode::kProtocol, RetryClass::kNever},
  };
  for (const Row& row : rows) {
    const Failure failure = classify(row.status, row.code);
    EXPECT_EQ(failure.status.code(), row.want) << row.status << " " << row.code;
    EXPECT_EQ(failure.retry, row.retry) << row.status << " " << row.code;
    EXPECT_EQ(failure.status.detail().http_status, row.status);
    EXPECT_EQ(failure.status.detail().error_code, row.code);
    EXPECT_EQ(failure.status.detail().uri, kUri);
    EXPECT_EQ(failure.status.detail().attempts, 0);
    EXPECT_EQ(failure.server_unix_seconds.has_value(), failure.retry == RetryClass::kClockSkew);
    EXPECT_TRUE(mentions(failure.status.message(), "HTTP " + std::to_string(row.status)));
    EXPECT_TRUE(mentions(failure.status.message(), row.code));
  }
}

TEST(ClassifyErrorReply, AMissingKeyIsToldWithTheLikelyReason) {
  const auto text = [](std::string_view uri, std::string_view code) {
    return classify_error_reply(Operation::kHeadObject, uri, head_of(404),
                                code.empty() ? "" : error_xml(code))
        .status.message();
  };
  for (const char* code : {"NoSuchKey", ""}) {
    EXPECT_TRUE(mentions(text("oss://bkt/key", code), "list(\"bkt\", prefix)"));
    EXPECT_TRUE(mentions(text("oss://bkt/key?versionId=CAEQ", code), "version_id="));
    EXPECT_TRUE(mentions(text("oss://bkt/key?Expires=1&Signature=hunter2", code), "presigned"));
    EXPECT_FALSE(mentions(text("oss://bkt/key?Expires=1&Signature=hunter2", code), "hunter2"));
  }
}

TEST(ClassifyErrorReply, A404ThatNothingTellsToBeOfAStoreNamesTheEndpoint) {
  ResponseHead head;
  head.status = 404;
  const auto judged = [&](Operation operation, std::string_view body, bool has_given_objects) {
    return classify_error_reply(operation, kUri, head, body, {},
                                {"http://gate.example:81", has_given_objects});
  };
  for (const Operation operation : {Operation::kGetObject, Operation::kHeadObject}) {
    for (const char* body : {"", "<html><h1>404 Not Found</h1></html>", "{\"message\":\"no\"}"}) {
      const Failure failure = judged(operation, body, false);
      EXPECT_EQ(failure.status.code(), StatusCode::kProtocol) << body;
      EXPECT_EQ(failure.retry, RetryClass::kNever);
      EXPECT_TRUE(mentions(failure.status.message(), "http://gate.example:81"));
      EXPECT_EQ(judged(operation, body, true).status.code(), StatusCode::kObjectNotFound);
    }
    EXPECT_EQ(judged(operation, error_xml("NoSuchKey"), false).status.code(),
              StatusCode::kObjectNotFound);
  }
  EXPECT_EQ(judged(Operation::kList, "", false).status.code(), StatusCode::kBucketNotFound);
}

TEST(ClassifyErrorReply, AWrongSigningRegionIsAFailedLoginThatNamesRegion) {
  for (const char* code : {"InvalidArgument", "AuthorizationHeaderMalformed"}) {
    const std::string body =
        "<Error><Code>" + std::string(code) +
        "</Code><Message>Invalid signing region in Authorization header.</Message></Error>";
    const Failure failure = classify_error_reply(Operation::kGetObject, kUri, head_of(400), body);
    EXPECT_EQ(failure.status.code(), StatusCode::kCredentials);
    EXPECT_EQ(failure.retry, RetryClass::kNever);
    EXPECT_TRUE(mentions(failure.status.message(), "region=")) << failure.status.message();
  }
}

TEST(ClassifyErrorReply, AStoreThatWantsSignaturesOfS3IsToldFromOthers) {
  const auto text = [](std::string_view code, std::string_view message) {
    const std::string body = "<Error><Code>" + std::string(code) + "</Code><Message>" +
                             std::string(message) + "</Message></Error>";
    const Failure failure = classify_error_reply(Operation::kList, kUri, head_of(400), body);
    EXPECT_EQ(failure.status.code(), StatusCode::kOss);
    return failure.status.message();
  };
  EXPECT_TRUE(mentions(text("UnsupportedAlgorithm", "no"), "signatures of S3"));
  EXPECT_TRUE(mentions(text("InvalidRequest", "Please use AWS4-HMAC-SHA256."), "signatures of S3"));
  EXPECT_FALSE(mentions(text("InvalidRequest", "no"), "signatures of S3"));
}

TEST(ClassifyErrorReply, PagesOfServersThatWantTlsAreUnderstood) {
  for (const char* page : {"<html><head><title>400 The plain HTTP request was sent to HTTPS "
                           "port</title></head></html>",
                           "Reason: You're speaking plain HTTP to an SSL-enabled server port.",
                           "Client sent an HTTP request to an HTTPS server.\n"}) {
    const Failure failure = classify_error_reply(Operation::kGetObject, kUri, head_of(400), page);
    EXPECT_EQ(failure.retry, RetryClass::kNever);
    EXPECT_TRUE(mentions(failure.status.message(), "write https://")) << failure.status.message();
  }
}

TEST(ClassifyErrorReply, Any404ToAListIsAMissingBucket) {
  for (const char* code : {"", "NoSuchBucket", "NoSuchKey", "Whatever"}) {
    EXPECT_EQ(classify(404, code, Operation::kList).status.code(), StatusCode::kBucketNotFound)
        << code;
  }
  EXPECT_EQ(classify(404, "", Operation::kHeadObject).status.code(), StatusCode::kObjectNotFound);
}

TEST(ClassifyErrorReply, TheTextSaysWhatToDo) {
  const std::string bucket =
      classify_error_reply(
          Operation::kGetObject, kUri, head_of(404),
          error_xml("NoSuchBucket", "<HostId>my-bucket.oss-cn-hangzhou.aliyuncs.com</HostId>"))
          .status.message();
  EXPECT_TRUE(mentions(bucket, "my-bucket at my-bucket.oss-cn-hangzhou.aliyuncs.com")) << bucket;
  EXPECT_TRUE(mentions(classify(403, "AccessDenied").status.message(), "oss:GetObject"));
  EXPECT_TRUE(
      mentions(classify(403, "", Operation::kHeadObject).status.message(), "oss:GetObject"));
  EXPECT_TRUE(mentions(classify(403, "AccessDenied", Operation::kList).status.message(),
                       "oss:ListObjects"));
  const std::string signature = classify(403, "SignatureDoesNotMatch").status.message();
  EXPECT_TRUE(mentions(signature, "secret") && mentions(signature, "region=")) << signature;
}

TEST(ClassifyErrorReply, ARangeOutsideOfAKnownVersionSaysThatTheObjectWasOverwritten) {
  const auto classified = [](bool is_known) {
    return classify_error_reply(Operation::kGetObject, kUri, head_of(416),
                                error_xml("InvalidRange"), {.is_known = is_known});
  };
  EXPECT_EQ(classified(false).status.code(), StatusCode::kProtocol);
  const Failure known = classified(true);
  EXPECT_EQ(known.status.code(), StatusCode::kObjectChanged);
  EXPECT_EQ(known.retry, RetryClass::kNever);
  EXPECT_TRUE(mentions(known.status.message(), "InvalidRange")) << known.status.message();
  EXPECT_TRUE(mentions(known.status.message(), "was overwritten")) << known.status.message();
}

// What `head` and a document with `code` say to a request for that version.
Status not_there(ResponseHead head, std::string_view code, std::string_view version_id,
                 std::string_view uri = kUri, Operation operation = Operation::kGetObject) {
  const Failure failure =
      classify_error_reply(operation, uri, head, code.empty() ? "" : error_xml(code), {version_id});
  EXPECT_EQ(failure.retry, RetryClass::kNever);
  return failure.status;
}

TEST(ClassifyErrorReply, ADeletedObjectsLatestVersionIsADeleteMarker) {
  ResponseHead head = head_of(404);
  EXPECT_FALSE(mentions(not_there(head, "NoSuchKey", "").message(), "delete marker"));
  head.is_delete_marker = true;
  for (const char* code : {"NoSuchKey", ""}) {
    const Status status = not_there(head, code, "");
    EXPECT_EQ(status.code(), StatusCode::kObjectNotFound);
    EXPECT_TRUE(mentions(status.message(), "delete marker (x-oss-delete-marker: true)"));
    EXPECT_TRUE(mentions(status.message(), "version_id="));
  }
}

TEST(ClassifyErrorReply, AVersionMayBeADeleteMarker) {
  for (const char* code : {"MethodNotAllowed", ""}) {
    ResponseHead head = head_of(405);
    head.is_delete_marker = true;
    const Status status = not_there(head, code, "v-7");
    EXPECT_EQ(status.code(), StatusCode::kObjectNotFound);
    EXPECT_TRUE(mentions(status.message(), "version \"v-7\" is a delete marker"));
  }
  EXPECT_EQ(not_there(head_of(405), "MethodNotAllowed", "v-7").code(), StatusCode::kObjectNotFound);
  // No word of versions: by something else on the way.
  EXPECT_EQ(not_there(head_of(405), "", "v-7").code(), StatusCode::kOss);
  EXPECT_EQ(not_there(head_of(405), "MethodNotAllowed", "").code(), StatusCode::kOss);
}

TEST(ClassifyErrorReply, AVersionThatIsNotThereIsNamed) {
  const Status status = not_there(head_of(404), "NoSuchVersion", "v-7\n");
  EXPECT_EQ(status.code(), StatusCode::kObjectNotFound);
  EXPECT_TRUE(mentions(status.message(), "no version \"v-7\\n\"")) << status.message();
}

// As smart_open and others take it.
TEST(ClassifyErrorReply, AKeyThatEndsWithAVersionGetsAHint) {
  constexpr std::string_view uri = "oss://my-bucket/key?versionId=v-7";
  for (const char* code : {"NoSuchKey", ""}) {
    EXPECT_TRUE(mentions(not_there(head_of(404), code, "", uri).message(), "give version_id="));
    EXPECT_FALSE(mentions(not_there(head_of(404), code, "v", uri).message(), "give version_id="));
    EXPECT_FALSE(mentions(not_there(head_of(404), code, "").message(), "give version_id="));
  }
  EXPECT_FALSE(mentions(not_there(head_of(403), "AccessDenied", "", uri).message(), "version_id"));
}

TEST(ClassifyErrorReply, AdviceOfEachKind) {
  const auto message = [](int status, std::string_view code, std::string_view said,
                          std::string_view uri) {
    const std::string body = "<Error><Code>" + std::string(code) + "</Code><Message>" +
                             std::string(said) + "</Message></Error>";
    return classify_error_reply(Operation::kGetObject, uri, head_of(status), body).status.message();
  };
  EXPECT_TRUE(mentions(message(403, "AccessDenied", "Forbidden by KMS.", kUri), "kms:Decrypt"));
  EXPECT_TRUE(mentions(message(403, "AccessDenied", "Bucket is requester pays bucket.", kUri),
                       "x-oss-request-payer"));
  EXPECT_TRUE(mentions(message(404, "NoSuchKey", "No.", "oss://my-bucket/a/b/"),
                       "list(\"my-bucket\", \"a/b/\")"));
  EXPECT_TRUE(mentions(message(403, "InvalidObjectState", "No.", "oss://my-bucket/a"),
                       "ossutil restore oss://my-bucket/a"));
  EXPECT_TRUE(mentions(message(503, "SlowDown", "No.", kUri), "fewer processes"));
}

TEST(ClassifyErrorReply, AProxyThatForbidsIsToldFromAStore) {
  ResponseHead head = head_of(403);
  head.is_of_store = false;
  const auto message = [&] {
    return classify_error_reply(Operation::kGetObject, kUri, head, "<html>No</html>")
        .status.message();
  };
  EXPECT_TRUE(mentions(message(), "proxy"));
  head.is_of_store = true;
  EXPECT_FALSE(mentions(message(), "proxy"));
}

TEST(ClassifyErrorReply, AFullText) {
  ResponseHead head;
  head.status = 403;
  head.request_id = "5C3D9175";
  head.ec = "0003-00000001";
  EXPECT_EQ(classify_error_reply(Operation::kGetObject, kUri, head, error_xml("AccessDenied"))
                .status.message(),
            "HTTP 403 AccessDenied: The message; the credentials need the permission oss:GetObject "
            "on this object (request id 5C3D9175, EC 0003-00000001)");
}

TEST(ClassifyErrorReply, AWrongRegionNamesTheEndpointToUse) {
  for (const char* code : {"AccessDenied", "PermanentRedirect"}) {
    const Failure failure = classify_error_reply(
        Operation::kGetObject, kUri, head_of(403),
        error_xml(code, "<Bucket>b</Bucket><Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint>"));
    EXPECT_EQ(failure.status.code(), StatusCode::kAccessDenied);
    EXPECT_EQ(failure.retry, RetryClass::kNever);
    EXPECT_TRUE(mentions(failure.status.message(), "oss-cn-beijing.aliyuncs.com"));
    EXPECT_TRUE(mentions(failure.status.message(), "region=\"cn-beijing\""))
        << failure.status.message();
  }
}

TEST(ClassifyErrorReply, RedirectsNameTheHostAlone) {
  const auto text = [](const char* location) {
    return classify_error_reply(Operation::kGetObject, kUri, head_of(302, location), "")
        .status.message();
  };
  const std::string message = text("https://user:pw@mirror.example.com:8443/k?Signature=abc");
  EXPECT_TRUE(mentions(message, "https://mirror.example.com:8443")) << message;
  EXPECT_FALSE(mentions(message, "abc") || mentions(message, "pw@")) << message;
  EXPECT_FALSE(mentions(text("/login?token=abc"), "abc"));
  EXPECT_TRUE(mentions(text("//other.example.com/x"), "//other.example.com"));
}

TEST(ClassifyErrorReply, ClockSkewBringsTheServersTime) {
  ResponseHead head;
  head.status = 403;
  head.date = "Sun, 02 Jun 2024 01:30:05 GMT";
  Failure failure =
      classify_error_reply(Operation::kGetObject, kUri, head, error_xml("RequestTimeTooSkewed"));
  EXPECT_EQ(failure.server_unix_seconds, 1717291805);
  // The reply's own word goes before the header, which a cache may have kept.
  failure = classify_error_reply(
      Operation::kGetObject, kUri, head,
      error_xml("RequestTimeTooSkewed", "<ServerTime>2024-06-02T01:30:15.000Z</ServerTime>"));
  EXPECT_EQ(failure.server_unix_seconds, 1717291815);
  // Without either nothing can be corrected.
  head.date = "soon";
  failure =
      classify_error_reply(Operation::kGetObject, kUri, head, error_xml("RequestTimeTooSkewed"));
  EXPECT_FALSE(failure.server_unix_seconds.has_value());
  EXPECT_EQ(failure.retry, RetryClass::kNever);
  EXPECT_EQ(failure.status.code(), StatusCode::kAccessDenied);
}

TEST(ClassifyErrorReply, RetryAfterCountsWhereARetryIsAllowed) {
  ResponseHead head;
  head.retry_after_seconds = 7;
  const auto asked = [&](int status) {
    head.status = status;
    return classify_error_reply(Operation::kGetObject, "oss://b/k", head, "").retry_after_seconds;
  };
  EXPECT_EQ(asked(429), 7u);
  EXPECT_EQ(asked(503), 7u);
  EXPECT_EQ(asked(500), 7u);
  EXPECT_EQ(asked(403), std::nullopt);
}

TEST(ClassifyErrorReply, AHeadReplyIsReadFromItsHeader) {
  ResponseHead head;
  head.status = 403;
  // <Error><Code>InvalidAccessKeyId</Code></Error>
  head.error_header = "PEVycm9yPjxDb2RlPkludmFsaWRBY2Nlc3NLZXlJZDwvQ29kZT48L0Vycm9yPg==";
  head.ec = "0002-00000902";
  Failure failure = classify_error_reply(Operation::kHeadObject, kUri, head, "");
  EXPECT_EQ(failure.status.code(), StatusCode::kCredentials);
  EXPECT_EQ(failure.status.detail().error_code, "InvalidAccessKeyId");
  EXPECT_EQ(failure.status.detail().ec, "0002-00000902");
  head.error_header = "*broken*";
  failure = classify_error_reply(Operation::kHeadObject, kUri, head, "");
  EXPECT_EQ(failure.status.code(), StatusCode::kAccessDenied);
}

TEST(ClassifyErrorReply, ForeignBodiesAreQuotedShortly) {
  const Failure failure = classify_error_reply(
      Operation::kGetObject, kUri, head_of(502),
      "<html><body><h1>Bad\nGateway</h1>" + std::string(100000, 'x') + "</body></html>");
  EXPECT_EQ(failure.status.code(), StatusCode::kServer);
  const std::string& text = failure.status.message();
  EXPECT_TRUE(mentions(text, "Bad Gateway")) << text;
  EXPECT_FALSE(mentions(text, "\n") || mentions(text, "<"));
  EXPECT_LT(text.size(), 700u);
}

TEST(ClassifyErrorReply, NoTokenComesThrough) {
  const std::string signed_text = "GET\n\n\ndate\nx-oss-security-token:CAISsecrettoken\n/b/k";
  for (const std::string& body :
       {error_xml("SignatureDoesNotMatch", "<StringToSign>" + signed_text + "</StringToSign>"),
        "<Error><Message>" + signed_text + "</Message></Error>",
        "<Error><StringToSign>" + signed_text, "<html>" + signed_text + "</html>"}) {
    const Failure failure = classify_error_reply(Operation::kGetObject, kUri, head_of(403), body);
    EXPECT_FALSE(mentions(failure.status.message(), "CAIS")) << failure.status.message();
  }
}

TEST(ClassifyErrorReply, HostileHeadersStayOneShortLine) {
  ResponseHead head;
  head.status = 500;
  head.request_id = std::string(5000, 'r') + "\n";
  head.ec = "a\nb";
  const Failure failure = classify_error_reply(Operation::kGetObject, kUri, head, "");
  EXPECT_LT(failure.status.message().size(), 400u);
  EXPECT_FALSE(mentions(failure.status.message(), "\n"));
}

}  // namespace
}  // namespace ossmc
