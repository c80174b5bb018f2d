#include "connector/memory_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace ossmc {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t kMebibyte = 1 << 20;

// A root directory of fake kernel files.
class MemoryLimit : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ossmc-memory-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    const fs::path file(root_ + path);
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void set_available_mib(std::uint64_t mib) {
    write("/proc/meminfo", "MemTotal:       99999999 kB\nMemFree:        1 kB\nMemAvailable:   " +
                               std::to_string(mib * 1024) + " kB\n");
  }
  void use_v2(const std::string& group, const std::string& mount_root = "/") {
    write("/proc/self/cgroup", "0::" + group + "\n");
    write("/proc/self/mountinfo",
          "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
          "30 22 0:26 " +
              mount_root + " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  void use_v1(const std::string& group, const std::string& mount_root = "/") {
    write("/proc/self/cgroup", "12:cpu,cpuacct:/other\n4:hugetlb,memory:" + group + "\n0::/\n");
    write("/proc/self/mountinfo",
          "33 30 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
          "34 30 0:30 " +
              mount_root +
              " /sys/fs/cgroup/memory rw shared:1 master:2 - cgroup cgroup rw,memory\n");
  }
  void set_v2(const std::string& group, const std::string& max, std::uint64_t current_mib,
              std::uint64_t inactive_mib = 0) {
    const std::string folder = "/sys/fs/cgroup" + group;
    write(folder + "/memory.max", max + "\n");
    write(folder + "/memory.current", std::to_string(current_mib * kMebibyte) + "\n");
    write(folder + "/memory.stat", "anon 1\nactive_file 77777777777\ninactive_file " +
                                       std::to_string(inactive_mib * kMebibyte) + "\nslab 5\n");
  }
  static std::string mib(std::uint64_t count) { return std::to_string(count * kMebibyte); }
  FreeMemory measure() { return measure_free_memory(root_); }

  std::string root_;
};

TEST_F(MemoryLimit, NothingReadableIsNotKnown) {
  EXPECT_EQ(measure().bytes, 0u);
  EXPECT_EQ(measure().source, "");
}

TEST_F(MemoryLimit, MachineAlone) {
  set_available_mib(1000);
  EXPECT_EQ(measure().bytes, 1000 * kMebibyte);
  EXPECT_EQ(measure().source, "the machine");
}

TEST_F(MemoryLimit, Version2LimitLessItsUseCountsReclaimableCacheAsFree) {
  set_available_mib(64000);
  use_v2("/job");
  set_v2("/job", mib(1000), 700, 200);
  EXPECT_EQ(measure().bytes, 500 * kMebibyte);
  EXPECT_EQ(measure().source, "cgroup /sys/fs/cgroup/job");
}

TEST_F(MemoryLimit, Version2WithoutLimitLeavesTheMachine) {
  set_available_mib(64000);
  use_v2("/job");
  set_v2("/job", "max", 700);
  EXPECT_EQ(measure().bytes, 64000 * kMebibyte);
}

TEST_F(MemoryLimit, TheMachineMayHaveLessThanTheGroupAllows) {
  set_available_mib(100);
  use_v2("/job");
  set_v2("/job", mib(1000), 0);
  EXPECT_EQ(measure().bytes, 100 * kMebibyte);
}

TEST_F(MemoryLimit, EveryGroupAboveCounts) {
  set_available_mib(64000);
  use_v2("/a/b/c");
  set_v2("/a/b/c", "max", 10);
  set_v2("/a/b", mib(2000), 1900, 0);
  set_v2("/a", mib(3000), 2000);
  EXPECT_EQ(measure().bytes, 100 * kMebibyte);
  EXPECT_EQ(measure().source, "cgroup /sys/fs/cgroup/a/b");
}

TEST_F(MemoryLimit, ContainerSeesItsOwnGroupAsRoot) {
  set_available_mib(64000);
  use_v2("/");
  set_v2("", mib(512), 12);
  EXPECT_EQ(measure().bytes, 500 * kMebibyte);
}

TEST_F(MemoryLimit, MountOfASubtreeIsFollowed) {
  set_available_mib(64000);
  use_v2("/docker/id/inner", "/docker/id");
  set_v2("/inner", mib(300), 100);
  EXPECT_EQ(measure().bytes, 200 * kMebibyte);
  use_v2("/docker/identity",
         "/docker/id");  // a name that only begins alike: the mount point is what can be seen
  set_v2("", mib(50), 0);
  EXPECT_EQ(measure().bytes, 50 * kMebibyte);
}

TEST_F(MemoryLimit, GroupOutsideOfTheNamespaceUsesTheMountPoint) {
  set_available_mib(64000);
  use_v2("/../../elsewhere");
  set_v2("", mib(400), 100);
  EXPECT_EQ(measure().bytes, 300 * kMebibyte);
  use_v2("no slash");
  EXPECT_EQ(measure().bytes, 300 * kMebibyte);
}

TEST_F(MemoryLimit, Version2HighCountsAsALimit) {
  set_available_mib(64000);
  use_v2("/job");
  set_v2("/job", mib(1000), 100);
  write("/sys/fs/cgroup/job/memory.high", mib(600) + "\n");
  EXPECT_EQ(measure().bytes, 500 * kMebibyte);
}

TEST_F(MemoryLimit, Version1) {
  set_available_mib(64000);
  use_v1("/docker/id", "/docker/id");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", mib(1000) + "\n");
  write("/sys/fs/cgroup/memory/memory.usage_in_bytes", mib(800) + "\n");
  write("/sys/fs/cgroup/memory/memory.stat",
        "inactive_file 5\ntotal_inactive_file " + mib(300) + "\n");
  EXPECT_EQ(measure().bytes, 500 * kMebibyte);
  EXPECT_EQ(measure().source, "cgroup /sys/fs/cgroup/memory");
}

TEST_F(MemoryLimit, Version1WithoutLimit) {
  set_available_mib(64000);
  use_v1("/");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(measure().bytes, 64000 * kMebibyte);
}

TEST_F(MemoryLimit, AFullGroupLeavesNothing) {
  set_available_mib(64000);
  use_v2("/job");
  set_v2("/job", mib(1000), 1500);
  EXPECT_EQ(measure().bytes, 0u);
  EXPECT_EQ(measure().source, "cgroup /sys/fs/cgroup/job");
  set_v2("/job", mib(1000), 100, 900);  // more reclaimable than used
  EXPECT_EQ(measure().bytes, 1000 * kMebibyte);
}

TEST_F(MemoryLimit, NonsenseIsIgnored) {
  set_available_mib(64000);
  write("/proc/self/cgroup", "\n:\n::\n0::\nx");
  write("/proc/self/mountinfo",
        "\n- - - -\n1 2 3 4 5 6\n30 22 0:26 / /sys/fs/cgroup\\0 rw - cgroup2 cgroup2 rw\n30 22 "
        "0:26 / \\ rw - cgroup2 c r\n");
  EXPECT_EQ(measure().bytes, 64000 * kMebibyte);
  use_v2("/job");
  set_v2("/job", "18446744073709551616", 1);
  EXPECT_EQ(measure().bytes, 64000 * kMebibyte);
  write("/proc/meminfo", "MemAvailable: lots\nMemAvailable:\n");
  EXPECT_EQ(measure().source, "");
}

TEST_F(MemoryLimit, MountPointsWithBlanksAreUnescaped) {
  set_available_mib(64000);
  write("/proc/self/cgroup", "0::/\n");
  write("/proc/self/mountinfo", "30 22 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n");
  write("/my groups/memory.max", mib(10) + "\n");
  EXPECT_EQ(measure().bytes, 10 * kMebibyte);
}

TEST_F(MemoryLimit, ThisMachineIsMeasured) {
  const FreeMemory here = measure_free_memory();
  EXPECT_FALSE(here.source.empty());
}

TEST_F(MemoryLimit, TheRoomIsWhatIsFreeBeyondTheMarginWhereThatIsLeast) {
  set_available_mib(64000);
  use_v2("/a/b");
  set_v2("/a/b", mib(4096), 4000);
  set_v2("/a", mib(8192), 7000);
  EXPECT_EQ(measure().bytes, 96 * kMebibyte);
  EXPECT_EQ(measure().room_bytes, (96 - 512) * static_cast<std::int64_t>(kMebibyte));
  set_v2("/a/b", mib(4096), 2000);
  EXPECT_EQ(measure().source, "cgroup /sys/fs/cgroup/a");
  EXPECT_EQ(measure().room_bytes, (1192 - 1024) * static_cast<std::int64_t>(kMebibyte));
}

TEST_F(MemoryLimit, ALimitThatChangesIsSeen) {
  set_available_mib(64000);
  use_v1("/job");
  FreeMemoryGauge gauge(root_);
  EXPECT_EQ(gauge.measure().source, "the machine");
  const std::string folder = "/sys/fs/cgroup/memory/job";
  write(folder + "/memory.limit_in_bytes", mib(1000));
  write(folder + "/memory.usage_in_bytes", mib(300));
  EXPECT_EQ(gauge.measure().bytes, 700 * kMebibyte);
  write(folder + "/memory.limit_in_bytes", mib(500));
  EXPECT_EQ(gauge.measure().bytes, 200 * kMebibyte);
  write(folder + "/memory.limit_in_bytes", "9223372036854771712");
  EXPECT_EQ(gauge.measure().source, "the machine");
}

TEST_F(MemoryLimit, AProcessThatIsMovedToAnotherGroupIsFollowed) {
  set_available_mib(64000);
  set_v2("/a", mib(1000), 0);
  set_v2("/b", mib(500), 0);
  use_v2("/a");
  FreeMemoryGauge gauge(root_);
  EXPECT_EQ(gauge.measure().bytes, 1000 * kMebibyte);
  use_v2("/b");
  EXPECT_EQ(gauge.measure().bytes, 500 * kMebibyte);
}

// The group's limit was not seen any more, and the whole machine was taken for free.
TEST_F(MemoryLimit, WithoutADescriptorAGroupIsAsItWas) {
  set_available_mib(64000);
  use_v2("/a");
  set_v2("/a", mib(1000), 0);
  FreeMemoryGauge gauge(root_);
  EXPECT_EQ(gauge.measure().bytes, 1000 * kMebibyte);
  std::vector<int> taken;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit few = before;
  few.rlim_cur = 256;
  ::setrlimit(RLIMIT_NOFILE, &few);
  for (int file = 0; (file = ::dup(0)) >= 0;) taken.push_back(file);
  const FreeMemory without = gauge.measure();
  for (const int file : taken) ::close(file);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(without.bytes, 1000 * kMebibyte);
}

TEST(MemoryMargin, IsAnEighthAndMoreOfSmallLimits) {
  constexpr std::uint64_t kGibibyte = 1024 * kMebibyte;
  EXPECT_EQ(memory_margin(64 * kGibibyte), 8 * kGibibyte);
  EXPECT_EQ(memory_margin(kGibibyte), 256 * kMebibyte);
  EXPECT_EQ(memory_margin(512 * kMebibyte), 128 * kMebibyte);
}

TEST(MemoryChoice, LocalWorldSizeCountsOnlyAsAPositiveInteger) {
  EXPECT_EQ(processes_from_environment(nullptr), 1u);
  EXPECT_EQ(processes_from_environment("8"), 8u);
  for (const char* text : {"", "0", "-3", "2.5", "eight", "8x", " 8", "99999999999999999999999"}) {
    EXPECT_EQ(processes_from_environment(text), 1u) << text;
  }
}

}  // namespace
}  // namespace ossmc
