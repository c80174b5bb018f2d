#include "base/rotating_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace ossmc {
namespace {

class RotatingFileTest : public testing::Test {
 protected:
  RotatingFileTest() {
    std::string pattern = testing::TempDir() + "rotating-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ + "/log";
  }
  ~RotatingFileTest() override { std::filesystem::remove_all(folder_); }

  static std::string content(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::set<std::string> names() const {
    std::set<std::string> result;
    for (const auto& one : std::filesystem::directory_iterator(folder_))
      result.insert(one.path().filename());
    return result;
  }
  // Numbers of descriptors that stand for the file.
  static int number_of(const std::string& path) {
    for (const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code error;
      if (std::filesystem::read_symlink(one.path(), error) == path)
        return std::stoi(one.path().filename());
    }
    return -1;
  }

  std::string folder_;
  std::string path_;
};

TEST_F(RotatingFileTest, KeepsSoManyFilesOfSoManyBytes) {
  RotatingFile file(path_, 100, 3);
  ASSERT_EQ(file.open(), 0);
  char line[16];
  std::string kept;
  for (int number = 0; number < 50; ++number) {
    std::snprintf(line, sizeof line, "%09d", number);
    file.write(line);  // 10 bytes with the line end
    if (number >= 20) kept += std::string(line) + "\n";
  }
  EXPECT_EQ(names(), (std::set<std::string>{"log", "log.1", "log.2"}));
  EXPECT_EQ(content(path_ + ".2") + content(path_ + ".1") + content(path_), kept);
  for (const std::string& name : names()) {
    struct stat status {};
    ASSERT_EQ(::stat((folder_ + "/" + name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    EXPECT_EQ(status.st_size, 100);
  }
}

TEST_F(RotatingFileTest, GoesOnWhereAnEarlierProcessStopped) {
  for (const char digit : {'0', '1', '2'}) {
    RotatingFile file(path_, 100, 3);
    file.write(std::string(49, digit));
  }
  EXPECT_EQ(content(path_), std::string(49, '2') + "\n");
  EXPECT_EQ(content(path_ + ".1"), std::string(49, '0') + "\n" + std::string(49, '1') + "\n");
}

TEST_F(RotatingFileTest, TheDefaultIsTenFilesOfTenMebibytes) {
  RotatingFile file(path_);
  const std::string line(1 << 20, 'x');
  for (int i = 0; i < 115; ++i) file.write(line);
  EXPECT_EQ(names().size(), 10u);
  for (const std::string& name : names())
    EXPECT_LE(std::filesystem::file_size(folder_ + "/" + name), 10u << 20);
}

TEST_F(RotatingFileTest, AFullDiskIsNoError) {
  RotatingFile file("/dev/full");
  EXPECT_EQ(file.open(), 0);
  file.write("lost");
}

TEST_F(RotatingFileTest, SaysWhyItCannotBeOpened) {
  EXPECT_EQ(RotatingFile(folder_).open(), EISDIR);
  EXPECT_EQ(RotatingFile(folder_ + "/none/log").open(), ENOENT);
}

TEST_F(RotatingFileTest, OpenedLateItMakesNoFileForNothing) {
  { const RotatingFile file(path_); }
  EXPECT_TRUE(names().empty());
}

TEST_F(RotatingFileTest, SomebodyElsesFileThatGotTheNumberStaysAsItIs) {
  const std::string other = folder_ + "/other";
  RotatingFile file(path_);
  file.write("one");
  const int number = number_of(path_);
  ASSERT_GE(number, 0);
  ::close(number);  // as a daemon does
  ASSERT_EQ(::open(other.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600), number);
  file.write("two");
  file.close();
  EXPECT_EQ(content(path_), "one\ntwo\n");
  EXPECT_EQ(content(other), "");
  EXPECT_EQ(::fcntl(number, F_GETFD), FD_CLOEXEC) << "nor was it closed";
  ::close(number);
}

}  // namespace
}  // namespace ossmc
