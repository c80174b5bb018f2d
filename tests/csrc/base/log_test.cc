#include "base/log.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

namespace ossmc {
namespace {

std::string written_as(const std::string& text) {
  LogRing ring;
  ring.write(LogLevel::kError, text);
  return ring.drain(1).at(0).text;
}

TEST(LogRing, HandsOutRecordsInOrder) {
  LogRing ring;
  ring.write(LogLevel::kWarning, "first");
  ring.write(LogLevel::kInfo, "second");
  EXPECT_EQ(ring.size(), 2u);
  const std::vector<LogRecord> records = ring.drain(10);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].text, "first");
  EXPECT_EQ(records[0].level, LogLevel::kWarning);
  EXPECT_FALSE(records[0].audit);
  EXPECT_GT(records[0].unix_seconds, 1.6e9);
  EXPECT_EQ(records[1].text, "second");
  EXPECT_TRUE(ring.drain(10).empty());
  EXPECT_TRUE(ring.drain_for_files(10).empty());
}

TEST(LogRing, FilesHaveTheirOwnCopyAndAuditLinesAlone) {
  LogRing ring;
  ring.set_audit(true);
  ring.set_files(true);
  const std::uint32_t before = ring.files_word();
  ring.write(LogLevel::kWarning, "first");
  const std::uint32_t after = ring.files_word();
  EXPECT_NE(after, before) << "who writes them sleeps until it changes";
  ring.write_audit("second");
  EXPECT_EQ(ring.files_word(), after) << "no wake for each line";
  EXPECT_EQ(ring.drain(10).size(), 1u);
  const std::vector<LogRecord> records = ring.drain_for_files(10);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].text, "first");
  EXPECT_EQ(records[1].text, "second");
  EXPECT_TRUE(records[1].audit);
}

TEST(LogRing, KeepsOnlyWhatIsWanted) {
  LogRing ring;
  EXPECT_FALSE(ring.wants(LogLevel::kDebug));
  EXPECT_TRUE(ring.wants(LogLevel::kInfo));
  EXPECT_FALSE(ring.wants_audit());
  ring.write(LogLevel::kDebug, "no");
  ring.write_audit("no");
  EXPECT_TRUE(ring.drain(10).empty());
  EXPECT_TRUE(ring.drain_for_files(10).empty());
  ring.set_level(LogLevel::kDebug);
  EXPECT_EQ(ring.level(), LogLevel::kDebug);
  ring.write(LogLevel::kDebug, "yes");
  EXPECT_EQ(ring.drain(10).size(), 1u);
}

TEST(LogRing, TellsWhetherRecordsWait) {
  LogRing ring;
  EXPECT_FALSE(ring.has_records());
  for (int i = 0; i < 5; ++i) ring.write(LogLevel::kInfo, "text");
  EXPECT_TRUE(ring.has_records());
  EXPECT_EQ(ring.drain(2).size(), 2u);
  EXPECT_TRUE(ring.has_records());
  EXPECT_EQ(ring.drain(100).size(), 3u);
  EXPECT_FALSE(ring.has_records());
  ring.write(LogLevel::kInfo, "again");
  EXPECT_TRUE(ring.has_records());
  EXPECT_TRUE(ring.drain(0).empty());
  EXPECT_TRUE(ring.has_records());
}

TEST(LogRing, TellsHowManyRecordsDidNotFit) {
  LogRing ring(3);
  for (int i = 0; i < 10; ++i) ring.write(LogLevel::kInfo, std::to_string(i));
  EXPECT_EQ(ring.drain(3).size(), 3u);  // no room for the note: next time
  EXPECT_TRUE(ring.has_records());
  const std::vector<LogRecord> note = ring.drain(3);
  ASSERT_EQ(note.size(), 1u);
  EXPECT_EQ(note[0].level, LogLevel::kWarning);
  EXPECT_EQ(note[0].text, "7 log records dropped: the log ring was full");
  EXPECT_FALSE(ring.has_records());
}

TEST(LogRing, OneRecordIsOneLineOfUtf8) {
  EXPECT_EQ(written_as("a\nb\r\tc\x01\x7f"), "a\\nb\\r\\tc\\x01\\x7f");
  EXPECT_EQ(written_as("gr\xC3\xBC\xC3\x9F \xE4\xB8\xAD \xF0\x9F\x8E\x88"),
            "gr\xC3\xBC\xC3\x9F \xE4\xB8\xAD \xF0\x9F\x8E\x88");
  EXPECT_EQ(written_as("\xC2\x85|\xE2\x80\xA8|\xE2\x80\xA9"), "\\u0085|\\u2028|\\u2029");
  EXPECT_EQ(written_as(std::string("a\0b", 3)), "a\\x00b");
}

TEST(LogRing, InvalidUtf8IsEscapedByteByByte) {
  EXPECT_EQ(written_as("\xFF\x80"), "\\xff\\x80");
  EXPECT_EQ(written_as("\xC0\xAF"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(written_as("\xE0\x80\xAF"), "\\xe0\\x80\\xaf");           // overlong
  EXPECT_EQ(written_as("\xED\xA0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(written_as("\xF4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(written_as("\xE4\xB8"), "\\xe4\\xb8");                    // cut off
  EXPECT_EQ(written_as("\xC3z"), "\\xc3z");
}

TEST(LogRing, LongTextIsCutOff) {
  const std::string text = written_as(std::string(100'000, 'x'));
  EXPECT_LT(text.size(), 4200u);
  EXPECT_TRUE(text.ends_with("x..."));
  EXPECT_LT(written_as(std::string(100'000, '\n')).size(), 4200u);
}

TEST(LogRing, ManyWritersAndADrainLoseNothing) {
  LogRing ring(64);
  constexpr int kWriters = 3;
  constexpr int kEach = 2000;
  std::size_t seen = 0;
  std::size_t dropped = 0;
  const auto drain = [&](std::size_t limit) {
    for (const LogRecord& record : ring.drain(limit)) {
      if (record.level == LogLevel::kWarning) {
        dropped += std::stoul(record.text);
      } else {
        ++seen;
      }
    }
  };
  {
    std::vector<std::jthread> writers;
    for (int w = 0; w < kWriters; ++w) {
      writers.emplace_back([&ring] {
        for (int i = 0; i < kEach; ++i) ring.write(LogLevel::kInfo, "line");
      });
    }
    for (int i = 0; i < 200; ++i) drain(7);
  }
  while (ring.has_records()) drain(1000);
  EXPECT_EQ(seen + dropped, static_cast<std::size_t>(kWriters * kEach));
}

TEST(ProcessLog, AForkedChildGetsAnEmptyRingWithTheSameLevel) {
  LogRing& parents = process_log();
  EXPECT_EQ(&parents, &process_log());
  parents.set_level(LogLevel::kDebug);
  parents.set_audit(true);
  parents.write(LogLevel::kInfo, "the parent's");
  const pid_t child = ::fork();
  if (child == 0) {
    LogRing& mine = process_log();
    bool good = &mine != &parents && &mine == &process_log();
    good = good && mine.level() == LogLevel::kDebug && mine.wants_audit();
    good = good && mine.drain(10).empty();
    mine.write(LogLevel::kInfo, "the child's");
    good = good && mine.drain(10).size() == 1;
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(parents.drain(10).size(), 1u);
  parents.set_level(LogLevel::kInfo);
  parents.set_audit(false);
}

}  // namespace
}  // namespace ossmc
