// NewPages: gives new memory its pages shortly before it is written, a slice at a time.
//
// One call for a slice is cheaper than a page fault for each page among other work
// (docs/performance.md, "Tried"). All pages of a chunk before its request is sent are too many: an
// I/O thread that starts 16 chunks of 8 MiB so served nobody for 100 ms.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/page_kind.h"

namespace ossmc {

// A value: a range, and how far it has pages. Not thread-safe; the memory outlives it, or prepare()
// is not called any more.
class NewPages {
 public:
  // Of memory that has its pages, or gets them when it is written.
  NewPages() = default;
  // Of `bytes` at `data`, in a mapping of map_memory(). Pages that it shares with what lies before
  // and behind come when they are written.
  NewPages(std::byte* data, std::size_t bytes, PageTrial& trial = process_page_trial());

  // Before what is below `end` is written. Nearly always one comparison; else a system call: under
  // no lock.
  void prepare(std::size_t end) {
    if (end > made_end_) make(end);
  }

 private:
  void make(std::size_t end);
  void choose_kind();

  std::byte* data_ = nullptr;
  // Offsets from data_, of whole pages: [begin of the range, made_end_) has pages, those up to
  // end_ are to come.
  std::size_t made_end_ = SIZE_MAX;
  std::size_t end_ = 0;
  PageTrial* trial_ = nullptr;
  PageKind kind_ = PageKind::kSmall;
  bool has_kind_ = false;
  bool is_measured_ = false;
};

// For a caller's memory of so many bytes that malloc has just given and nobody has touched: huge
// pages, where they are known to be the cheaper ones on this machine. Does nothing for less than
// 32 MiB: malloc has a mapping of its own for what is larger, others may use the rest again.
void prefer_cheap_pages(std::byte* data, std::size_t bytes,
                        PageTrial& trial = process_page_trial());

}  // namespace ossmc
