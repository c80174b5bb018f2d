#include "listing/serial_lister.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/percent.h"
#include "support/csrc/fake_transport.h"
#include "support/csrc/fetch_parts.h"

namespace ossmc {
namespace {

using testing::AllOf;
using testing::HasSubstr;

ListedObject sized_object(std::string_view key, std::uint64_t size = 1) {
  return {key, size, "5B3C1A2E053D763E1B002CC607C5A0FE", 1.0, "Standard"};
}

ListPage page(const std::vector<std::string>& keys, std::string next_token = {}) {
  ListPage made;
  made.body.reserve(10'000);
  for (const std::string& key : keys) {
    made.body += key;
    made.objects.push_back(
        sized_object(std::string_view(made.body).substr(made.body.size() - key.size())));
  }
  made.is_truncated = !next_token.empty();
  made.next_continuation_token = std::move(next_token);
  return made;
}

std::string query_value(const StoreRequest& request, std::string_view name) {
  for (const NameValue& item : request.query) {
    if (item.name == name) return item.value;
  }
  return "(none)";
}

TEST(SerialListing, AsksFromPageToPageByToken) {
  SerialListing listing("bucket", "p/");
  EXPECT_EQ(query_value(listing.next_request(), "prefix"), "p/");
  EXPECT_EQ(query_value(listing.next_request(), "continuation-token"), "(none)");
  ASSERT_TRUE(listing.take_page(page({"p/a", "p/b"}, "t1")).is_ok());
  EXPECT_FALSE(listing.is_done());
  EXPECT_EQ(query_value(listing.next_request(), "continuation-token"), "t1");
  ASSERT_TRUE(listing.take_page(page({}, "t2")).is_ok());  // empty, and still not the last
  EXPECT_EQ(query_value(listing.next_request(), "continuation-token"), "t2");
  ASSERT_TRUE(listing.take_page(page({"p/c"})).is_ok());
  EXPECT_TRUE(listing.is_done());
  EXPECT_EQ(listing.pages(), 3u);
}

TEST(SerialListing, AnEmptyListingIsEmpty) {
  SerialListing listing("bucket", "");
  ASSERT_TRUE(listing.take_page(page({})).is_ok());
  EXPECT_TRUE(listing.is_done());
}

TEST(SerialListing, KeysOutOfOrderAreRefused) {
  const std::vector<std::vector<std::string>> bad = {
      {"b", "a"}, {"a", "a"}, {"\xc3\xa4", "z"}, {""}};
  for (const auto& keys : bad) {
    SerialListing listing("bucket", "");
    EXPECT_EQ(listing.take_page(page(keys)).code(), StatusCode::kProtocol);
  }
  SerialListing listing("bucket", "");
  ASSERT_TRUE(listing.take_page(page({"a", "c"}, "t")).is_ok());
  const Status status = listing.take_page(page({"c", "d"}));  // the page before ended with it
  EXPECT_THAT(status.message(), HasSubstr("\"c\""));
}

TEST(SerialListing, KeysOutsideOfThePrefixAreRefused) {
  SerialListing listing("bucket", "p/");
  EXPECT_THAT(listing.take_page(page({"p/a", "q"})).message(),
              HasSubstr("\"q\", which is not inside the prefix"));
}

TEST(SerialListing, AStoreWithoutOrderIsListedWhenThatIsKnown) {
  SerialListing listing("bucket", "p/", KeyOrder::kAny);
  ASSERT_TRUE(listing.take_page(page({"p/b", "p/a"}, "t1")).is_ok());
  ASSERT_TRUE(listing.take_page(page({"p/0", "p/c"}, "t2")).is_ok());
  EXPECT_EQ(query_value(listing.next_request(), "continuation-token"), "t2");
  ASSERT_TRUE(listing.take_page(page({"p/1"})).is_ok());
  EXPECT_TRUE(listing.is_done());

  SerialListing outside("bucket", "p/", KeyOrder::kAny);
  EXPECT_THAT(outside.take_page(page({"q"})).message(), HasSubstr("not inside the prefix"));
  SerialListing stuck("bucket", "", KeyOrder::kAny);
  ASSERT_TRUE(stuck.take_page(page({"b"}, "t")).is_ok());
  EXPECT_THAT(stuck.take_page(page({"a"}, "t")).message(), HasSubstr("repeats"));
  SerialListing huge("bucket", "", KeyOrder::kAny);
  ListPage one;
  one.objects.push_back(sized_object("a", ~0ULL));
  EXPECT_EQ(huge.take_page(one).code(), StatusCode::kProtocol);
}

TEST(SerialListing, ImpossibleSizesAreRefused) {
  SerialListing listing("bucket", "");
  ListPage one;
  one.objects.push_back(sized_object("a", ~0ULL));
  EXPECT_EQ(listing.take_page(one).code(), StatusCode::kProtocol);
}

TEST(SerialListing, EndlessListingsAreCutOff) {
  {
    SerialListing listing("bucket", "");
    ListPage no_token = page({"a"});
    no_token.is_truncated = true;
    EXPECT_THAT(listing.take_page(no_token).message(), HasSubstr("no continuation token"));
  }
  {
    SerialListing listing("bucket", "");
    ASSERT_TRUE(listing.take_page(page({"a"}, "t")).is_ok());
    EXPECT_THAT(listing.take_page(page({"b"}, "t")).message(),
                HasSubstr("repeats the continuation token"));
  }
  {
    SerialListing listing("bucket", "");
    Status status;
    int pages = 0;
    while (status.is_ok() && pages < 10'000)
      status = listing.take_page(page({}, "t" + std::to_string(pages++)));
    EXPECT_THAT(status.message(), HasSubstr("empty pages"));
  }
}

// The driver, over a fake transport that plays the store.
class ListSerially : public testing::Test {
 protected:
  using Script = FakeTransport::Script;
  static constexpr char kWhat[] = "LIST oss://bucket-1/p/";

  Result<ObjectColumns> list(const Script& script) {
    FakeTransport transport(queue_, parts_.clock, script);
    queue_.set_transport(&transport);
    PumpingInterrupt interrupt(transport);
    if (before_) {
      interrupt.set_before([&] { before_(interrupt); });
    }
    SerialLister lister(queue_, parts_.clock, "bucket-1", "p/", std::chrono::seconds(180));
    Result<ObjectColumns> columns = list_all(lister, interrupt);
    transport.run();
    requests_ = transport.started();
    return columns;
  }

  static FakeReply xml_page(const std::vector<std::string>& keys,
                            const std::string& next_token = {}) {
    std::string xml =
        "<?xml version=\"1.0\" "
        "encoding=\"UTF-8\"?><ListBucketResult><EncodingType>url</EncodingType>";
    xml += "<IsTruncated>" + std::string(next_token.empty() ? "false" : "true") + "</IsTruncated>";
    if (!next_token.empty())
      xml += "<NextContinuationToken>" + percent_encode(next_token) + "</NextContinuationToken>";
    for (const std::string& key : keys) {
      xml += "<Contents><Key>" + percent_encode(key) +
             "</Key><LastModified>2012-02-24T08:43:07.000Z</"
             "LastModified><ETag>\"5B3C1A2E053D763E1B002CC607C5A0FE\"</ETag>"
             "<Size>344606</Size><StorageClass>Standard</StorageClass></Contents>";
    }
    return raw(xml + "</ListBucketResult>");
  }
  static FakeReply raw(std::string body) {
    FakeReply reply;
    reply.status = 200;
    reply.with_header("x-oss-request-id", "REQ-1")
        .with_header("Content-Length", std::to_string(body.size()));
    reply.body.push_back(std::move(body));
    return reply;
  }

  FetchParts parts_;
  SmallRequestQueue queue_{parts_.context, 16};
  std::function<void(PumpingInterrupt&)> before_;
  std::vector<FakeTransport::Started> requests_;
};

TEST_F(ListSerially, ReadsAllPages) {
  Result<ObjectColumns> columns = list([](const HttpRequest& request, std::size_t index) {
    EXPECT_THAT(request.url, HasSubstr("list-type=2"));
    EXPECT_THAT(request.url, HasSubstr("max-keys=1000"));
    if (index == 0) {
      EXPECT_THAT(request.url, testing::Not(HasSubstr("continuation-token")));
      return xml_page({"p/1", "p/\xc3\xa4 +%"}, "tok/en=+");
    }
    EXPECT_THAT(request.url, HasSubstr("continuation-token=tok%2Fen%3D%2B"));
    return xml_page({"p/\xe4\xb8\xad"});
  });
  ASSERT_TRUE(columns.is_ok()) << columns.status().message();
  ASSERT_EQ((*columns).size(), 3u);
  EXPECT_EQ((*columns).key(1), "p/\xc3\xa4 +%");
  EXPECT_EQ((*columns).object_size(2), 344606u);
  EXPECT_EQ((*columns).last_modified_unix(2), 1330072987.0);
  EXPECT_EQ(requests_.size(), 2u);
}

TEST_F(ListSerially, RetriesAPageNotTheListing) {
  Result<ObjectColumns> columns = list([](const HttpRequest&, std::size_t index) {
    switch (index) {
      case 0:
        return xml_page({"p/1"}, "t");
      case 1:
        return oss_error(503, "ServiceUnavailable");
      case 2:
        return xml_page({"p/2"}).reset_after(30);
      default:
        return xml_page({"p/2"});
    }
  });
  ASSERT_TRUE(columns.is_ok()) << columns.status().message();
  EXPECT_EQ((*columns).size(), 2u);
  ASSERT_EQ(requests_.size(), 4u);
  EXPECT_EQ(requests_[3].request.url, requests_[1].request.url);
  EXPECT_EQ(load(parts_.counters.retries), 2u);
}

TEST_F(ListSerially, AMissingBucketIsAnErrorNotAnEmptyList) {
  const Result<ObjectColumns> columns =
      list([](const HttpRequest&, std::size_t) { return oss_error(404, "NoSuchBucket"); });
  EXPECT_EQ(columns.status().code(), StatusCode::kBucketNotFound);
  EXPECT_THAT(columns.status().message(),
              AllOf(HasSubstr(kWhat), HasSubstr("NoSuchBucket"), HasSubstr("REQ-404")));
  EXPECT_EQ(columns.status().detail().uri, "oss://bucket-1/p/");
  EXPECT_EQ(columns.status().detail().attempts, 1);
}

TEST_F(ListSerially, BrokenPagesNameTheListingAndTheRequest) {
  for (const char* body : {"", "<html>busy</html>", "<ListBucketResult><Contents>", "not xml"}) {
    const Result<ObjectColumns> columns =
        list([&](const HttpRequest&, std::size_t) { return raw(body); });
    EXPECT_EQ(columns.status().code(), StatusCode::kProtocol) << body;
    EXPECT_THAT(columns.status().message(), AllOf(HasSubstr(kWhat), HasSubstr("REQ-1")));
    EXPECT_EQ(columns.status().detail().uri, "oss://bucket-1/p/");
  }
  const Result<ObjectColumns> columns =
      list([&](const HttpRequest&, std::size_t) { return xml_page({"q/1"}); });
  EXPECT_THAT(columns.status().message(),
              AllOf(HasSubstr(kWhat), HasSubstr("REQ-1"), HasSubstr("not inside the prefix")));
}

TEST_F(ListSerially, ABodyWithoutEndIsCutOff) {
  const Result<ObjectColumns> columns = list([&](const HttpRequest&, std::size_t) {
    FakeReply reply;
    reply.status = 200;
    reply.body.assign(200, std::string(1 << 16, 'x'));
    return reply;
  });
  EXPECT_EQ(columns.status().code(), StatusCode::kProtocol);
  EXPECT_THAT(columns.status().message(),
              AllOf(HasSubstr(kWhat), HasSubstr("longer than 8388608 bytes")));
}

TEST_F(ListSerially, CanBeInterrupted) {
  before_ = [](PumpingInterrupt& interrupt) { interrupt.interrupt(); };
  const Result<ObjectColumns> columns = list([&](const HttpRequest&, std::size_t) {
    FakeReply reply;
    reply.status = 0;
    reply.hangs = true;
    return reply;
  });
  EXPECT_EQ(columns.status().code(), StatusCode::kInterrupted);
}

TEST_F(ListSerially, APageThatNeverComesTimesOut) {
  before_ = [this](PumpingInterrupt&) { parts_.clock.advance(std::chrono::seconds(100)); };
  const Result<ObjectColumns> columns = list([&](const HttpRequest&, std::size_t) {
    FakeReply reply;
    reply.status = 0;
    reply.hangs = true;
    return reply;
  });
  EXPECT_EQ(columns.status().code(), StatusCode::kTransferTimeout);
  EXPECT_THAT(columns.status().message(), HasSubstr(kWhat));
}

TEST_F(ListSerially, CloseEndsIt) {
  before_ = [this](PumpingInterrupt&) { queue_.close(); };
  const Result<ObjectColumns> columns =
      list([&](const HttpRequest&, std::size_t) { return xml_page({"p/1"}); });
  EXPECT_EQ(columns.status().code(), StatusCode::kClosed);
}

}  // namespace
}  // namespace ossmc
