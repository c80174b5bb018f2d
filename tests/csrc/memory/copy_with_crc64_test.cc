#include "memory/copy_with_crc64.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <random>
#include <string>
#include <vector>

#include "base/crc64.h"
#include "support/csrc/exact_copy.h"
#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

using Copy = std::uint64_t (*)(std::byte*, const std::byte*, std::size_t, std::uint64_t, Stores);

struct Way {
  const char* name;
  Copy copy;
  Stores stores;
};

// The one that the processor has chosen, and where it can the single pass, though it may be slower.
// Where it cannot there is only the first one to test.
class CopyWithCrc64Test : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    if (folds() && !can_fold_crc64()) GTEST_SKIP() << "the single pass cannot run here";
  }
  static bool folds() { return GetParam().copy == copy_and_fold_crc64; }

  // From `from` of the source to `shift` of the target, and what is around the target stays.
  void check(std::size_t size, std::size_t from, std::size_t shift, std::uint64_t crc) {
    if (folds() && size < kLeastFoldedBytes) return;
    target_.resize(size + shift + 2 * kGuardBytes);
    std::byte* const to = target_.data() + kGuardBytes + shift;
    set_guards(to, size);
    const std::byte* const source = source_.data() + from;
    const std::uint64_t got = GetParam().copy(to, source, size, crc, GetParam().stores);
    finish_streaming_copies();
    ASSERT_EQ(got, crc64_update(crc, source, size)) << size << " " << from << " " << shift;
    ASSERT_TRUE(is_exact_copy(to, source, size)) << size << " " << from << " " << shift;
  }

  std::vector<std::byte> source_ = [] {
    std::vector<std::byte> bytes(70'000);
    fill_pattern(bytes.data(), 7, 0, bytes.size());
    return bytes;
  }();
  std::vector<std::byte> target_;
};

TEST_P(CopyWithCrc64Test, IsBothForAllAlignments) {
  for (const std::size_t size : {0ul, 1ul, 127ul, 1023ul, 1024ul, 1025ul, 1151ul, 1152ul, 1153ul,
                                 1279ul, 1280ul, 4096ul, 16384ul}) {
    for (std::size_t shift = 0; shift < 65; ++shift) check(size, (shift * 37) % 64, shift, 0);
  }
}

TEST_P(CopyWithCrc64Test, IsBothForAllSizesAroundAFold) {
  for (std::size_t size = 1000; size < 1700; ++size) check(size, size % 7, size % 61, size * 77);
}

TEST_P(CopyWithCrc64Test, ContinuesAnyCrc) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 300; ++i) {
    const std::size_t size = random() % 66'000;
    check(size, random() % 4'000, random() % 64, random());
  }
}

// Behind the last byte of the source is a page that nobody may read.
TEST_P(CopyWithCrc64Test, ReadsNothingBehindTheEnd) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const mapped =
      ::mmap(nullptr, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  std::byte* const end = static_cast<std::byte*>(mapped) + 2 * page;
  ASSERT_EQ(::mprotect(end, page, PROT_NONE), 0);
  fill_pattern(mapped, 9, 0, 2 * page);
  target_.resize(2 * page + kGuardBytes);
  for (std::size_t size = kLeastFoldedBytes; size < kLeastFoldedBytes + 300; ++size) {
    const std::byte* const source = end - size;
    const std::uint64_t got =
        GetParam().copy(target_.data() + size % 64, source, size, 0, GetParam().stores);
    finish_streaming_copies();
    ASSERT_EQ(got, crc64_update(0, source, size)) << size;
  }
  ASSERT_EQ(::munmap(mapped, 3 * page), 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, CopyWithCrc64Test,
    testing::Values(Way{"Ordinary", copy_with_crc64, Stores::kOrdinary},
                    Way{"Streaming", copy_with_crc64, Stores::kStreaming},
                    Way{"FoldedOrdinary", copy_and_fold_crc64, Stores::kOrdinary},
                    Way{"FoldedStreaming", copy_and_fold_crc64, Stores::kStreaming}),
    [](const auto& way) { return std::string(way.param.name); });

}  // namespace
}  // namespace ossmc
