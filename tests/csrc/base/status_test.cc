#include "base/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

namespace ossmc {
namespace {

TEST(Status, OkHasNoTextAndNoDetail) {
  const Status status;
  EXPECT_TRUE(status.is_ok());
  EXPECT_EQ(status.code(), StatusCode::kOk);
  EXPECT_EQ(status.message(), "");
  EXPECT_EQ(status.detail().http_status, 0);
  EXPECT_TRUE(Status::ok().is_ok());
  EXPECT_TRUE(Status(StatusCode::kOk, "ignored").is_ok());
}

TEST(Status, CarriesCodeTextAndDetail) {
  ErrorDetail detail;
  detail.uri = "oss://bucket/key";
  detail.http_status = 404;
  detail.error_code = "NoSuchKey";
  detail.attempts = 3;
  const Status status(StatusCode::kObjectNotFound, "no such object", detail);
  const Status copy = status;
  EXPECT_FALSE(copy.is_ok());
  EXPECT_EQ(copy.code(), StatusCode::kObjectNotFound);
  EXPECT_EQ(copy.message(), "no such object");
  EXPECT_EQ(copy.detail().uri, "oss://bucket/key");
  EXPECT_EQ(copy.detail().http_status, 404);
  EXPECT_EQ(copy.detail().error_code, "NoSuchKey");
  EXPECT_EQ(copy.detail().attempts, 3);
}

TEST(Status, PrefixGoesBeforeTheTextAndKeepsTheRest) {
  ErrorDetail detail;
  detail.ec = "0026-00000001";
  const Status inner(StatusCode::kServer, "status 503", detail);
  const Status outer = inner.with_prefix("read oss://b/k");
  EXPECT_EQ(outer.message(), "read oss://b/k: status 503");
  EXPECT_EQ(outer.code(), StatusCode::kServer);
  EXPECT_EQ(outer.detail().ec, "0026-00000001");
  EXPECT_EQ(inner.message(), "status 503");
  EXPECT_TRUE(Status().with_prefix("anything").is_ok());
}

TEST(Status, DetailCanBePutInLater) {
  ErrorDetail detail;
  detail.request_id = "5F";
  const Status status = Status(StatusCode::kConnect, "refused").with_detail(detail);
  EXPECT_EQ(status.message(), "refused");
  EXPECT_EQ(status.detail().request_id, "5F");
  EXPECT_TRUE(Status().with_detail(detail).is_ok());
}

TEST(Status, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(StatusCode::kInternal); ++code) {
    const std::string_view name = status_code_name(static_cast<StatusCode>(code));
    EXPECT_NE(name, "Unknown") << code;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_EQ(status_code_name(static_cast<StatusCode>(250)), "Unknown");
}

TEST(Result, HoldsAValueOrAStatus) {
  Result<std::string> good(std::string("bytes"));
  ASSERT_TRUE(good.is_ok());
  EXPECT_TRUE(good.status().is_ok());
  EXPECT_EQ(*good, "bytes");
  EXPECT_EQ(good->size(), 5u);

  const Result<std::string> bad(Status(StatusCode::kClosed, "closed"));
  EXPECT_FALSE(bad.is_ok());
  EXPECT_EQ(bad.status().code(), StatusCode::kClosed);
}

TEST(Result, GivesAwayAMoveOnlyValue) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  const std::unique_ptr<int> value = std::move(result).value();
  EXPECT_EQ(*value, 7);
}

}  // namespace
}  // namespace ossmc
