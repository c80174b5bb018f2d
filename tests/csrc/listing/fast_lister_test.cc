// FastLister over a fake transport that plays a store of a thousand pages' kind of shapes.
#include "listing/fast_lister.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "protocol/percent.h"
#include "support/csrc/fake_transport.h"
#include "support/csrc/fetch_parts.h"
#include "support/csrc/key_shapes.h"

namespace ossmc {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr char kWhat[] = "LIST oss://bucket-1/";

std::string query_value(const HttpRequest& request, std::string_view name) {
  const std::string mark = std::string(name) + "=";
  std::size_t at = request.url.find("?");
  while (at != std::string::npos) {
    if (request.url.compare(at + 1, mark.size(), mark) == 0) {
      const std::size_t begin = at + 1 + mark.size();
      const std::size_t end = std::min(request.url.find('&', begin), request.url.size());
      return percent_decode(request.url.substr(begin, end - begin)).value();
    }
    at = request.url.find('&', at + 1);
  }
  return "";
}

FakeReply page_of(const std::vector<std::string_view>& keys, bool is_truncated) {
  std::string xml =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult>"
      "<EncodingType>url</EncodingType>";
  xml += is_truncated ? "<IsTruncated>true</IsTruncated><NextContinuationToken>t"
                        "</NextContinuationToken>"
                      : "<IsTruncated>false</IsTruncated>";
  for (const std::string_view key : keys) {
    xml += "<Contents><Key>" + percent_encode(key) +
           "</Key><ETag>\"5B3C1A2E053D763E1B002CC607C5A0FE"
           "\"</ETag><Size>" +
           std::to_string(key.size()) + "</Size></Contents>";
  }
  xml += "</ListBucketResult>";
  FakeReply reply;
  reply.status = 200;
  reply.headers = {{"x-oss-request-id", "REQ-1"}};
  reply.body = {xml};
  return reply;
}

class FastListerTest : public testing::Test {
 protected:
  using Script = FakeTransport::Script;

  FakeReply answer(const HttpRequest& request) const {
    KeyPage page;
    page.fill(*shape_, query_value(request, "start-after"), 1000);
    return page_of(page.keys(), page.is_truncated());
  }

  Result<ObjectColumns> list(const Script& script) {
    FakeTransport transport(queue_, parts_.clock, script);
    queue_.set_transport(&transport);
    PumpingInterrupt interrupt(transport);
    if (before_) {
      interrupt.set_before([&] { before_(interrupt); });
    }
    Result<ObjectColumns> rows = Status(StatusCode::kInternal, "not listed");
    {
      FastLister lister(queue_, parts_.counters, parts_.clock, "bucket-1", shape_->prefix(), 8,
                        std::chrono::seconds(180));
      rows = list_all(lister, interrupt);
      is_plain_better_ = lister.is_plain_better();
    }
    transport.run();
    requests_ = transport.started().size();
    in_progress_ = transport.in_progress();
    return rows;
  }

  FetchParts parts_;
  SmallRequestQueue queue_{parts_.context, 8};
  std::unique_ptr<KeyShape> shape_ = make_key_shape("words", 20'000);
  std::function<void(PumpingInterrupt&)> before_;
  bool is_plain_better_ = false;
  std::size_t requests_ = 0;
  int in_progress_ = 0;
};

TEST_F(FastListerTest, ListsEveryKeyOnceWithItsFields) {
  for (const char* const name : {"words", "uuids", "cjk", "special_characters"}) {
    shape_ = make_key_shape(name, 20'000);
    const auto rows =
        list([&](const HttpRequest& request, std::size_t) { return answer(request); });
    ASSERT_TRUE(rows.is_ok()) << rows.status().message();
    ASSERT_EQ(rows->size(), 20'000U);
    std::set<std::string> keys;
    for (std::size_t i = 0; i < rows->size(); ++i) {
      keys.emplace(rows->key(i));
      EXPECT_EQ(rows->object_size(i), rows->key(i).size());
    }
    EXPECT_EQ(keys.size(), 20'000U) << name;
    EXPECT_EQ(*keys.begin(), shape_->key(0));
    EXPECT_EQ(*keys.rbegin(), shape_->key(19'999));
    EXPECT_EQ(rows->etag(7), "5B3C1A2E053D763E1B002CC607C5A0FE");
  }
}

TEST_F(FastListerTest, AThousandKeysAreOneRequest) {
  shape_ = make_key_shape("words", 1000);
  ASSERT_TRUE(
      list([&](const HttpRequest& request, std::size_t) { return answer(request); }).is_ok());
  EXPECT_EQ(requests_, 1U);
}

TEST_F(FastListerTest, RetriesPagesAndHeedsThrottling) {
  const auto rows = list([&](const HttpRequest& request, std::size_t index) {
    if (index % 10 == 3) return oss_error(503, "TotalQpsLimitExceeded");
    if (index % 10 == 7) return answer(request).reset_after(100);
    return answer(request);
  });
  ASSERT_TRUE(rows.is_ok()) << rows.status().message();
  EXPECT_EQ(rows->size(), 20'000U);
  EXPECT_GT(load(parts_.counters.throttles), 0U);
}

TEST_F(FastListerTest, OnePagesErrorEndsTheListingAndTheOtherRequests) {
  const auto rows = list([&](const HttpRequest& request, std::size_t index) {
    return index == 5 ? oss_error(403, "AccessDenied") : answer(request);
  });
  EXPECT_EQ(rows.status().code(), StatusCode::kAccessDenied);
  EXPECT_THAT(rows.status().message(), AllOf(HasSubstr(kWhat), HasSubstr("AccessDenied")));
  EXPECT_EQ(in_progress_, 0);
  EXPECT_FALSE(is_plain_better_);
}

TEST_F(FastListerTest, AStoreThatDoesNotListInByteOrderIsFoundOut) {
  const auto rows = list([&](const HttpRequest& request, std::size_t index) {
    if (index < 3) return answer(request);
    return page_of({"b", "a"}, false);
  });
  EXPECT_EQ(rows.status().code(), StatusCode::kProtocol);
  EXPECT_THAT(rows.status().message(), AllOf(HasSubstr(kWhat), HasSubstr("REQ-1")));
  EXPECT_TRUE(is_plain_better_);
}

// What was asked for by keys that were decoded wrong has to be asked for anew.
TEST_F(FastListerTest, AStoreThatEncodesKeysAsFormsDoIsFoundOut) {
  const auto rows = list([&](const HttpRequest&, std::size_t) {
    FakeReply reply = page_of({"a", "b"}, false);
    std::string& body = reply.body[0];
    body.replace(body.find("<Key>a<"), 7, "<Key>a+a%2B<");
    return reply;
  });
  EXPECT_EQ(rows.status().code(), StatusCode::kProtocol);
  EXPECT_THAT(rows.status().message(), HasSubstr("stands for a blank"));
  EXPECT_TRUE(is_plain_better_);
}

TEST_F(FastListerTest, BrokenPagesNameTheListingAndTheRequest) {
  const auto rows = list([&](const HttpRequest&, std::size_t) {
    FakeReply reply = page_of({}, false);
    reply.body = {"<ListBucketResult><Contents>"};
    return reply;
  });
  EXPECT_EQ(rows.status().code(), StatusCode::kProtocol);
  EXPECT_THAT(rows.status().message(), AllOf(HasSubstr(kWhat), HasSubstr("REQ-1")));
  EXPECT_EQ(rows.status().detail().uri, "oss://bucket-1/");
  EXPECT_FALSE(is_plain_better_);
}

TEST_F(FastListerTest, ASizeThatNoObjectHasIsRefused) {
  const auto rows = list([&](const HttpRequest&, std::size_t) {
    FakeReply reply = page_of({"a", "b"}, false);
    std::string& body = reply.body[0];
    body.replace(body.rfind("<Size>1<"), 8, "<Size>9007199254740992<");
    return reply;
  });
  EXPECT_EQ(rows.status().code(), StatusCode::kProtocol);
  EXPECT_THAT(rows.status().message(),
              AllOf(HasSubstr(kWhat), HasSubstr("9007199254740992 bytes is not possible: \"b\"")));
  EXPECT_FALSE(is_plain_better_);  // a plain listing would meet it too
}

TEST_F(FastListerTest, CanBeInterruptedClosedAndTimesOut) {
  const auto hangs = [](const HttpRequest&, std::size_t) {
    FakeReply reply;
    reply.status = 0;
    reply.hangs = true;
    return reply;
  };
  before_ = [](PumpingInterrupt& interrupt) { interrupt.interrupt(); };
  EXPECT_EQ(list(hangs).status().code(), StatusCode::kInterrupted);
  before_ = [this](PumpingInterrupt&) { parts_.clock.advance(std::chrono::seconds(100)); };
  const Status late = list(hangs).status();
  EXPECT_EQ(late.code(), StatusCode::kTransferTimeout);
  EXPECT_THAT(late.message(), AllOf(HasSubstr(kWhat), HasSubstr("timeout.readSeconds")));
  before_ = [this](PumpingInterrupt&) { queue_.close(); };
  EXPECT_EQ(list(hangs).status().code(), StatusCode::kClosed);
}

}  // namespace
}  // namespace ossmc
