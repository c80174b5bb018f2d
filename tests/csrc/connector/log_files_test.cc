#include "connector/log_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>

namespace ossmc {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class LogFilesTest : public testing::Test {
 protected:
  LogFilesTest() {
    std::string pattern = testing::TempDir() + "log-files-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~LogFilesTest() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string content(const std::string& name) const {
    std::ifstream in(path(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static int threads() {
    int count = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream in(task.path() / "comm");
      std::string name;
      in >> name;
      if (name == "ossmc-log") ++count;
    }
    return count;
  }

  std::string folder_;
  LogRing ring_;
  LogFiles files_{ring_};
};

TEST_F(LogFilesTest, EachFileGetsWhatItsConnectorWants) {
  ASSERT_EQ(files_.attach(1, {LogLevel::kDebug, path("all"), path("audit")}).error, 0);
  ASSERT_EQ(files_.attach(2, {LogLevel::kWarning, path("few"), path("audit")}).error, 0);
  ring_.write(LogLevel::kDebug, "detail");
  ring_.write(LogLevel::kError, "trouble");
  ring_.write_audit("GET");
  files_.detach(1);
  files_.detach(2);
  EXPECT_THAT(content("all"), HasSubstr("Z DEBUG [" + std::to_string(::getpid()) + "] detail\n"));
  EXPECT_THAT(content("all"), HasSubstr(" ERROR "));
  EXPECT_THAT(content("few"), Not(HasSubstr("detail")));
  EXPECT_THAT(content("few"), HasSubstr("trouble"));
  EXPECT_THAT(content("audit"), HasSubstr(" AUDIT "));
  const std::string audit = content("audit");
  EXPECT_EQ(std::count(audit.begin(), audit.end(), '\n'), 1);
  EXPECT_EQ(ring_.drain(10).size(), 2u) << "the front end has its own";
}

TEST_F(LogFilesTest, TheRingKeepsWhatSomebodyWants) {
  files_.attach(1, {LogLevel::kError, "", ""});
  EXPECT_EQ(ring_.level(), LogLevel::kError);
  files_.attach(2, {LogLevel::kDebug, "", path("audit")});
  EXPECT_EQ(ring_.level(), LogLevel::kDebug);
  EXPECT_TRUE(ring_.wants_audit());
  files_.detach(2);
  EXPECT_EQ(ring_.level(), LogLevel::kError);
  EXPECT_FALSE(ring_.wants_audit());
  files_.detach(1);
  files_.detach(1);
  EXPECT_EQ(ring_.level(), LogLevel::kInfo);
}

TEST_F(LogFilesTest, TheThreadIsThereWhileAFileIs) {
  files_.attach(1, {LogLevel::kInfo, "", ""});
  files_.start();
  EXPECT_EQ(threads(), 0);
  files_.attach(2, {LogLevel::kInfo, path("log"), ""});
  EXPECT_EQ(threads(), 0) << "not at construction";
  files_.start();
  files_.start();
  for (int i = 0; i < 3; ++i) {
    ring_.write(LogLevel::kInfo, "line " + std::to_string(i));
    const std::string wanted = "line " + std::to_string(i);
    for (int k = 0; k < 3000 && content("log").find(wanted) == std::string::npos; ++k)
      std::this_thread::sleep_for(10ms);
    EXPECT_THAT(content("log"), HasSubstr(wanted));
  }
  EXPECT_EQ(threads(), 1);
  files_.detach(2);
  EXPECT_EQ(threads(), 0);
  files_.attach(3, {LogLevel::kInfo, path("log"), ""});
  files_.start();
  ring_.write(LogLevel::kInfo, "again");
  for (int k = 0; k < 3000 && content("log").find("again") == std::string::npos; ++k)
    std::this_thread::sleep_for(10ms);
  EXPECT_EQ(threads(), 1) << "made anew";
}

TEST_F(LogFilesTest, AFileThatCannotBeOpenedIsToldAndLeavesNothing) {
  const FileFault fault = files_.attach(1, {LogLevel::kDebug, path("log"), folder_});
  EXPECT_EQ(fault.error, EISDIR);
  EXPECT_EQ(fault.path, folder_);
  EXPECT_EQ(ring_.level(), LogLevel::kInfo);
  EXPECT_EQ(files_.attach(1, {LogLevel::kDebug, folder_, ""}, true).error, 0) << "late";
  ring_.write(LogLevel::kInfo, "lost");
  files_.detach(1);
}

TEST_F(LogFilesTest, ADescriptorThatWasClosedIsOpenedAgain) {
  files_.attach(1, {LogLevel::kInfo, path("log"), ""});
  ring_.write(LogLevel::kInfo, "before");
  EXPECT_TRUE(files_.flush(1s));
  for (const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(one.path(), error) == path("log"))
      ::close(std::stoi(one.path().filename()));
  }
  ring_.write(LogLevel::kInfo, "after");
  files_.detach(1);
  EXPECT_THAT(content("log"), HasSubstr("before"));
  EXPECT_THAT(content("log"), HasSubstr("after"));
}

TEST_F(LogFilesTest, NoSecretIsWritten) {
  files_.attach(1, {LogLevel::kInfo, path("log"), ""});
  ring_.write(LogLevel::kInfo, "https://user:word@host/?Signature=abc");
  files_.detach(1);
  EXPECT_THAT(content("log"), Not(HasSubstr("word")));
  EXPECT_THAT(content("log"), Not(HasSubstr("abc")));
}

}  // namespace
}  // namespace ossmc
