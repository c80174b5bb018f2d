#include "fetch/response_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ossmc {
namespace {

using testing::HasSubstr;

constexpr char kEtag[] = "5B3C1A2E053D763E1B002CC607C5A0FE";

ObjectVersion known_version() {
  ObjectVersion version;
  version.size = 1000;
  version.etag = kEtag;
  return version;
}

// What a server says.
struct Reply {
  int status = 206;
  std::string range;   // Content-Range; empty: none
  std::string length;  // Content-Length; empty: none
  std::string etag = kEtag;

  ResponseHead head() const {
    std::vector<NameValue> headers = {
        {"ETag", "\"" + etag + "\""}, {"x-oss-request-id", "REQ"}, {"x-oss-ec", "0026-1"}};
    if (!range.empty()) headers.push_back({"Content-Range", range});
    if (!length.empty()) headers.push_back({"Content-Length", length});
    return parse_response_head(status, headers);
  }
};

TEST(CheckRangeReply, TakesWhatFits) {
  const ObjectVersion known = known_version();
  const struct {
    Reply reply;
    ByteRange asked;
    bool is_known;
    ByteRange range;
    std::uint64_t total;
  } cases[] = {
      {{206, "bytes 0-99/1000", "100"}, {0, 100}, true, {0, 100}, 1000},
      {{206, "bytes 900-999/1000", "100"}, {900, 1000}, true, {900, 1000}, 1000},
      // Chunked, or ended by the connection's end.
      {{206, "bytes 0-999/1000", ""}, {0, 1000}, true, {0, 1000}, 1000},
      {{206, "bytes 100-199/1000", ""}, {100, 200}, true, {100, 200}, 1000},
      {{200, "", ""}, {0, 1000}, true, {0, 1000}, 1000},
      // Who sent it does not know how long the object is, we do.
      {{206, "bytes 0-99/*", "100"}, {0, 100}, true, {0, 100}, 1000},
      {{206, "bytes 0-999/1000", "1000"}, {0, 8 << 20}, false, {0, 1000}, 1000},
      {{206, "bytes 500-999/1000", "500"}, {500, 8 << 20}, false, {500, 1000}, 1000},
      {{206, "bytes 0-8388607/1125899906842624", "8388608"},
       {0, 8 << 20},
       false,
       {0, 8 << 20},
       1ULL << 50},
      {{200, "", "1000"}, {0, 1000}, true, {0, 1000}, 1000},
      {{200, "", "1000"}, {0, 8 << 20}, false, {0, 1000}, 1000},
      {{200, "bytes 0-999/1000", "1000"}, {0, 8 << 20}, false, {0, 1000}, 1000},
      // A 206 but for its status.
      {{200, "bytes 100-199/1000", "100"}, {100, 200}, true, {100, 200}, 1000},
      {{200, "bytes 0-99/1000", "100"}, {0, 100}, false, {0, 100}, 1000},
      // Empty objects.
      {{200, "", "0"}, {0, 8 << 20}, false, {0, 0}, 0},
      {{206, "bytes */0", "0"}, {0, 8 << 20}, false, {0, 0}, 0},
      {{206, "bytes 0-0/0", "0"}, {0, 8 << 20}, false, {0, 0}, 0},
      {{206, "bytes 0--1/0", ""}, {0, 8 << 20}, false, {0, 0}, 0},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(std::to_string(one.reply.status) + " " + one.reply.range + " of " +
                 one.reply.length);
    const CheckedReply checked =
        check_range_reply(one.reply.head(), one.asked, one.is_known ? &known : nullptr);
    ASSERT_FALSE(checked.failure.has_value()) << checked.failure->status.message();
    EXPECT_EQ(checked.range, one.range);
    EXPECT_EQ(checked.version.size, one.total);
    EXPECT_EQ(checked.version.etag, kEtag);
  }
}

TEST(CheckRangeReply, RefusesTheRest) {
  const ObjectVersion known = known_version();
  const struct {
    Reply reply;
    ByteRange asked;
    bool is_known;
    StatusCode code;
    RetryClass retry;
  } cases[] = {
      // Another place than asked for: before, behind, more, less.
      {{206, "bytes 1-100/1000", "100"},
       {0, 100},
       true,
       StatusCode::kProtocol,
       RetryClass::kTransient},
      {{206, "bytes 100-199/1000", "100"},
       {200, 300},
       true,
       StatusCode::kProtocol,
       RetryClass::kTransient},
      {{206, "bytes 0-199/1000", "200"},
       {0, 100},
       true,
       StatusCode::kProtocol,
       RetryClass::kTransient},
      {{206, "bytes 0-49/1000", "50"},
       {0, 100},
       true,
       StatusCode::kProtocol,
       RetryClass::kTransient},
      {{206, "bytes 0-49/1000", "50"},
       {0, 100},
       false,
       StatusCode::kProtocol,
       RetryClass::kTransient},
      {{206, "bytes 0-99/1000", "100"},
       {500, 600},
       false,
       StatusCode::kProtocol,
       RetryClass::kTransient},
      // No Content-Range, or one that cannot be read or be true.
      {{206, "", "100"}, {0, 100}, true, StatusCode::kProtocol, RetryClass::kTransient},
      {{206, "bytes */1000", "100"}, {0, 100}, true, StatusCode::kProtocol, RetryClass::kTransient},
      {{206, "bytes 0-99/*", "100"}, {0, 100}, false, StatusCode::kProtocol, RetryClass::kNever},
      {{206, "bytes */0", "0"}, {0, 100}, true, StatusCode::kObjectChanged, RetryClass::kNever},
      {{206, "bytes 99-0/1000", "100"},
       {0, 100},
       true,
       StatusCode::kProtocol,
       RetryClass::kTransient},
      {{206, "bytes 0-1000/1000", "1001"},
       {0, 1001},
       false,
       StatusCode::kProtocol,
       RetryClass::kTransient},
      {{206, "bytes 0-99/99999999999999999999", "100"},
       {0, 100},
       false,
       StatusCode::kProtocol,
       RetryClass::kTransient},
      {{206, "bytes 0-18446744073709551615/18446744073709551616", "0"},
       {0, 100},
       false,
       StatusCode::kProtocol,
       RetryClass::kTransient},
      // Sizes that no object has.
      {{206, "bytes 0-99/1125899906842625", "100"},
       {0, 100},
       false,
       StatusCode::kProtocol,
       RetryClass::kNever},
      // A length that does not fit.
      {{206, "bytes 0-99/1000", "99"},
       {0, 100},
       true,
       StatusCode::kProtocol,
       RetryClass::kTransient},
      {{206, "bytes 0-99/1000", "101"},
       {0, 100},
       true,
       StatusCode::kProtocol,
       RetryClass::kTransient},
      // Another version.
      {{206, "bytes 0-99/1000", "100", "other"},
       {0, 100},
       true,
       StatusCode::kObjectChanged,
       RetryClass::kNever},
      {{206, "bytes 0-99/1000", "100", ""},
       {0, 100},
       true,
       StatusCode::kObjectChanged,
       RetryClass::kNever},
      {{206, "bytes 0-99/2000", "100"},
       {0, 100},
       true,
       StatusCode::kObjectChanged,
       RetryClass::kNever},
      {{206, "bytes 0-99/2000", "100", "other"},
       {0, 100},
       true,
       StatusCode::kObjectChanged,
       RetryClass::kNever},
      // 200: the range was not heeded, and it is not the whole that was wanted.
      {{200, "", "1000"}, {100, 200}, true, StatusCode::kProtocol, RetryClass::kNever},
      {{200, "", "1000"}, {0, 100}, true, StatusCode::kProtocol, RetryClass::kNever},
      {{200, "", "1000"}, {0, 100}, false, StatusCode::kProtocol, RetryClass::kNever},
      {{200, "", ""}, {0, 999}, true, StatusCode::kProtocol, RetryClass::kNever},
      {{200, "", ""}, {0, 8 << 20}, false, StatusCode::kProtocol, RetryClass::kNever},
      // As long as what was asked for: the whole object, or a part of it.
      {{200, "", "100"}, {0, 100}, false, StatusCode::kProtocol, RetryClass::kNever},
      {{200, "", "100"}, {0, 100}, true, StatusCode::kProtocol, RetryClass::kNever},
      // It says itself that it is a part.
      {{200, "bytes 0-99/1000", "100"},
       {0, 8 << 20},
       false,
       StatusCode::kProtocol,
       RetryClass::kNever},
      {{200, "bytes 0-99/*", "100"},
       {0, 8 << 20},
       false,
       StatusCode::kProtocol,
       RetryClass::kNever},
      {{200, "nonsense", "100"}, {0, 8 << 20}, false, StatusCode::kProtocol, RetryClass::kNever},
      {{200, "", "10"}, {100, 200}, true, StatusCode::kProtocol, RetryClass::kNever},
      {{200, "bytes 100-199/1000", ""},
       {100, 200},
       true,
       StatusCode::kProtocol,
       RetryClass::kNever},
      {{200, "bytes 100-199/1000", "1000"},
       {100, 200},
       true,
       StatusCode::kProtocol,
       RetryClass::kNever},
      {{200, "", "18446744073709551615"},
       {0, 1000},
       false,
       StatusCode::kProtocol,
       RetryClass::kNever},
      {{200, "", "1000", "other"}, {0, 1000}, true, StatusCode::kObjectChanged, RetryClass::kNever},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(std::to_string(one.reply.status) + " " + one.reply.range + " of " +
                 one.reply.length + ", ETag " + one.reply.etag);
    const CheckedReply checked =
        check_range_reply(one.reply.head(), one.asked, one.is_known ? &known : nullptr);
    ASSERT_TRUE(checked.failure.has_value());
    EXPECT_EQ(checked.failure->status.code(), one.code) << checked.failure->status.message();
    EXPECT_EQ(checked.failure->retry, one.retry) << checked.failure->status.message();
    EXPECT_EQ(checked.failure->status.detail().http_status, one.reply.status);
    EXPECT_EQ(checked.failure->status.detail().request_id, "REQ");
    EXPECT_EQ(checked.failure->status.detail().ec, "0026-1");
  }
}

TEST(CheckRangeReply, AChangedObjectTellsBothEtags) {
  const ObjectVersion known = known_version();
  const CheckedReply checked =
      check_range_reply(Reply{206, "bytes 0-99/2000", "100", "NEW"}.head(), {0, 100}, &known);
  EXPECT_THAT(
      checked.failure->status.message(),
      testing::AllOf(HasSubstr(kEtag), HasSubstr("NEW"), HasSubstr("(HTTP 206, request id REQ)")));
}

TEST(CheckRangeReply, A200ThatTellsAnotherSizeIsNotTheWholeObject) {
  for (const NameValue& header :
       {NameValue{"x-oss-next-append-position", "5000"}, NameValue{"x-amz-object-size", "5000"},
        NameValue{"Content-Type", "Multipart/ByteRanges; boundary=x"}}) {
    const ResponseHead head =
        parse_response_head(200, {{"Content-Length", "1000"}, {"x-oss-request-id", "REQ"}, header});
    const CheckedReply checked = check_range_reply(head, {0, 8 << 20}, nullptr);
    ASSERT_TRUE(checked.failure.has_value()) << header.name;
    EXPECT_EQ(checked.failure->status.code(), StatusCode::kProtocol);
    EXPECT_EQ(checked.failure->retry, RetryClass::kNever);
    EXPECT_EQ(checked.next, CheckedReply::Next::kNothing);
  }
}

TEST(CheckRangeReply, SaysWhatMayBeAskedNextOfAnObjectThatIsOpened) {
  using Next = CheckedReply::Next;
  const struct {
    Reply reply;
    Next next;
  } cases[] = {
      {{206, "bytes 0-99/*", "100"}, Next::kSize},
      {{200, "", ""}, Next::kSize},
      {{200, "", "100"}, Next::kSize},
      {{200, "", "1000"}, Next::kSizeIfLittle},
      {{200, "bytes 0-98/1000", "99"}, Next::kNothing},
      {{206, "", "100"}, Next::kNothing},
  };
  for (const auto& one : cases) {
    const CheckedReply checked = check_range_reply(one.reply.head(), {0, 100}, nullptr);
    ASSERT_TRUE(checked.failure.has_value());
    EXPECT_EQ(checked.next, one.next) << checked.failure->status.message();
  }
}

// A store that takes no notice of ranges, when one begins behind the new end.
TEST(CheckRangeReply, A200OfAnotherSizeIsAChangedObjectUnlessItsEtagIsTheSame) {
  ObjectVersion known = known_version();
  known.etag.clear();
  known.last_modified = "Fri, 01 Mar 2024 10:00:00 GMT";
  const ResponseHead head = parse_response_head(
      200, {{"Content-Length", "10"}, {"Last-Modified", "Fri, 01 Mar 2024 10:00:00 GMT"}});
  EXPECT_EQ(check_range_reply(head, {100, 200}, &known).failure->status.code(),
            StatusCode::kObjectChanged);
}

// A page of a proxy or a portal.
TEST(CheckAnyReply, A200WithoutAnythingOfAnObjectIsOfNoStoreAndNamesTheEndpoint) {
  const ObjectVersion known = known_version();
  const ResponseHead page =
      parse_response_head(200, {{"Content-Length", "312"}, {"Content-Type", "text/html"}});
  const AskedVersion asked{.replier = {"http://portal.example:8080", true}};
  for (const CheckedReply& checked :
       {check_range_reply(page, {0, 100}, &known, asked),
        check_range_reply(page, {0, 8 << 20}, nullptr, asked), check_head_reply(page, asked),
        check_size_reply(page, asked)}) {
    ASSERT_TRUE(checked.failure.has_value());
    EXPECT_EQ(checked.failure->status.code(), StatusCode::kProtocol);
    EXPECT_EQ(checked.failure->retry, RetryClass::kNever);
    EXPECT_THAT(checked.failure->status.message(),
                testing::AllOf(HasSubstr("text/html"), HasSubstr("http://portal.example:8080")));
  }
  // What a gateway has dropped of a HEAD, a GET of a part may still tell.
  EXPECT_EQ(check_head_reply(page, asked).next, CheckedReply::Next::kSize);
  const ResponseHead part =
      parse_response_head(206, {{"Content-Length", "1"}, {"Content-Range", "bytes 0-0/9"}});
  EXPECT_FALSE(check_size_reply(part, asked).failure.has_value());
}

TEST(IsBare, NotWithAHeaderOfAStoreOrWhatTellsVersionsApart) {
  EXPECT_TRUE(is_bare(parse_response_head(200, {{"ETag", "\"\""}, {"Server", "nginx"}})));
  for (const NameValue& header :
       {NameValue{"X-Oss-Request-Id", ""}, NameValue{"x-amz-id-2", "i"}, NameValue{"ETag", "e"},
        NameValue{"ETag", "W/\"e\""}, NameValue{"Last-Modified", "Fri, 01 Mar 2024 10:00:00 GMT"}})
    EXPECT_FALSE(is_bare(parse_response_head(200, {header}))) << header.name;
  EXPECT_FALSE(is_bare(parse_response_head(206, {})));
}

ResponseHead head_with(const NameValue& header) {
  return parse_response_head(
      206, {{"Content-Range", "bytes 0-99/1000"}, {"Content-Length", "100"}, header});
}

TEST(CheckRangeReply, WithoutAStrongEtagAVersionIsPinnedByWhatThereIs) {
  const struct {
    NameValue was, same, other;
  } cases[] = {
      {{"Last-Modified", "Fri, 01 Mar 2024 10:00:00 GMT"},
       {"Last-Modified", "Fri, 1 Mar 2024 18:00:00 +0800"},
       {"Last-Modified", "Fri, 01 Mar 2024 10:00:01 GMT"}},
      {{"ETag", "W/\"one\""}, {"ETag", "W/\"one\""}, {"ETag", "W/\"two\""}},
      {{"ETag", "W/\"one\""}, {"ETag", "\"one\""}, {"ETag", "\"two\""}},
      {{"ETag", "\"one\""}, {"ETag", "W/\"one\""}, {"ETag", "W/\"two\""}},
      {{"x-oss-hash-crc64ecma", "1"}, {"x-oss-hash-crc64ecma", "1"}, {"x-oss-hash-crc64ecma", "2"}},
      {{"x-oss-version-id", "v1"}, {"x-oss-version-id", "v1"}, {"x-oss-version-id", "v2"}},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.other.value);
    const ObjectVersion known = check_range_reply(head_with(one.was), {0, 100}, nullptr).version;
    EXPECT_FALSE(check_range_reply(head_with(one.same), {0, 100}, &known).failure.has_value());
    const CheckedReply other = check_range_reply(head_with(one.other), {0, 100}, &known);
    ASSERT_TRUE(other.failure.has_value());
    EXPECT_EQ(other.failure->status.code(), StatusCode::kObjectChanged);
    EXPECT_EQ(other.failure->retry, RetryClass::kNever);
  }
}

TEST(CheckRangeReply, AVersionWithoutEtagIsPinnedByItsSizeAlone) {
  ObjectVersion known = known_version();
  known.etag.clear();
  EXPECT_FALSE(check_range_reply(Reply{206, "bytes 0-99/1000", "100"}.head(), {0, 100}, &known)
                   .failure.has_value());
  EXPECT_TRUE(check_range_reply(Reply{206, "bytes 0-99/1001", "100"}.head(), {0, 100}, &known)
                  .failure.has_value());
}

TEST(CheckRangeReply, TheCrcOfALinkIsNotThatOfItsTarget) {
  std::vector<NameValue> headers = {{"Content-Range", "bytes 0-99/1000"},
                                    {"ETag", "\"e\""},
                                    {"x-oss-hash-crc64ecma", "18446744073709551615"},
                                    {"x-oss-object-type", "Normal"}};
  EXPECT_EQ(check_range_reply(parse_response_head(206, headers), {0, 100}, nullptr).version.crc64,
            ~0ULL);
  headers.back().value = "Symlink";
  EXPECT_EQ(check_range_reply(parse_response_head(206, headers), {0, 100}, nullptr).version.crc64,
            std::nullopt);
}

// What a store tells that has versions.
ResponseHead head_of_version(const char* version_id) {
  ResponseHead head = Reply{206, "bytes 0-99/1000", "100"}.head();
  head.version_id = version_id;
  return head;
}

TEST(CheckRangeReply, TellsTheVersionId) {
  const ObjectVersion known = known_version();
  EXPECT_EQ(check_range_reply(head_of_version("v1"), {0, 100}, &known).version.version_id, "v1");
  EXPECT_EQ(check_range_reply(head_of_version(""), {0, 100}, &known).version.version_id, "");
  EXPECT_EQ(
      check_range_reply(head_of_version("v1"), {0, 100}, nullptr, {.id = "v1"}).version.version_id,
      "v1");
}

// The bytes would be those of the latest version.
TEST(CheckRangeReply, AStoreThatTakesNoNoticeOfTheVersionIsFoundOut) {
  for (const char* told : {"", "v2"}) {
    ResponseHead head = head_of_version(told);
    CheckedReply checked = check_range_reply(head, {0, 100}, nullptr, {.id = "v1"});
    ASSERT_TRUE(checked.failure.has_value());
    EXPECT_EQ(checked.failure->status.code(), StatusCode::kProtocol);
    EXPECT_EQ(checked.failure->retry, RetryClass::kNever);
    EXPECT_THAT(checked.failure->status.message(), HasSubstr("version \"v1\" was asked for"));
    head.status = 200;
    EXPECT_EQ(check_head_reply(head, {.id = "v1"}).failure->status.code(), StatusCode::kProtocol);
  }
}

TEST(CheckRangeReply, AnObjectOfABucketWithoutVersionsIsItsNullVersion) {
  EXPECT_FALSE(check_range_reply(head_of_version(""), {0, 100}, nullptr, {.id = "null"})
                   .failure.has_value());
  EXPECT_TRUE(check_range_reply(head_of_version("v2"), {0, 100}, nullptr, {.id = "null"})
                  .failure.has_value());
}

TEST(CheckRangeReply, AListedVersionIsTheOnlyOneThatIsTaken) {
  const ListedVersion listed{1000, kEtag};
  const AskedVersion asked{.listed = &listed};
  const Reply same{206, "bytes 0-999/1000", "1000"};
  EXPECT_FALSE(check_range_reply(same.head(), {0, 4096}, nullptr, asked).failure.has_value());
  EXPECT_FALSE(check_head_reply(Reply{200, "", "1000"}.head(), asked).failure.has_value());
  for (const Reply& other :
       {Reply{206, "bytes 0-999/1000", "1000", "NEW"}, Reply{206, "bytes 0-999/1000", "1000", ""},
        Reply{206, "bytes 0-1000/1001", "1001"}}) {
    for (const CheckedReply& checked :
         {check_range_reply(other.head(), {0, 4096}, nullptr, asked),
          check_head_reply(Reply{200, "", other.length, other.etag}.head(), asked)}) {
      ASSERT_TRUE(checked.failure.has_value());
      EXPECT_EQ(checked.failure->status.code(), StatusCode::kObjectChanged);
      EXPECT_EQ(checked.failure->retry, RetryClass::kNever);
      EXPECT_THAT(checked.failure->status.message(), HasSubstr("since its version became known"));
    }
  }
}

TEST(CheckHeadReply, NeedsASize) {
  const CheckedReply good = check_head_reply(Reply{200, "", "1000"}.head());
  ASSERT_FALSE(good.failure.has_value());
  EXPECT_EQ(good.version.size, 1000u);
  EXPECT_EQ(good.range, (ByteRange{0, 1000}));
  for (const char* length : {"", "-1", "x", "1125899906842625", "99999999999999999999"}) {
    EXPECT_TRUE(check_head_reply(Reply{200, "", length}.head()).failure.has_value()) << length;
  }
}

TEST(CheckHeadReply, OneThatDoesNotTellTheSizeMayBeAskedAnotherWay) {
  using Next = CheckedReply::Next;
  EXPECT_EQ(check_head_reply(Reply{200, "", ""}.head()).next, Next::kSize);
  EXPECT_EQ(check_head_reply(Reply{204, "", ""}.head()).next, Next::kSize);
  EXPECT_EQ(check_head_reply(
                parse_response_head(200, {{"Content-Length", "0"}, {"x-amz-object-size", "9"}}))
                .next,
            Next::kSize);
  EXPECT_EQ(check_head_reply(Reply{200, "", "1000"}.head()).next, Next::kNothing);
}

TEST(CheckHeadReply, ALengthOfZeroIsAskedForOnceMoreWhereTheVersionIsNotThatOfNothing) {
  const auto next = [](const NameValue& header) {
    return check_head_reply(parse_response_head(200, {{"Content-Length", "0"}, header})).next;
  };
  using Next = CheckedReply::Next;
  EXPECT_EQ(next({"ETag", "\"5B3C1A2E053D763E1B002CC607C5A0FE\""}), Next::kSize);
  EXPECT_EQ(next({"x-oss-hash-crc64ecma", "17"}), Next::kSize);
  EXPECT_EQ(next({"ETag", "\"D41D8CD98F00B204E9800998ECF8427E\""}), Next::kNothing);
  EXPECT_EQ(next({"x-oss-hash-crc64ecma", "0"}), Next::kNothing);
  EXPECT_EQ(next({"Last-Modified", "Fri, 01 Mar 2024 10:00:00 GMT"}), Next::kNothing);
  const Reply zero{200, "", "0"};
  EXPECT_FALSE(check_head_reply(zero.head(), {.is_empty = true}).failure.has_value());
  const ListedVersion listed{0, kEtag};
  EXPECT_FALSE(check_head_reply(zero.head(), {.listed = &listed}).failure.has_value());
}

TEST(CheckSizeReply, AGetOfTheFirstByteTellsTheSize) {
  const struct {
    Reply reply;
    std::uint64_t size;
  } cases[] = {
      {{206, "bytes 0-0/1000", "1"}, 1000},
      {{206, "bytes */0", "0"}, 0},
      {{200, "bytes 0-0/1000", "1"}, 1000},
      {{200, "", "1000"}, 1000},
      {{200, "", "0"}, 0},
      {{204, "", ""}, 0},
      {{416, "bytes */0", "9"}, 0},
      {{416, "", "9"}, 0},
  };
  for (const auto& one : cases) {
    const CheckedReply checked = check_size_reply(one.reply.head());
    ASSERT_FALSE(checked.failure.has_value()) << checked.failure->status.message();
    EXPECT_EQ(checked.version.size, one.size);
    EXPECT_EQ(checked.version.etag, kEtag);
  }
  for (const Reply& reply :
       {Reply{206, "bytes 0-0/*", "1"}, Reply{206, "", "1"}, Reply{200, "", ""},
        Reply{200, "bytes 0-0/1000", "9"}, Reply{416, "bytes */1000", "9"}, Reply{404, "", "9"}}) {
    const CheckedReply checked = check_size_reply(reply.head());
    ASSERT_TRUE(checked.failure.has_value()) << reply.range;
    EXPECT_EQ(checked.failure->status.code(), StatusCode::kProtocol);
    EXPECT_EQ(checked.failure->retry, RetryClass::kNever);
  }
}

TEST(CheckSizeReply, WhatItDoesNotTellOfTheVersionTheHeadDid) {
  const ResponseHead before = parse_response_head(200, {{"ETag", "\"before\""}});
  const ResponseHead bare = parse_response_head(416, {{"Content-Range", "bytes */0"}});
  EXPECT_EQ(check_size_reply(bare, {}, &before).version.etag, "before");
  EXPECT_EQ(check_size_reply(bare, {}, &before).version.size, 0u);
  EXPECT_EQ(check_size_reply(Reply{206, "bytes 0-0/9", "1"}.head(), {}, &before).version.etag,
            kEtag);
}

TEST(TellsEmpty, By416WithNoBytesInAllAndBy204OfAnObject) {
  EXPECT_TRUE(tells_empty(Reply{416, "bytes */0", "9"}.head()));
  EXPECT_TRUE(tells_empty(Reply{204, "", ""}.head()));
  for (const Reply& reply :
       {Reply{416, "", "9"}, Reply{416, "bytes */1000", "9"}, Reply{204, "", "", ""},
        Reply{204, "bytes 0-0/1", ""}, Reply{200, "", "0"}, Reply{404, "bytes */0", "0"}}) {
    EXPECT_FALSE(tells_empty(reply.head())) << reply.status << " " << reply.range;
  }
}

}  // namespace
}  // namespace ossmc
