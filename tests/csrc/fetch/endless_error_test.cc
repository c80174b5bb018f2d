// Error replies whose body does not end: a proxy's page, sent again and again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fetch/chunk_fetch.h"
#include "fetch/small_request_queue.h"
#include "memory/chunk.h"
#include "support/csrc/fake_transport.h"
#include "support/csrc/fetch_parts.h"

namespace ossmc {
namespace {

using testing::HasSubstr;

constexpr std::size_t kPiece = 16 * 1024;

// `pieces` of the page and no end. The document OSS would send stands at its start.
FakeReply endless_error(int status, std::string_view code, std::size_t pieces) {
  FakeReply reply = oss_error(status, code);
  reply.headers.pop_back();  // Content-Length
  reply.body[0].resize(kPiece, ' ');
  reply.body.resize(pieces, std::string(kPiece, 'x'));
  reply.hangs = true;
  return reply;
}

// A chunk of 1000 bytes and its fetch.
class OneFetch final : public ChunkFetchOwner, public WorkSource {
 public:
  explicit OneFetch(FetchContext& context) : context_(context), buffer_(1000) {
    chunk_.begin_fill_at(buffer_.data(), 1000, /*hidden=*/false);
    version_.size = 1000;
    version_.etag = FakeObject{}.etag;
    fetch_ =
        std::make_unique<ChunkFetch>(context, *this, name_, &version_, chunk_, 0, SeenBefore{});
  }
  Exchange* next(int /*thread*/, const Occupancy& /*occupancy*/) noexcept override {
    if (due_ > context_.clock.now()) return nullptr;
    bool ready = false;
    EXPECT_TRUE(fetch_->prepare(&ready).is_ok());
    EXPECT_TRUE(ready);
    due_ = TimePoint::max();
    return fetch_.get();
  }
  TimePoint next_due() noexcept override { return due_; }
  Status on_version(ChunkFetch& /*fetch*/, const ObjectVersion& /*version*/,
                    ByteRange /*range*/) override {
    return Status::ok();
  }
  void on_retry(ChunkFetch& /*fetch*/, TimePoint due) override { due_ = due; }
  std::optional<std::string> on_reply(ChunkFetch& /*fetch*/,
                                      const ObjectVersion& /*told*/) override {
    return std::nullopt;
  }
  void on_hedge_ended(ChunkFetch& /*fetch*/, bool /*whole*/) override {}
  void on_finished(ChunkFetch& /*fetch*/, const Status& status) override { end_ = status; }

  std::optional<Status> end_;

 private:
  FetchContext& context_;
  const ObjectName name_{"bucket-1", "key"};
  ObjectVersion version_;
  std::vector<std::byte> buffer_;
  Chunk chunk_;
  std::unique_ptr<ChunkFetch> fetch_;
  TimePoint due_{};
};

class EndlessError : public testing::Test {
 protected:
  // What becomes of a chunk's fetch, and of a small request, whose first reply is `first`.
  Status fetch(const FakeReply& first) {
    OneFetch one(parts_.context);
    FakeTransport transport(one, parts_.clock, script(first));
    transport.run();
    attempts_ = transport.started().size();
    transport.stop();
    return one.end_.value_or(Status(StatusCode::kInternal, "it never ended"));
  }
  Status list(const FakeReply& first) {
    SmallRequestQueue queue(parts_.context, 2);
    FakeTransport transport(queue, parts_.clock, script(first));
    queue.set_transport(&transport);
    const auto pending = queue.submit(Operation::kList, head_request({"bucket-1", "k"}), "LIST",
                                      "oss://bucket-1/", 64 * 1024);
    transport.run();
    attempts_ = transport.started().size();
    if (!pending->is_done()) {
      transport.stop();
      return {StatusCode::kInternal, "it never ended"};
    }
    PumpingInterrupt interrupt(transport);
    const Status status = pending->wait(interrupt, parts_.clock, std::chrono::hours(1));
    transport.stop();
    return status;
  }
  static FakeTransport::Script script(const FakeReply& first) {
    return [first](const HttpRequest& request, std::size_t index) {
      return index == 0 ? first : serve(FakeObject{1000}, request);
    };
  }

  FetchParts parts_;
  std::size_t attempts_ = 0;
};

TEST_F(EndlessError, TheChunkIsTriedAgainAsAfterOneThatEnds) {
  EXPECT_TRUE(fetch(endless_error(503, "ServiceUnavailable", 8)).is_ok());
  EXPECT_EQ(attempts_, 2u);
}

TEST_F(EndlessError, TheChunksErrorIsThatOfTheReply) {
  const Status status = fetch(endless_error(403, "AccessDenied", 8));
  EXPECT_EQ(status.code(), StatusCode::kAccessDenied) << status.message();
  EXPECT_EQ(status.detail().error_code, "AccessDenied");
  EXPECT_EQ(status.detail().http_status, 403);
  EXPECT_THAT(status.message(), testing::Not(HasSubstr("abort")));
  EXPECT_EQ(attempts_, 1u);
}

TEST_F(EndlessError, ASmallRequestIsTriedAgainAsAfterOneThatEnds) {
  EXPECT_TRUE(list(endless_error(503, "ServiceUnavailable", 8)).is_ok());
  EXPECT_EQ(attempts_, 2u);
}

TEST_F(EndlessError, ASmallRequestsErrorIsThatOfTheReply) {
  const Status status = list(endless_error(403, "AccessDenied", 8));
  EXPECT_EQ(status.code(), StatusCode::kAccessDenied) << status.message();
  EXPECT_EQ(status.detail().error_code, "AccessDenied");
  EXPECT_EQ(attempts_, 1u);
}

}  // namespace
}  // namespace ossmc
