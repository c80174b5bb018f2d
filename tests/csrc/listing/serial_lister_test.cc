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

TEST(SerialListing, KeysOutOfOrderAreTakenAsTheyComeAndNoted) {
  const std::vector<std::vector<std::string>> odd = {{"b", "a"}, {"\xc3\xa4", "z"}};
  for (const auto& keys : odd) {
    SerialListing listing("bucket", "");
    EXPECT_TRUE(listing.take_page(page(keys)).is_ok());
    EXPECT_THAT(listing.order().message(), HasSubstr("\"" + keys[1] + "\" follows"));
  }
  SerialListing listing("bucket", "");
  ASSERT_TRUE(listing.take_page(page({"b", "c"}, "t")).is_ok());
  EXPECT_TRUE(listing.order().is_ok());
  ASSERT_TRUE(listing.take_page(page({"a", "Z"})).is_ok());
  EXPECT_THAT(listing.order().message(), HasSubstr("\"a\" follows \"c\""));
}

TEST(SerialListing, AKeyThatFollowsItselfIsRefused) {
  for (const std::vector<std::string>& keys : {std::vector<std::string>{"a", "a"}, {""}}) {
    SerialListing listing("bucket", "");
    EXPECT_EQ(listing.take_page(page(keys)).code(), StatusCode::kProtocol);
  }
  SerialListing listing("bucket", "");
  ASSERT_TRUE(listing.take_page(page({"a", "c"}, "t")).is_ok());
  const Status status = listing.take_page(page({"c", "d"}));  // the page before ended with it
  EXPECT_THAT(status.message(), HasSubstr("\"c\" twice"));
}

// V1, and stores that say that more follow but not where.
TEST(SerialListing, GoesOnBehindAMarkerOrTheLastKeyWhereThereIsNoToken) {
  SerialListing listing("bucket", "p/");
  ListPage first = page({"p/a", "p/b"});
  first.is_truncated = true;
  first.next_marker = "p/b+";
  ASSERT_TRUE(listing.take_page(first).is_ok());
  EXPECT_EQ(query_value(listing.next_request(), "marker"), "p/b+");
  EXPECT_EQ(query_value(listing.next_request(), "start-after"), "p/b+");
  EXPECT_EQ(query_value(listing.next_request(), "continuation-token"), "(none)");
  ListPage second = page({"p/c", "p/d"});
  second.is_truncated = true;
  ASSERT_TRUE(listing.take_page(second).is_ok());
  EXPECT_EQ(query_value(listing.next_request(), "marker"), "p/d");
  EXPECT_EQ(query_value(listing.next_request(), "start-after"), "p/d");
  ASSERT_TRUE(listing.take_page(page({"p/e"}, "t")).is_ok());
  EXPECT_EQ(query_value(listing.next_request(), "marker"), "(none)");
  EXPECT_EQ(query_value(listing.next_request(), "continuation-token"), "t");
  ASSERT_TRUE(listing.take_page(page({})).is_ok());
  EXPECT_TRUE(listing.is_done());
}

TEST(SerialListing, KeysOutsideOfThePrefixAreRefused) {
  SerialListing listing("bucket", "p/");
  EXPECT_THAT(listing.take_page(page({"p/a", "q"})).message(),
              HasSubstr("\"q\", which is not inside the prefix"));
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
    EXPECT_TRUE(listing.take_page(no_token).is_ok());
    SerialListing empty("bucket", "");
    ListPage no_keys = page({});
    no_keys.is_truncated = true;
    EXPECT_THAT(empty.take_page(no_keys).message(), HasSubstr("but not where"));
  }
  {
    SerialListing listing("bucket", "");
    ASSERT_TRUE(listing.take_page(page({"a"}, "t")).is_ok());
    EXPECT_THAT(listing.take_page(page({"b"}, "t")).message(),
                HasSubstr("repeats the continuation token"));
  }
  {  // the same token, behind another
    SerialListing listing("bucket", "");
    ASSERT_TRUE(listing.take_page(page({"a"}, "t")).is_ok());
    ASSERT_TRUE(listing.take_page(page({"b"}, "u")).is_ok());
    EXPECT_THAT(listing.take_page(page({"c"}, "t")).message(),
                HasSubstr("repeats the continuation token"));
  }
  {  // a new token each time, for the first page
    SerialListing listing("bucket", "");
    ASSERT_TRUE(listing.take_page(page({"a", "b"}, "t1")).is_ok());
    EXPECT_THAT(listing.take_page(page({"a", "b"}, "t2")).message(),
                HasSubstr("begins with \"a\", as one before it"));
  }
  {  // V1 without order: the same key is the last one again
    SerialListing listing("bucket", "");
    ListPage one = page({"b", "a"});
    one.is_truncated = true;
    ASSERT_TRUE(listing.take_page(one).is_ok());
    ListPage other = page({"c", "a"});
    other.is_truncated = true;
    EXPECT_THAT(listing.take_page(other).message(), HasSubstr("ends at \"a\""));
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

ListPage page_of_prefixes(const std::vector<std::string_view>& prefixes,
                          std::string next_token = {}) {
  ListPage made;
  made.common_prefixes = prefixes;
  made.is_truncated = !next_token.empty();
  made.next_continuation_token = std::move(next_token);
  return made;
}

TEST(SerialListing, AsksForTheDelimiterOnEachPageAndCollectsWhatItRollsUp) {
  SerialListing listing("bucket", "p/", "/");
  EXPECT_EQ(query_value(listing.next_request(), "delimiter"), "/");
  ASSERT_TRUE(listing.take_page(page_of_prefixes({"p/b/", "p/c/"}, "t1")).is_ok());
  EXPECT_EQ(query_value(listing.next_request(), "delimiter"), "/");
  EXPECT_EQ(query_value(listing.next_request(), "continuation-token"), "t1");
  // A prefix that goes on, on the next page, is there once.
  ListPage second = page({"p/d"}, "t2");
  second.common_prefixes = {"p/c/"};
  ASSERT_TRUE(listing.take_page(second).is_ok());
  ASSERT_TRUE(listing.take_page(page_of_prefixes({"p/a/"})).is_ok());
  EXPECT_TRUE(listing.is_done());
  EXPECT_THAT(listing.common_prefixes(), testing::ElementsAre("p/a/", "p/b/", "p/c/"));
}

TEST(SerialListing, WithoutADelimiterCommonPrefixesAreNothing) {
  SerialListing listing("bucket", "p/");
  EXPECT_EQ(query_value(listing.next_request(), "delimiter"), "(none)");
  ASSERT_TRUE(listing.take_page(page_of_prefixes({"x"})).is_ok());
  EXPECT_TRUE(listing.common_prefixes().empty());
  EXPECT_FALSE(listing.is_rolled_up("p/a/b"));
}

TEST(SerialListing, KeysOfAStoreThatTakesNoNoticeOfTheDelimiterAreRolledUp) {
  SerialListing listing("bucket", "p/", "//");
  ASSERT_TRUE(listing.take_page(page({"p/", "p/a/b", "p/a//b", "p/a//c//d"}, "t")).is_ok());
  ASSERT_TRUE(listing.take_page(page({"p/a//e", "p/b//"})).is_ok());
  EXPECT_THAT(listing.common_prefixes(), testing::ElementsAre("p/a//", "p/b//"));
  EXPECT_TRUE(listing.is_rolled_up("p/a//b"));
  EXPECT_FALSE(listing.is_rolled_up("p/"));
  EXPECT_FALSE(listing.is_rolled_up("p/a/b"));
}

TEST(SerialListing, CommonPrefixesThatAreNoneAreRefused) {
  for (const std::string_view odd : {"q/", "p/", "p/a", "p/a/b/", "p/a/b"}) {
    SerialListing listing("bucket", "p/", "/");
    EXPECT_THAT(listing.take_page(page_of_prefixes({odd})).message(),
                HasSubstr("the common prefix \"" + std::string(odd) + "\""));
  }
}

// V1 without NextMarker.
TEST(SerialListing, GoesOnBehindTheLastKeyOrCommonPrefixWhereThereIsNoToken) {
  SerialListing listing("bucket", "", "/");
  ListPage both = page({"a", "c"});
  both.common_prefixes = {"b/", "d/"};
  both.is_truncated = true;
  ASSERT_TRUE(listing.take_page(both).is_ok());
  EXPECT_EQ(query_value(listing.next_request(), "marker"), "d/");
  ListPage keys_last = page({"f"});
  keys_last.common_prefixes = {"e/"};
  keys_last.is_truncated = true;
  ASSERT_TRUE(listing.take_page(keys_last).is_ok());
  EXPECT_EQ(query_value(listing.next_request(), "marker"), "f");
  // A store that gives the keys below its own marker once more would do so for ever.
  ListPage again = page_of_prefixes({"e/"});
  again.is_truncated = true;
  ASSERT_TRUE(listing.take_page(again).is_ok());
  EXPECT_THAT(listing.take_page(again).message(), HasSubstr("ends at \"e/\""));
}

TEST(SerialListing, PagesOfCommonPrefixesThatAreKnownAreEmptyOnes) {
  SerialListing listing("bucket", "", "/");
  Status status;
  int pages = 0;
  while (status.is_ok() && pages < 10'000)
    status = listing.take_page(page_of_prefixes({"a/"}, "t" + std::to_string(pages++)));
  EXPECT_THAT(status.message(), HasSubstr("empty pages"));
  EXPECT_EQ(pages, 1001);  // the first had a new one
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

TEST_F(ListSerially, WhatAPlusIsALaterPageTellsOfTheKeysBeforeIt) {
  const auto keys = [this](const std::vector<std::string>& encoded) {
    const Result<ObjectColumns> columns = list([&](const HttpRequest&, std::size_t index) {
      const bool is_last = index + 1 == encoded.size();
      return raw("<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>" +
                 std::string(is_last ? "false" : "true") + "</IsTruncated><Contents><Key>" +
                 encoded[index] + "</Key><Size>1</Size></Contents><NextContinuationToken>" +
                 std::to_string(index) + "</NextContinuationToken></ListBucketResult>");
    });
    EXPECT_TRUE(columns.is_ok()) << columns.status().message();
    std::string all;
    for (std::size_t i = 0; i < columns->size(); ++i) all += std::string(columns->key(i)) + "|";
    return all;
  };
  EXPECT_EQ(keys({"p/a+", "p/b+"}), "p/a+|p/b+|");
  EXPECT_EQ(keys({"p/a+", "p/b%2B", "p/c+"}), "p/a |p/b+|p/c |");
  EXPECT_EQ(keys({"p/a+%2B", "p/b+", "p/c%20"}), "p/a++|p/b+|p/c |");
  EXPECT_EQ(keys({"p/a+", "p/b%2B", "p/c+%20"}), "p/a+|p/b+|p/c+ |");
}

// A gateway that means blanks, and takes no notice of the delimiter.
TEST_F(ListSerially, WhatAPlusIsALaterPageTellsOfCommonPrefixesToo) {
  FakeTransport transport(queue_, parts_.clock, [](const HttpRequest& request, std::size_t index) {
    EXPECT_THAT(request.url, HasSubstr("delimiter=%2F"));
    return raw("<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>" +
               std::string(index == 0 ? "true" : "false") + "</IsTruncated><Contents><Key>p/" +
               std::string(index == 0 ? "a+/1" : "b%2B") +
               "</Key><Size>1</Size></Contents></ListBucketResult>");
  });
  queue_.set_transport(&transport);
  PumpingInterrupt interrupt(transport);
  SerialLister lister(queue_, parts_.clock, "bucket-1", "p/", std::chrono::seconds(180), "/");
  const Result<ObjectColumns> rows = list_all(lister, interrupt);
  transport.run();
  ASSERT_TRUE(rows.is_ok()) << rows.status().message();
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->key(0), "p/b+");
  EXPECT_THAT(lister.common_prefixes(), testing::ElementsAre("p/a /"));
}

TEST_F(ListSerially, RowsThatWereTakenAreNotChangedByALaterPage) {
  FakeTransport transport(queue_, parts_.clock, [](const HttpRequest&, std::size_t index) {
    return raw(
        "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
        "<Contents><Key>p/" +
        std::string(index == 0 ? "a+" : "b%2B") +
        "</Key><Size>1</Size></Contents></ListBucketResult>");
  });
  queue_.set_transport(&transport);
  PumpingInterrupt interrupt(transport);
  SerialLister lister(queue_, parts_.clock, "bucket-1", "p/", std::chrono::seconds(180));
  ObjectColumns rows;
  ASSERT_TRUE(lister.next_rows(rows, interrupt).is_ok());
  rows = {};
  const Result<bool> more = lister.next_rows(rows, interrupt);
  EXPECT_EQ(more.status().code(), StatusCode::kProtocol);
  EXPECT_THAT(more.status().message(), AllOf(HasSubstr(kWhat), HasSubstr("list() gives all")));
  transport.run();
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
