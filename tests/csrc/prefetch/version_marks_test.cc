// Objects whose store tells no strong ETag, and opens whose first reply does not tell the size: the
// real scheduler over a fake transport in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "csrc/prefetch/scheduler_fixture.h"
#include "prefetch/object_open.h"
#include "prefetch/object_view.h"

namespace ossmc {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kMarkedBytes = 8 * kChunk + 5;
constexpr char kMorning[] = "Fri, 01 Mar 2024 10:00:00 GMT";
constexpr char kEvening[] = "Fri, 01 Mar 2024 20:00:00 GMT";

// Object "a", whose replies have the marks that mark_ gives them, and no others.
class VersionMarksTest : public testing::Test {
 protected:
  VersionMarksTest() {
    house_.add_object("a", kMarkedBytes);
    house_.fault = [this](const HttpRequest& request, std::size_t) -> std::optional<FakeReply> {
      FakeReply reply = serve(house_.objects["a"], request);
      std::erase_if(reply.headers, [](const NameValue& header) {
        return header.name == "ETag" || header.name == "Last-Modified";
      });
      mark_(reply, request);
      return reply;
    };
  }
  static std::function<void(FakeReply&, const HttpRequest&)> with(std::string name,
                                                                  std::string value) {
    return [=](FakeReply& reply, const HttpRequest&) { reply.with_header(name, value); };
  }
  std::shared_ptr<ObjectStream> open(StreamOptions options = {}) {
    auto stream = house_.scheduler.objects().open({"bucket", "a"}, std::move(options));
    opened_ = wait_until_open(house_.scheduler, *stream, seconds(3600), house_.pump);
    return stream;
  }
  Status read(ObjectStream& stream, std::uint64_t offset, std::size_t size) {
    std::string bytes;
    const Status status = house_.read(stream, offset, size, &bytes);
    if (status.is_ok()) {
      EXPECT_EQ(bytes, house_.expected("a", offset, size));
    }
    return status;
  }

  SchedulerHouse house_{{.budget_bytes = 4 * kChunk, .threads = 1, .slots_per_thread = 2}};
  std::function<void(FakeReply&, const HttpRequest&)> mark_ = with("Last-Modified", kMorning);
  Status opened_;
};

TEST_F(VersionMarksTest, WithoutEtagsAnObjectIsReadAndSaysByWhatItWasChecked) {
  const auto a = open();
  ASSERT_TRUE(opened_.is_ok()) << opened_.message();
  EXPECT_TRUE(read(*a, 0, kMarkedBytes).is_ok());
  EXPECT_EQ(a->learnt()->checked_by(), "length+modified");
  for (const auto& started : house_.transport.started())
    EXPECT_EQ(header_of(started.request, "If-Match"), "");
}

TEST_F(VersionMarksTest, AnotherLastModifiedIsAnotherVersionHoweverItIsRead) {
  const std::vector<std::function<Status(ObjectStream&)>> ways = {
      [&](ObjectStream& a) { return read(a, 7 * kChunk, kChunk); },
      [&](ObjectStream& a) {
        std::string bytes(100, '\0');
        const StreamPart part{7 * kChunk, std::as_writable_bytes(std::span(bytes))};
        return read_stream_parts(house_.scheduler, a, {&part, 1},
                                 {.progress_limit = seconds(3600), .pieces = true}, house_.pump);
      },
  };
  for (const bool prefetches : {true, false}) {
    for (const auto& way : ways) {
      mark_ = with("Last-Modified", kMorning);
      const auto a = open({.prefetches = prefetches});
      ASSERT_TRUE(opened_.is_ok()) << opened_.message();
      ASSERT_TRUE(read(*a, 0, 10).is_ok());
      mark_ = with("Last-Modified", kEvening);
      const Status status = way(*a);
      EXPECT_EQ(status.code(), StatusCode::kObjectChanged) << status.message();
      EXPECT_THAT(status.message(), HasSubstr("Last-Modified was"));
      house_.scheduler.objects().close(*a);
    }
  }
}

TEST_F(VersionMarksTest, AViewIsOfOneVersion) {
  house_.objects["a"].size = 3 * kChunk;
  const auto a = open({.prefetches = false});
  ASSERT_TRUE(read(*a, 0, 10).is_ok());
  mark_ = with("Last-Modified", kEvening);
  const auto view = view_stream(
      house_.scheduler, *a, {.progress_limit = seconds(3600), .sequential = false}, house_.pump);
  EXPECT_EQ(view.status().code(), StatusCode::kObjectChanged) << view.status().message();
}

// The first reply has no mark at all.
TEST_F(VersionMarksTest, LaterRepliesAreComparedWithEachOtherToo) {
  mark_ = [](FakeReply&, const HttpRequest&) {};
  const auto a = open();
  ASSERT_TRUE(opened_.is_ok());
  mark_ = with("x-oss-version-id", "v1");
  ASSERT_TRUE(read(*a, kChunk, kChunk).is_ok());
  house_.transport.run();
  mark_ = with("x-oss-version-id", "v2");
  EXPECT_EQ(read(*a, 7 * kChunk, 10).code(), StatusCode::kObjectChanged);
}

TEST_F(VersionMarksTest, AStreamThatFollowsAnotherKnowsWhatThatLearnt) {
  const auto a = open();
  ASSERT_TRUE(opened_.is_ok());
  // As in a forked child, or for a second fetch.
  const auto again =
      house_.scheduler.objects().open_known({"bucket", "a"}, a->version(), {.learnt = a->learnt()});
  mark_ = with("Last-Modified", kEvening);
  EXPECT_EQ(read(**again, 7 * kChunk, 10).code(), StatusCode::kObjectChanged);
}

TEST_F(VersionMarksTest, AListedVersionIsKnownByItsTimeWhereRepliesHaveNoEtag) {
  const auto opens = [&](double modified, bool prefetches) {
    const auto a =
        open({.prefetches = prefetches, .listed = ListedVersion{kMarkedBytes, "ETAG-a", modified}});
    return opened_.is_ok() ? read(*a, 0, 10) : opened_;
  };
  for (const bool prefetches : {true, false}) {
    EXPECT_TRUE(opens(1709287200.5, prefetches).is_ok());
    EXPECT_EQ(opens(1709287300, prefetches).code(), StatusCode::kObjectChanged);
    EXPECT_EQ(opens(0, prefetches).code(), StatusCode::kObjectChanged);  // nothing to know it by
  }
}

TEST_F(VersionMarksTest, AFirstReplyThatDoesNotTellTheSizeIsFollowedByAHead) {
  mark_ = [](FakeReply& reply, const HttpRequest&) {
    for (NameValue& header : reply.headers) {
      if (header.name == "Content-Range")
        header.value.replace(header.value.find('/'), std::string::npos, "/*");
    }
  };
  const auto a = open();
  ASSERT_TRUE(opened_.is_ok()) << opened_.message();
  EXPECT_EQ(a->size(), kMarkedBytes);
  EXPECT_TRUE(read(*a, 0, kMarkedBytes).is_ok());
  EXPECT_EQ(house_.heads, 0);  // counted by the house's own replies alone
  EXPECT_EQ(house_.ranges()[1], "a@HEAD");
}

TEST_F(VersionMarksTest, AHeadWithoutALengthIsFollowedByAGetOfTheFirstByte) {
  mark_ = [](FakeReply& reply, const HttpRequest& request) {
    if (request.method != Method::kHead) return;
    std::erase_if(reply.headers, [](const NameValue& one) { return one.name == "Content-Length"; });
  };
  const auto a = open({.prefetches = false});
  ASSERT_TRUE(opened_.is_ok()) << opened_.message();
  EXPECT_EQ(a->size(), kMarkedBytes);
  EXPECT_THAT(house_.ranges(), ElementsAre("a@HEAD", "a@0"));
  const Result<ObjectVersion> version =
      head_object(house_.scheduler, {"bucket", "a"}, seconds(3600), house_.pump);
  ASSERT_TRUE(version.is_ok()) << version.status().message();
  EXPECT_EQ(version->size, kMarkedBytes);
}

TEST_F(VersionMarksTest, WhereNothingTellsTheSizeTheOpenFailsAtOnce) {
  mark_ = [](FakeReply& reply, const HttpRequest&) {
    std::erase_if(reply.headers, [](const NameValue& one) {
      return one.name == "Content-Length" || one.name == "Content-Range";
    });
    reply.status = 200;
  };
  open({.prefetches = false});
  EXPECT_EQ(opened_.code(), StatusCode::kProtocol);
  EXPECT_THAT(opened_.message(), HasSubstr("neither HEAD nor a GET"));
  EXPECT_EQ(opened_.detail().uri, "oss://bucket/a");
  open();
  EXPECT_EQ(opened_.code(), StatusCode::kProtocol);
  EXPECT_EQ(house_.transport.started().size(), 2u + 3u);
}

TEST_F(VersionMarksTest, AnOpenIsClosedWhileItAsksForTheSize) {
  mark_ = [](FakeReply& reply, const HttpRequest& request) {
    std::erase_if(reply.headers, [](const NameValue& one) { return one.name == "Content-Length"; });
    if (request.method == Method::kGet) reply.hangs = true;
  };
  auto stream = house_.scheduler.objects().open({"bucket", "a"}, {.prefetches = false});
  while (house_.transport.started().size() < 2 && house_.transport.step()) {
  }
  ASSERT_EQ(house_.transport.started().size(), 2u);
  house_.scheduler.objects().close(*stream);
  house_.transport.run();
  EXPECT_EQ(house_.transport.in_progress(), 0);
  EXPECT_EQ(stream->state(), StreamState::kClosed);
}

TEST_F(VersionMarksTest, AnEmptyObjectIsOpenAtOnceWhereThe416SaysSo) {
  house_.objects["a"].size = 0;
  mark_ = [](FakeReply& reply, const HttpRequest&) {
    reply.with_header("Content-Range", "bytes */0");
  };
  const auto a = open();
  ASSERT_TRUE(opened_.is_ok()) << opened_.message();
  EXPECT_EQ(a->size(), 0u);
  EXPECT_THAT(house_.ranges(), ElementsAre("a@0"));
  house_.transport.run();
  EXPECT_EQ(house_.budget->used_bytes(), 0u);
}

}  // namespace
}  // namespace ossmc
