#include "fetch/small_request_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/csrc/fake_transport.h"
#include "support/csrc/fetch_parts.h"

namespace ossmc {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class SmallRequestQueueTest : public testing::Test {
 protected:
  void SetUp() override { queue_.set_transport(&transport_); }
  void TearDown() override { transport_.stop(); }

  std::shared_ptr<PendingReply> submit(const std::string& key, std::size_t max_body = 1 << 16) {
    return queue_.submit(Operation::kHeadObject, head_request({"bucket-1", key}),
                         "HEAD oss://bucket-1/" + key, "oss://bucket-1/" + key, max_body);
  }
  Status wait(PendingReply& pending, Duration limit = std::chrono::hours(1)) {
    PumpingInterrupt interrupt(transport_);
    const Status status = pending.wait(interrupt, parts_.clock, limit);
    EXPECT_THAT(status.message(),
                AllOf(Not(HasSubstr(kTestKeySecret)), Not(HasSubstr(kTestToken))));
    return status;
  }
  static FakeReply hang() {
    FakeReply reply;
    reply.status = 0;
    reply.hangs = true;
    return reply;
  }

  FetchParts parts_;
  SmallRequestQueue queue_{parts_.context, 2};
  FakeTransport::Script script_ = [](const HttpRequest& request, std::size_t) {
    return serve(FakeObject{1000}, request);
  };
  FakeTransport transport_{
      queue_, parts_.clock,
      [this](const HttpRequest& request, std::size_t index) { return script_(request, index); }};
};

TEST_F(SmallRequestQueueTest, GivesTheReply) {
  const auto pending = submit("k");
  EXPECT_EQ(transport_.wakes(), 1);
  EXPECT_FALSE(pending->is_done());
  EXPECT_LE(queue_.next_due(), parts_.clock.now());
  ASSERT_TRUE(wait(*pending).is_ok());
  EXPECT_TRUE(pending->is_done());
  EXPECT_EQ(pending->head().status, 200);
  EXPECT_EQ(pending->head().content_length, 1000u);
  EXPECT_EQ(queue_.next_due(), TimePoint::max());
  EXPECT_EQ(transport_.started()[0].request.method, Method::kHead);
}

TEST_F(SmallRequestQueueTest, FirstComeFirstServedWithinItsSlots) {
  std::vector<std::shared_ptr<PendingReply>> pending;
  for (int i = 0; i < 10; ++i) pending.push_back(submit("k" + std::to_string(i)));
  for (const auto& one : pending) EXPECT_TRUE(wait(*one).is_ok());
  ASSERT_EQ(transport_.started().size(), 10u);
  for (std::size_t i = 0; i < 10; ++i)
    EXPECT_THAT(transport_.started()[i].request.url, HasSubstr("/k" + std::to_string(i)));
  EXPECT_EQ(transport_.most_in_progress(), 2);
}

TEST_F(SmallRequestQueueTest, RetriesAndThenGivesUpWithTheWholeStory) {
  script_ = [](const HttpRequest&, std::size_t) { return oss_error(500, "InternalError"); };
  const auto pending = submit("k");
  const Status status = wait(*pending);
  EXPECT_EQ(status.code(), StatusCode::kServer);
  EXPECT_EQ(transport_.started().size(), 6u);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("HEAD oss://bucket-1/k"), HasSubstr("6 attempts"),
                                      HasSubstr("REQ-500")));
  EXPECT_EQ(status.detail().attempts, 6);
  EXPECT_EQ(status.detail().http_status, 500);
}

TEST_F(SmallRequestQueueTest, AnErrorWhoseDocumentIsCutOffIsStillThatError) {
  script_ = [](const HttpRequest&, std::size_t) {
    return oss_error(404, "NoSuchKey").reset_after(20);
  };
  EXPECT_EQ(wait(*submit("k")).code(), StatusCode::kObjectNotFound);
  EXPECT_EQ(transport_.started().size(), 1u);
}

TEST_F(SmallRequestQueueTest, ARetryStartsFromAnEmptyBody) {
  script_ = [](const HttpRequest&, std::size_t index) {
    FakeReply reply;
    reply.status = 200;
    reply.body = {"one", "two"};
    if (index == 0) reply.reset_after(4);
    return reply;
  };
  const auto pending = submit("k");
  ASSERT_TRUE(wait(*pending).is_ok());
  EXPECT_EQ(pending->body(), "onetwo");
}

TEST_F(SmallRequestQueueTest, AWholeBodyInChunksTellsTheObjectsLengthToAGet) {
  FakeReply reply;
  reply.status = 200;
  reply.headers = {{"Transfer-Encoding", "Chunked"}, {"ETag", "\"e\""}};
  reply.body = {"abc", "de"};
  script_ = [&](const HttpRequest&, std::size_t) { return reply; };
  const auto length = [this](Operation operation, std::size_t max_body) {
    const auto pending = queue_.submit(operation, get_range_request({"bucket-1", "k"}, {0, 1}, {}),
                                       "GET", "oss://bucket-1/k", max_body);
    EXPECT_TRUE(wait(*pending).is_ok());
    return pending->head().content_length;
  };
  EXPECT_EQ(length(Operation::kGetObject, 100), 5u);
  EXPECT_EQ(length(Operation::kHeadObject, 100), std::nullopt);
  // Not all of it was received.
  EXPECT_EQ(length(Operation::kGetObject, 4), std::nullopt);
  FakeReply whole = reply;
  reply.reset_after(3);
  EXPECT_EQ(length(Operation::kGetObject, 100), std::nullopt);
  reply = whole;
  reply.headers = {{"ETag", "\"e\""}};
  EXPECT_EQ(length(Operation::kGetObject, 100), std::nullopt);
}

TEST_F(SmallRequestQueueTest, ALongerBodyThanAllowedIsAnError) {
  script_ = [](const HttpRequest&, std::size_t) {
    FakeReply reply;
    reply.status = 200;
    reply.body.assign(3, std::string(5, 'x'));
    return reply;
  };
  EXPECT_TRUE(wait(*submit("k", 15)).is_ok());
  const Status status = wait(*submit("k", 14));
  EXPECT_EQ(status.code(), StatusCode::kProtocol);
  EXPECT_THAT(status.message(), HasSubstr("longer than 14 bytes"));
}

TEST_F(SmallRequestQueueTest, APageThatIsNoListingAndOfNoStoreNamesTheEndpoint) {
  std::string body = "<html>Log in first</html>";
  std::vector<NameValue> headers;
  script_ = [&](const HttpRequest&, std::size_t) {
    FakeReply reply;
    reply.status = 200;
    reply.headers = headers;
    reply.body = {body};
    return reply;
  };
  const auto list = [this] {
    return wait(*queue_.submit(Operation::kList, list_request("bucket-1", "", "", ""), "LIST",
                               "oss://bucket-1/", 1 << 16));
  };
  const Status status = list();
  EXPECT_EQ(status.code(), StatusCode::kProtocol);
  EXPECT_THAT(status.message(), HasSubstr("http://127.0.0.1:9000"));
  EXPECT_EQ(status.detail().http_status, 200);
  EXPECT_EQ(transport_.started().size(), 1u);
  // What is wrong with a store's page its parser says.
  headers = {{"x-oss-request-id", "REQ"}};
  EXPECT_TRUE(list().is_ok());
  headers.clear();
  body = "<?xml version='1.0'?><ListBucketResult/>";
  EXPECT_TRUE(list().is_ok());
}

TEST_F(SmallRequestQueueTest, A404WithoutACodeIsAMissingObjectWhereObjectsWereGivenBefore) {
  script_ = [](const HttpRequest& request, std::size_t index) {
    if (index == 1) return serve(FakeObject{1000}, request);
    FakeReply reply;
    reply.status = 404;
    return reply;
  };
  EXPECT_EQ(wait(*submit("k")).code(), StatusCode::kProtocol);
  EXPECT_TRUE(wait(*submit("there")).is_ok());
  EXPECT_EQ(wait(*submit("k")).code(), StatusCode::kObjectNotFound);
}

TEST_F(SmallRequestQueueTest, WaitEndsAtItsLimitAndCancels) {
  script_ = [](const HttpRequest&, std::size_t) { return hang(); };
  const auto pending = submit("k");
  PumpingInterrupt interrupt(transport_);
  interrupt.set_before([&] { parts_.clock.advance(std::chrono::seconds(4)); });
  EXPECT_EQ(pending->wait(interrupt, parts_.clock, std::chrono::seconds(10)).code(),
            StatusCode::kTransferTimeout);
  transport_.run();  // a look at cancelled()
  EXPECT_EQ(transport_.in_progress(), 0);
  EXPECT_TRUE(pending->is_done());
}

TEST_F(SmallRequestQueueTest, WaitCanBeInterrupted) {
  script_ = [](const HttpRequest&, std::size_t) { return hang(); };
  const auto pending = submit("k");
  PumpingInterrupt interrupt(transport_);
  interrupt.interrupt();
  EXPECT_EQ(pending->wait(interrupt, parts_.clock, std::chrono::hours(1)).code(),
            StatusCode::kInterrupted);
  transport_.run();
  EXPECT_EQ(transport_.in_progress(), 0);
}

TEST_F(SmallRequestQueueTest, ACancelledRequestIsNotStarted) {
  script_ = [](const HttpRequest&, std::size_t) { return hang(); };
  const auto first = submit("a");
  const auto second = submit("b");
  const auto third = submit("c");  // waits for a slot
  transport_.run();
  PumpingInterrupt interrupt(transport_);
  interrupt.interrupt();
  EXPECT_EQ(third->wait(interrupt, parts_.clock, std::chrono::hours(1)).code(),
            StatusCode::kInterrupted);
  transport_.stop();
  transport_.run();
  EXPECT_EQ(transport_.started().size(), 2u);
  EXPECT_TRUE(third->is_done());
}

TEST_F(SmallRequestQueueTest, CloseEndsAll) {
  script_ = [](const HttpRequest&, std::size_t) { return hang(); };
  std::vector<std::shared_ptr<PendingReply>> pending;
  for (int i = 0; i < 5; ++i) pending.push_back(submit("k"));
  transport_.run();
  queue_.close();
  for (const auto& one : pending) {
    EXPECT_TRUE(one->is_done());
    EXPECT_EQ(wait(*one).code(), StatusCode::kClosed);
  }
  transport_.run();
  EXPECT_EQ(transport_.in_progress(), 0);
  EXPECT_EQ(transport_.started().size(), 2u);
  const auto late = submit("k");
  EXPECT_TRUE(late->is_done());
  EXPECT_EQ(wait(*late).code(), StatusCode::kClosed);
}

TEST_F(SmallRequestQueueTest, AClosedQueueDropsRetries) {
  script_ = [](const HttpRequest&, std::size_t) { return fail_with(TransportError::kReset); };
  const auto pending = submit("k");
  transport_.step();
  transport_.step();
  queue_.close();
  transport_.run();
  EXPECT_EQ(wait(*pending).code(), StatusCode::kClosed);
  EXPECT_LE(transport_.started().size(), 2u);
}

TEST(SmallRequestQueueCredentials, WaitForTheProviderWithoutASlot) {
  FakeClock cache_clock;
  FetchParts parts(std::make_unique<CredentialsCache>(cache_clock, CredentialsCache::Options{}));
  SmallRequestQueue queue(parts.context, 2);
  FakeTransport transport(queue, parts.clock, [](const HttpRequest& request, std::size_t) {
    return serve(FakeObject{1000}, request);
  });
  queue.set_transport(&transport);
  const auto pending = queue.submit(Operation::kHeadObject, head_request({"bucket-1", "k"}),
                                    "HEAD oss://bucket-1/k", "oss://bucket-1/k", 1 << 16);
  transport.run_for(std::chrono::seconds(1));
  EXPECT_TRUE(transport.started().empty());
  EXPECT_FALSE(pending->is_done());
  ASSERT_NE(parts.credentials->take_question(), 0u);
  parts.credentials->put(test_credentials());
  transport.run_for(std::chrono::seconds(1));
  EXPECT_TRUE(pending->is_done());
  PumpingInterrupt interrupt(transport);
  EXPECT_TRUE(pending->wait(interrupt, parts.clock, std::chrono::seconds(1)).is_ok());
}

TEST(SmallRequestQueueCredentials, AProviderThatFailsEndsTheRequest) {
  FakeClock cache_clock;
  FetchParts parts(std::make_unique<CredentialsCache>(cache_clock, CredentialsCache::Options{}));
  SmallRequestQueue queue(parts.context, 2);
  FakeTransport transport(queue, parts.clock, [](const HttpRequest& request, std::size_t) {
    return serve(FakeObject{1000}, request);
  });
  queue.set_transport(&transport);
  const auto pending = queue.submit(Operation::kHeadObject, head_request({"bucket-1", "k"}),
                                    "HEAD oss://bucket-1/k", "oss://bucket-1/k", 1 << 16);
  transport.run_for(std::chrono::seconds(1));
  parts.credentials->put_failure("the provider said no");
  transport.run_for(std::chrono::seconds(1));
  ASSERT_TRUE(pending->is_done());
  PumpingInterrupt interrupt(transport);
  const Status status = pending->wait(interrupt, parts.clock, std::chrono::seconds(1));
  EXPECT_EQ(status.code(), StatusCode::kCredentials);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("HEAD oss://bucket-1/k"), HasSubstr("the provider said no")));
  EXPECT_TRUE(transport.started().empty());
}

}  // namespace
}  // namespace ossmc
