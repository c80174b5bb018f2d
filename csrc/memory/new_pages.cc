#include "memory/new_pages.h"

#include <time.h>

#include <algorithm>
#include <chrono>

#include "memory/mapping.h"

namespace ossmc {

namespace {

// How much gets its pages in one call: a whole huge page of the usual size.
constexpr std::size_t kSliceBytes = 2u << 20;

// glibc's largest M_MMAP_THRESHOLD (mallopt(3)).
constexpr std::size_t kMappedByMalloc = 32u << 20;

std::chrono::nanoseconds cpu_time_of_thread() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

NewPages::NewPages(std::byte* data, std::size_t bytes, PageTrial& trial)
    : data_(data), trial_(&trial) {
  const std::size_t page = page_bytes();
  const std::size_t after_page = reinterpret_cast<std::uintptr_t>(data) % page;
  const std::size_t begin = after_page == 0 ? 0 : page - after_page;
  const std::size_t end = bytes - (after_page + bytes) % page;
  if (bytes < page || begin >= end) return;
  made_end_ = begin;
  end_ = end;
}

void NewPages::make(std::size_t end) {
  if (!has_kind_) choose_kind();
  const std::size_t begin = made_end_;
  const std::size_t to = std::min(begin + round_up(end - begin, kSliceBytes), end_);
  const bool is_measured = is_measured_ && to - begin == kSliceBytes;
  const auto before = is_measured ? cpu_time_of_thread() : std::chrono::nanoseconds(0);
  const bool is_made = populate(data_ + begin, to - begin);
  if (is_measured && is_made) trial_->add(kind_, to - begin, cpu_time_of_thread() - before);
  made_end_ = is_made && to < end_ ? to : SIZE_MAX;
}

void prefer_cheap_pages(std::byte* data, std::size_t bytes, PageTrial& trial) {
  if (bytes < kMappedByMalloc || !trial.is_decided() || trial.next() != PageKind::kHuge) return;
  const std::size_t huge_page = huge_page_bytes();
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  const std::size_t before = round_up(address, huge_page) - address;
  if (before >= bytes) return;
  const std::size_t whole = (bytes - before) / huge_page * huge_page;
  if (whole > 0) advise_pages(data + before, whole, PageKind::kHuge);
}

void NewPages::choose_kind() {
  has_kind_ = true;
  const std::size_t huge_page = huge_page_bytes();
  // Only whole huge pages can be compared, and a slice of them.
  const bool may_be_huge = end_ - made_end_ >= huge_page &&
                           reinterpret_cast<std::uintptr_t>(data_ + made_end_) % huge_page == 0;
  if (!may_be_huge) return;
  is_measured_ = !trial_->is_decided() && huge_page <= kSliceBytes;
  kind_ = trial_->next();
  advise_pages(data_ + made_end_, end_ - made_end_, kind_);
}

}  // namespace ossmc
