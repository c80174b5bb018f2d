#include "fetch/chunk_fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/crc64.h"
#include "memory/chunk.h"
#include "support/csrc/fake_transport.h"
#include "support/csrc/fetch_parts.h"
#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// One chunk and its fetch, handed out to the transport whenever it is due.
class OneChunk final : public ChunkFetchOwner, public WorkSource {
 public:
  OneChunk(FetchContext& context, std::uint64_t begin, std::uint32_t length,
           const ObjectVersion* known, SeenBefore seen = {}, const ListedVersion* listed = nullptr)
      : context_(context), buffer_(length + kGuard, std::byte{0xEE}) {
    chunk_.begin_fill_at(buffer_.data(), length, /*hidden=*/!seen.empty());
    phase_ = chunk_.view().phase;
    fetch_ =
        std::make_unique<ChunkFetch>(context, *this, name_, known, chunk_, begin, seen, listed);
    due_ = context.clock.now();
  }

  Exchange* next(int /*thread*/, const Occupancy& /*occupancy*/) noexcept override {
    if (!due_ || *due_ > context_.clock.now()) return nullptr;
    bool ready = false;
    const Status status = fetch_->prepare(&ready);
    if (!status.is_ok()) {
      due_.reset();
      end_ = status;
      return nullptr;
    }
    if (!ready) {
      due_ = context_.clock.now() + std::chrono::milliseconds(20);
      return nullptr;
    }
    due_.reset();
    return fetch_.get();
  }
  TimePoint next_due() noexcept override { return due_.value_or(TimePoint::max()); }

  Status on_version(ChunkFetch& /*fetch*/, const ObjectVersion& version, ByteRange range) override {
    ++versions_;
    version_ = version;
    if (!refuse_version_.is_ok()) return refuse_version_;
    if (range.size() < chunk_.length()) chunk_.shrink({}, static_cast<std::uint32_t>(range.size()));
    return Status::ok();
  }
  std::optional<std::string> on_reply(ChunkFetch& /*fetch*/, const ObjectVersion& told) override {
    ++replies_;
    version_ = told;
    return difference_;
  }
  void on_retry(ChunkFetch& /*fetch*/, TimePoint due) override { due_ = due; }
  void on_hedge_ended(ChunkFetch& /*fetch*/, bool /*whole*/) override {}
  void on_finished(ChunkFetch& fetch, const Status& status) override {
    EXPECT_FALSE(end_.has_value()) << "on_finished came twice";
    EXPECT_EQ(chunk_.view().phase, phase_);
    first_reply_ = fetch.first_reply();
    learnt_ = fetch.learnt();
    end_ = status;
    if (status.is_ok() && first_reply_ != ChunkFetch::FirstReply::kVersionOnly) {
      chunk_.finish();
    } else {
      chunk_.fail();
    }
    if (destroy_on_end_) fetch_.reset();
  }

  // Nothing was written behind the chunk's end.
  bool guard_is_whole() const {
    for (std::size_t i = buffer_.size() - kGuard; i < buffer_.size(); ++i) {
      if (buffer_[i] != std::byte{0xEE}) return false;
    }
    return true;
  }

  static constexpr std::size_t kGuard = 64;
  FetchContext& context_;
  ObjectName name_{"bucket-1", "dir/k ey"};
  std::vector<std::byte> buffer_;
  Chunk chunk_;
  ChunkPhase phase_ = ChunkPhase::kFilling;
  std::unique_ptr<ChunkFetch> fetch_;
  std::optional<TimePoint> due_;
  std::optional<Status> end_;
  int versions_ = 0;
  int replies_ = 0;
  std::optional<std::string> difference_;  // what on_reply() says
  ObjectVersion version_;
  Status refuse_version_;
  ChunkFetch::FirstReply first_reply_ = ChunkFetch::FirstReply::kBytes;
  ObjectVersion learnt_;
  bool destroy_on_end_ = true;
};

class ChunkFetchTest : public testing::Test {
 protected:
  // Fetches [begin, begin + length) of object_ by the script; the version is known unless told
  // otherwise.
  Status fetch(std::uint64_t begin, std::uint32_t length, const FakeTransport::Script& script,
               bool is_known = true) {
    known_.size = object_.size;
    known_.etag = object_.etag;
    one_ = std::make_unique<OneChunk>(parts_.context, begin, length, is_known ? &known_ : nullptr,
                                      seen_, listed_ ? &*listed_ : nullptr);
    one_->refuse_version_ = refuse_version_;
    one_->difference_ = difference_;
    one_->name_.version_id = version_id_;
    FakeTransport transport(*one_, parts_.clock, script);
    transport.run();
    requests_ = transport.started();
    EXPECT_TRUE(one_->end_.has_value());
    EXPECT_TRUE(one_->guard_is_whole());
    const Status status = one_->end_.value_or(Status(StatusCode::kInternal, "no end"));
    EXPECT_THAT(status.message(),
                AllOf(Not(HasSubstr(kTestKeySecret)), Not(HasSubstr(kTestToken))));
    if (one_->chunk_.view().phase == ChunkPhase::kReady) {
      const std::uint32_t filled = one_->chunk_.length();
      EXPECT_TRUE(matches_pattern(one_->buffer_.data(), object_.seed, begin, filled));
      EXPECT_EQ(one_->chunk_.view().filled, filled);
      EXPECT_EQ(one_->chunk_.writer_crc(), crc64_update(0, one_->buffer_.data(), filled));
    }
    return status;
  }
  FakeReply good(const HttpRequest& request, std::size_t piece = 7) const {
    return serve(object_, request, piece);
  }
  std::string range(std::size_t request) const {
    return header_of(requests_[request].request, "Range");
  }
  std::string if_match(std::size_t request) const {
    return header_of(requests_[request].request, "If-Match");
  }

  FetchParts parts_;
  FakeObject object_{1000, 5, "5B3C1A2E053D763E1B002CC607C5A0FE"};
  ObjectVersion known_;
  std::optional<std::string> difference_;
  Status refuse_version_;
  SeenBefore seen_;
  std::string version_id_;
  std::optional<ListedVersion> listed_;
  std::unique_ptr<OneChunk> one_;
  std::vector<FakeTransport::Started> requests_;
};

TEST_F(ChunkFetchTest, LatencyOfTheAttemptThatCompletedTheChunkIsRecorded) {
  ASSERT_TRUE(fetch(100, 20, [&](const HttpRequest& request, std::size_t index) {
                if (index == 0) return fail_with(TransportError::kReset);
                FakeReply reply = good(request, 10);
                reply.head_delay = std::chrono::microseconds(16);
                reply.piece_delay = std::chrono::microseconds(2);
                return reply;
              }).is_ok());
  const HistogramCounts first = parts_.counters.chunk_first_byte_us.counts();
  const HistogramCounts whole = parts_.counters.chunk_whole_us.counts();
  EXPECT_EQ(first.total(), 1u);
  EXPECT_EQ(first.value_at(0.5), 16.0);
  EXPECT_EQ(whole.total(), 1u);
  EXPECT_GE(whole.value_at(0.5), 20.0);
}

TEST_F(ChunkFetchTest, LatencyOfAFailureIsNotRecorded) {
  EXPECT_FALSE(fetch(100, 20, [](const HttpRequest&, std::size_t) {
                 return oss_error(403, "AccessDenied");
               }).is_ok());
  EXPECT_EQ(parts_.counters.chunk_whole_us.counts().total(), 0u);
}

TEST_F(ChunkFetchTest, AsksForItsRangeOfItsVersion) {
  ASSERT_TRUE(fetch(100, 200, [&](const HttpRequest& request, std::size_t) {
                return good(request);
              }).is_ok());
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(range(0), "bytes=100-299");
  EXPECT_EQ(if_match(0), "\"5B3C1A2E053D763E1B002CC607C5A0FE\"");
  EXPECT_EQ(header_of(requests_[0].request, "x-oss-range-behavior"), "standard");
  EXPECT_EQ(requests_[0].request.url, "http://127.0.0.1:9000/bucket-1/dir/k%20ey");
  EXPECT_NE(header_of(requests_[0].request, "Authorization"), "");
  EXPECT_EQ(one_->versions_, 0);
}

TEST_F(ChunkFetchTest, TheFirstOfAnObjectLearnsItsVersion) {
  ASSERT_TRUE(
      fetch(
          0, 4096, [&](const HttpRequest& request, std::size_t) { return good(request); }, false)
          .is_ok());
  EXPECT_EQ(range(0), "bytes=0-4095");
  EXPECT_EQ(if_match(0), "");
  EXPECT_EQ(one_->versions_, 1);
  EXPECT_EQ(one_->version_.size, 1000u);
  EXPECT_EQ(one_->version_.etag, object_.etag);
  EXPECT_EQ(one_->version_.storage_class, "Standard");
  EXPECT_EQ(one_->chunk_.length(), 1000u);
}

TEST_F(ChunkFetchTest, AsksForTheVersionThatItsNameHas) {
  version_id_ = "v/1";
  ASSERT_TRUE(fetch(
                  0, 1000,
                  [&](const HttpRequest& request, std::size_t index) {
                    FakeReply reply = good(request).with_header("x-oss-version-id", "v/1");
                    return index == 0 ? reply.reset_after(500) : reply;
                  },
                  false)
                  .is_ok());
  ASSERT_EQ(requests_.size(), 2u);
  for (const FakeTransport::Started& started : requests_)
    EXPECT_EQ(started.request.url, "http://127.0.0.1:9000/bucket-1/dir/k%20ey?versionId=v%2F1");
  EXPECT_EQ(one_->version_.version_id, "v/1");
}

TEST_F(ChunkFetchTest, AVersionThatIsNotThereIsNamed) {
  version_id_ = "v1";
  const Status status = fetch(
      0, 1000, [](const HttpRequest&, std::size_t) { return oss_error(404, "NoSuchVersion"); },
      false);
  EXPECT_EQ(status.code(), StatusCode::kObjectNotFound);
  EXPECT_THAT(status.message(), HasSubstr("no version \"v1\""));
}

TEST_F(ChunkFetchTest, TheFirstOfAListedObjectAsksForThatVersion) {
  listed_ = ListedVersion{object_.size, object_.etag};
  ASSERT_TRUE(
      fetch(
          0, 4096, [&](const HttpRequest& request, std::size_t) { return good(request); }, false)
          .is_ok());
  EXPECT_EQ(if_match(0), "\"5B3C1A2E053D763E1B002CC607C5A0FE\"");
  EXPECT_EQ(one_->versions_, 1);
  EXPECT_EQ(one_->replies_, 0);
  EXPECT_EQ(one_->chunk_.length(), 1000u);
}

TEST_F(ChunkFetchTest, TheFirstOfAListedObjectTakesNoOtherVersion) {
  listed_ = ListedVersion{object_.size, "ANOTHER"};
  const auto get = [&](const FakeTransport::Script& script) {
    const Status status = fetch(0, 4096, script, false);
    EXPECT_EQ(status.code(), StatusCode::kObjectChanged) << status.message();
    EXPECT_EQ(requests_.size(), 1u);
    EXPECT_EQ(one_->versions_, 0);
  };
  get([&](const HttpRequest& request, std::size_t) { return good(request); });  // 412
  get([&](HttpRequest request, std::size_t) {
    std::erase_if(request.headers, [](const NameValue& one) { return one.name == "If-Match"; });
    return good(request);
  });
  listed_ = ListedVersion{object_.size + 1, object_.etag};
  get([&](const HttpRequest& request, std::size_t) { return good(request); });
}

TEST_F(ChunkFetchTest, WhatRepliesSayOfAKnownVersionIsTold) {
  ASSERT_TRUE(fetch(100, 200, [&](const HttpRequest& request, std::size_t index) {
                FakeReply reply = good(request).with_header("x-oss-hash-crc64ecma", "7");
                return index == 0 ? reply.reset_after(50) : reply;
              }).is_ok());
  EXPECT_EQ(one_->versions_, 0);
  EXPECT_EQ(one_->replies_, 2);
  EXPECT_EQ(one_->version_.crc64, 7u);
  EXPECT_EQ(one_->version_.size, 1000u);
}

// The owner knows what all other replies have said of it.
TEST_F(ChunkFetchTest, OfAReplyOfAnotherVersionNoByteIsUsed) {
  difference_ = "Last-Modified was \"then\", is \"now\"";
  const Status status =
      fetch(100, 200, [&](const HttpRequest& request, std::size_t) { return good(request); });
  EXPECT_EQ(status.code(), StatusCode::kObjectChanged);
  EXPECT_THAT(status.message(), HasSubstr("Last-Modified was \"then\", is \"now\""));
  EXPECT_EQ(requests_.size(), 1u);
  EXPECT_EQ(one_->chunk_.view().filled, 0u);
}

TEST_F(ChunkFetchTest, ResumesBehindTheLastByteAtEveryOffset) {
  for (std::size_t lost_at = 0; lost_at < 100; ++lost_at) {
    SCOPED_TRACE(lost_at);
    for (int i = 0; i < RetryQuota::kTransientCost; ++i) parts_.quota.earn();
    ASSERT_TRUE(fetch(300, 100, [&](const HttpRequest& request, std::size_t index) {
                  return index == 0 ? good(request).reset_after(lost_at) : good(request);
                }).is_ok());
    ASSERT_EQ(requests_.size(), 2u);
    EXPECT_EQ(range(1), "bytes=" + std::to_string(300 + lost_at) + "-399");
    EXPECT_EQ(if_match(1), "\"" + object_.etag + "\"");
  }
}

TEST_F(ChunkFetchTest, AResumeOfTheFirstRequestPinsTheVersionItLearnt) {
  for (const std::size_t lost_at : {0u, 1u, 999u}) {
    ASSERT_TRUE(fetch(
                    0, 4096,
                    [&](const HttpRequest& request, std::size_t index) {
                      return index == 0 ? good(request).reset_after(lost_at) : good(request);
                    },
                    false)
                    .is_ok());
    ASSERT_EQ(requests_.size(), 2u);
    EXPECT_EQ(range(1), "bytes=" + std::to_string(lost_at) + "-999");
    EXPECT_EQ(if_match(1), "\"" + object_.etag + "\"");
    EXPECT_EQ(one_->versions_, 1);
  }
}

TEST_F(ChunkFetchTest, AllBytesThenAResetIsSuccessWithoutAnotherRequest) {
  ASSERT_TRUE(fetch(0, 100, [&](const HttpRequest& request, std::size_t) {
                return good(request).reset_after(100);
              }).is_ok());
  EXPECT_EQ(requests_.size(), 1u);
  EXPECT_EQ(load(parts_.counters.retries), 0u);
}

TEST_F(ChunkFetchTest, AShortReplyIsResumed) {
  ASSERT_TRUE(fetch(0, 100, [&](const HttpRequest& request, std::size_t index) {
                FakeReply reply = good(request);
                if (index == 0) reply.body.resize(3);  // and the end looks clean
                return reply;
              }).is_ok());
  ASSERT_EQ(requests_.size(), 2u);
  EXPECT_EQ(range(1), "bytes=21-99");
}

TEST_F(ChunkFetchTest, RepliesThatStayShortAreAnError) {
  const Status status = fetch(0, 100, [&](const HttpRequest& request, std::size_t) {
    FakeReply reply = good(request);
    reply.body.clear();
    return reply;
  });
  EXPECT_EQ(status.code(), StatusCode::kConnect);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("ended 100 bytes before the end of its range"),
                                      HasSubstr("6 attempts")));
  EXPECT_EQ(requests_.size(), 6u);
}

TEST_F(ChunkFetchTest, ProgressDoesNotRefundAttempts) {
  const Status status = fetch(0, 100, [&](const HttpRequest& request, std::size_t) {
    return good(request).reset_after(5);
  });
  EXPECT_EQ(status.code(), StatusCode::kConnect);
  EXPECT_EQ(requests_.size(), 6u);
}

TEST_F(ChunkFetchTest, OverlongBodyEndsInAProtocolErrorAndWritesNothingBehindTheEnd) {
  for (const bool in_one_piece : {true, false}) {
    const Status status = fetch(0, 100, [&](const HttpRequest& request, std::size_t) {
      FakeReply reply = good(request, 100);
      if (in_one_piece) {
        reply.body[0] += "more";
      } else {
        reply.body.push_back("more");
      }
      return reply;
    });
    EXPECT_EQ(status.code(), StatusCode::kProtocol);
    EXPECT_THAT(status.message(), HasSubstr("longer than its range"));
    EXPECT_LE(requests_.size(), 6u);
    for (std::size_t i = 0; i < requests_.size(); ++i) EXPECT_EQ(range(i), "bytes=0-99");
  }
}

TEST_F(ChunkFetchTest, AnotherRangeIsRetriedAndNoByteOfItUsed) {
  ASSERT_TRUE(fetch(0, 100, [&](const HttpRequest& request, std::size_t index) {
                FakeReply reply = good(request);
                if (index == 0) {
                  reply.headers[0].value = "bytes 100-199/1000";
                  reply.body.assign(1, std::string(100, 'x'));
                }
                return reply;
              }).is_ok());
  ASSERT_EQ(requests_.size(), 2u);
  EXPECT_EQ(range(1), "bytes=0-99");
}

TEST_F(ChunkFetchTest, TheWholeObjectInsteadOfTheRangeIsRefusedAtTheHead) {
  const Status status = fetch(100, 100, [&](const HttpRequest& request, std::size_t) {
    HttpRequest whole = request;
    whole.headers.clear();
    return good(whole);
  });
  EXPECT_EQ(status.code(), StatusCode::kProtocol);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("200 with 1000 bytes"), HasSubstr("[100, 200)")));
  EXPECT_EQ(requests_.size(), 1u);
  EXPECT_EQ(one_->chunk_.view().filled, 0u);
}

TEST_F(ChunkFetchTest, AnOverwrittenObjectIsNotRead) {
  FakeObject other = object_;
  other.etag = "00000000000000000000000000000000";
  const Status refused =
      fetch(0, 100, [&](const HttpRequest& request, std::size_t) { return serve(other, request); });
  EXPECT_EQ(refused.code(), StatusCode::kObjectChanged);  // 412
  EXPECT_EQ(requests_.size(), 1u);
  EXPECT_EQ(refused.detail().http_status, 412);

  const Status ignored = fetch(0, 100, [&](const HttpRequest& request, std::size_t) {
    HttpRequest without = request;
    std::erase_if(without.headers,
                  [](const NameValue& header) { return header.name == "If-Match"; });
    return serve(other, without);
  });
  EXPECT_EQ(ignored.code(), StatusCode::kObjectChanged);  // 206 of another version
  EXPECT_THAT(ignored.message(), AllOf(HasSubstr(object_.etag), HasSubstr(other.etag)));
  EXPECT_EQ(one_->chunk_.view().filled, 0u);
}

TEST_F(ChunkFetchTest, ErrorsTellWhatWasAskedAndWhatWasAnswered) {
  const Status status = fetch(100, 100, [&](const HttpRequest&, std::size_t) {
    return oss_error(404, "NoSuchKey", "<EC>0026-00000001</EC>");
  });
  EXPECT_EQ(status.code(), StatusCode::kObjectNotFound);
  EXPECT_EQ(requests_.size(), 1u);
  for (const char* part : {"GET", "oss://bucket-1/dir/k ey", "[100, 200)", "1 attempt", "404",
                           "NoSuchKey", "REQ-404"}) {
    EXPECT_THAT(status.message(), HasSubstr(part));
  }
  EXPECT_EQ(status.detail().uri, "oss://bucket-1/dir/k ey");
  EXPECT_EQ(status.detail().http_status, 404);
  EXPECT_EQ(status.detail().error_code, "NoSuchKey");
  EXPECT_EQ(status.detail().ec, "0026-00000001");
  EXPECT_EQ(status.detail().request_id, "REQ-404");
  EXPECT_EQ(status.detail().attempts, 1);
}

TEST_F(ChunkFetchTest, SecretsInAReplyStayOutOfTheText) {
  const Status status = fetch(0, 100, [&](const HttpRequest&, std::size_t) {
    return oss_error(403, "SignatureDoesNotMatch",
                     "<StringToSign>x-oss-security-token:" + std::string(kTestToken) +
                         "</StringToSign><SignatureProvided>sig</SignatureProvided>");
  });
  EXPECT_EQ(status.code(), StatusCode::kCredentials);
}

TEST_F(ChunkFetchTest, ServerErrorsAreRetriedWithBackoff) {
  ASSERT_TRUE(fetch(0, 100, [&](const HttpRequest& request, std::size_t index) {
                return index < 3 ? oss_error(500, "InternalError") : good(request);
              }).is_ok());
  ASSERT_EQ(requests_.size(), 4u);
  EXPECT_LT(requests_[3].at - requests_[0].at, std::chrono::milliseconds(200 + 400 + 800));
  EXPECT_EQ(load(parts_.counters.retries), 3u);
}

TEST_F(ChunkFetchTest, AThrottleThatStaysIsThrottled) {
  const Status status = fetch(0, 100, [&](const HttpRequest&, std::size_t) {
    return oss_error(503, "DownloadTrafficRateLimitExceeded");
  });
  EXPECT_EQ(status.code(), StatusCode::kThrottled);
  EXPECT_EQ(requests_.size(), 6u);
  EXPECT_EQ(load(parts_.counters.throttles), 6u);
}

TEST_F(ChunkFetchTest, ARangeRefusedOnTheFirstRequestIsTold) {
  object_.size = 0;
  const Status status =
      fetch(0, 100, [&](const HttpRequest& request, std::size_t) { return good(request); }, false);
  EXPECT_EQ(status.code(), StatusCode::kProtocol);
  EXPECT_EQ(one_->first_reply_, ChunkFetch::FirstReply::kNoRange);
  EXPECT_EQ(requests_.size(), 1u);

  object_.size = 1000;
  EXPECT_EQ(
      fetch(0, 100, [&](const HttpRequest&, std::size_t) { return oss_error(416, "InvalidRange"); })
          .code(),
      StatusCode::kObjectChanged);
  EXPECT_EQ(requests_.size(), 1u);
  EXPECT_EQ(one_->first_reply_, ChunkFetch::FirstReply::kBytes);  // inside a known size
}

TEST_F(ChunkFetchTest, AnEmptyObjectIsKnownByA416ThatSaysSo) {
  for (const int code : {416, 204}) {
    const Status status = fetch(
        0, 100,
        [&](const HttpRequest&, std::size_t) {
          return oss_error(code, "InvalidRange", std::string(1000, ' '))
              .with_header("Content-Range", "bytes */0")
              .with_header("Content-Length", code == 204 ? "0" : "1100")
              .with_header("ETag", "\"empty\"");
        },
        false);
    EXPECT_TRUE(status.is_ok()) << status.message();
    EXPECT_EQ(one_->first_reply_, ChunkFetch::FirstReply::kVersionOnly);
    EXPECT_EQ(one_->learnt_.size, 0u);
    EXPECT_EQ(one_->learnt_.etag, "empty");
    EXPECT_EQ(one_->versions_, 0);
    EXPECT_EQ(requests_.size(), 1u);
  }
}

TEST_F(ChunkFetchTest, AFirstReplyWithoutTheObjectsSizeIsToldAtOnce) {
  const auto ends = [&](int code, const char* range, const char* length) {
    const Status status = fetch(
        0, 100,
        [&](const HttpRequest& request, std::size_t) {
          FakeReply reply = good(request);
          reply.status = code;
          reply.headers = {{"x-oss-request-id", "REQ"}};
          if (*range != 0) reply.with_header("Content-Range", range);
          if (*length != 0) reply.with_header("Content-Length", length);
          return reply;
        },
        false);
    EXPECT_EQ(status.code(), StatusCode::kProtocol);
    EXPECT_EQ(requests_.size(), 1u);
    return one_->first_reply_;
  };
  EXPECT_EQ(ends(206, "bytes 0-99/*", "100"), ChunkFetch::FirstReply::kNoSize);
  EXPECT_EQ(ends(200, "", ""), ChunkFetch::FirstReply::kNoSize);
  EXPECT_EQ(ends(200, "", "100"), ChunkFetch::FirstReply::kNoSize);
  EXPECT_EQ(ends(200, "", "1000"), ChunkFetch::FirstReply::kTooLong);
  EXPECT_EQ(ends(200, "bytes 1-100/1000", "100"), ChunkFetch::FirstReply::kBytes);
}

TEST_F(ChunkFetchTest, AWholeObjectOfNoLengthThatEndsEarlyIsNotAskedForAgain) {
  object_.size = 100;
  std::size_t kept = 100;
  const auto script = [&](const HttpRequest& request, std::size_t) {
    FakeReply reply = good(request, kept);
    reply.status = 200;
    reply.headers = {{"ETag", "\"" + object_.etag + "\""}};
    reply.body.resize(1);
    return reply;
  };
  EXPECT_TRUE(fetch(0, 100, script).is_ok());
  kept = 60;
  const Status status = fetch(0, 100, script);
  EXPECT_EQ(status.code(), StatusCode::kProtocol);
  EXPECT_THAT(status.message(), HasSubstr("ended 40 bytes before"));
  EXPECT_EQ(requests_.size(), 1u);
}

TEST_F(ChunkFetchTest, TheOwnerMayRefuseTheVersion) {
  refuse_version_ = Status(StatusCode::kMemoryBudget, "too large");
  const Status status =
      fetch(0, 100, [&](const HttpRequest& request, std::size_t) { return good(request); }, false);
  EXPECT_EQ(status.code(), StatusCode::kMemoryBudget);
  EXPECT_EQ(requests_.size(), 1u);
  EXPECT_EQ(one_->chunk_.view().filled, 0u);
}

TEST_F(ChunkFetchTest, CancelEndsIt) {
  one_ = std::make_unique<OneChunk>(parts_.context, 0, 100, &known_);
  known_.size = 1000;
  known_.etag = object_.etag;
  FakeTransport transport(*one_, parts_.clock, [&](const HttpRequest& request, std::size_t) {
    FakeReply reply = good(request);
    reply.body.resize(2);
    reply.hangs = true;
    return reply;
  });
  transport.run();
  ASSERT_FALSE(one_->end_.has_value());
  EXPECT_EQ(one_->chunk_.view().filled, 14u);
  one_->fetch_->cancel();
  transport.run();
  ASSERT_TRUE(one_->end_.has_value());
  EXPECT_EQ(one_->end_->code(), StatusCode::kClosed);
  EXPECT_EQ(transport.in_progress(), 0);
}

TEST_F(ChunkFetchTest, StoppingTheTransportEndsIt) {
  known_.size = 1000;
  known_.etag = object_.etag;
  one_ = std::make_unique<OneChunk>(parts_.context, 0, 100, &known_);
  FakeTransport transport(*one_, parts_.clock, [&](const HttpRequest&, std::size_t) {
    FakeReply reply;
    reply.status = 0;
    reply.hangs = true;
    return reply;
  });
  transport.run();
  transport.stop();
  ASSERT_TRUE(one_->end_.has_value());
  EXPECT_EQ(one_->end_->code(), StatusCode::kClosed);
}

TEST_F(ChunkFetchTest, AStallThatStaysIsATimeout) {
  const Status status = fetch(0, 100, [&](const HttpRequest& request, std::size_t) {
    FakeReply reply = good(request).reset_after(1);
    reply.error = TransportError::kStalled;
    return reply;
  });
  EXPECT_EQ(status.code(), StatusCode::kTransferTimeout);
  EXPECT_THAT(status.message(), HasSubstr("[0, 100)"));
}

// What callers had of a chunk: its first bytes, or all of it.
class ChunkFetchSeenTest : public ChunkFetchTest,
                           public testing::WithParamInterface<std::uint32_t> {
 protected:
  void SetUp() override {
    const std::string bytes = pattern_string(object_.seed, 300, GetParam());
    seen_.first = {GetParam(), crc64_update(0, bytes.data(), bytes.size())};
  }
  // A byte among those that were seen, or just behind them, comes wrong.
  static void spoil(FakeReply* reply, std::size_t at) {
    for (std::string& piece : reply->body) {
      if (at < piece.size()) {
        piece[at] = static_cast<char>(piece[at] ^ 1);
        return;
      }
      at -= piece.size();
    }
  }
};
INSTANTIATE_TEST_SUITE_P(, ChunkFetchSeenTest, testing::Values(1u, 7u, 60u, 99u, 100u));

TEST_P(ChunkFetchSeenTest, TheSameBytesAgain) {
  for (const std::size_t piece : {1u, 7u, 100u}) {
    EXPECT_TRUE(fetch(300, 100, [&](const HttpRequest& request, std::size_t) {
                  return good(request, piece);
                }).is_ok());
    EXPECT_EQ(requests_.size(), 1u);
  }
}

TEST_P(ChunkFetchSeenTest, OtherBytesThanBeforeAreFetchedOnceMore) {
  for (const std::size_t at : {std::size_t{0}, std::size_t{GetParam() - 1}}) {
    const Status status = fetch(300, 100, [&](const HttpRequest& request, std::size_t index) {
      FakeReply reply = good(request);
      if (index == 0) spoil(&reply, at);
      return reply;
    });
    EXPECT_TRUE(status.is_ok()) << status.message();
    ASSERT_EQ(requests_.size(), 2u);
    EXPECT_EQ(range(1), "bytes=300-399");
  }
}

TEST_P(ChunkFetchSeenTest, ResumedAndThenOtherBytesAllIsAskedForOnceMore) {
  const Status status = fetch(300, 100, [&](const HttpRequest& request, std::size_t index) {
    FakeReply reply = good(request);
    if (index == 0) {
      spoil(&reply, 0);
      reply.reset_after(GetParam() - 1);
    }
    return reply;
  });
  EXPECT_TRUE(status.is_ok()) << status.message();
  // Nothing had come of a single seen byte; else the wrong one was kept at first.
  EXPECT_EQ(requests_.size(), GetParam() == 1 ? 2u : 3u);
  EXPECT_EQ(range(requests_.size() - 1), "bytes=300-399");
}

TEST_P(ChunkFetchSeenTest, OtherBytesTimeAndAgainAreAnError) {
  const Status status = fetch(300, 100, [&](const HttpRequest& request, std::size_t) {
    FakeReply reply = good(request);
    spoil(&reply, 0);
    return reply;
  });
  EXPECT_EQ(status.code(), StatusCode::kChecksum);
  EXPECT_THAT(status.message(), HasSubstr("[300, 400)"));
  EXPECT_EQ(requests_.size(), static_cast<std::size_t>(parts_.context.retry.max_attempts));
}

TEST_F(ChunkFetchTest, WithoutVerificationNoCrcIsComputed) {
  parts_.context.verify_crc64 = false;
  known_.size = 1000;
  known_.etag = object_.etag;
  one_ = std::make_unique<OneChunk>(parts_.context, 0, 100, &known_);
  FakeTransport transport(*one_, parts_.clock,
                          [&](const HttpRequest& request, std::size_t) { return good(request); });
  transport.run();
  ASSERT_TRUE(one_->end_.has_value());
  EXPECT_TRUE(one_->end_->is_ok());
  EXPECT_EQ(one_->chunk_.writer_crc(), 0u);
}

TEST_F(ChunkFetchTest, AnErrorWhoseDocumentIsCutOffIsStillThatError) {
  const Status status = fetch(0, 100, [&](const HttpRequest&, std::size_t) {
    return oss_error(404, "NoSuchKey").reset_after(20);
  });
  EXPECT_EQ(status.code(), StatusCode::kObjectNotFound);
  EXPECT_EQ(requests_.size(), 1u);
}

TEST_F(ChunkFetchTest, AFailureToConnectDoesNotRepeatTheErrorBefore) {
  const Status status = fetch(0, 100, [&](const HttpRequest&, std::size_t index) {
    return index == 0 ? oss_error(503, "ServiceUnavailable") : fail_with(TransportError::kConnect);
  });
  EXPECT_EQ(status.code(), StatusCode::kConnect);
  EXPECT_EQ(requests_.size(), 6u);
}

TEST_F(ChunkFetchTest, EndlessErrorBodiesAreCutOff) {
  const Status status = fetch(0, 100, [&](const HttpRequest&, std::size_t) {
    FakeReply reply;
    reply.status = 403;
    reply.body.assign(100, std::string(10'000, '<'));
    return reply;
  });
  EXPECT_EQ(status.code(), StatusCode::kAccessDenied);
  EXPECT_LT(status.message().size(), 2000u);
}

}  // namespace
}  // namespace ossmc
