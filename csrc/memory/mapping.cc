#include "memory/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace ossmc {

namespace {

constexpr int kProtection = PROT_READ | PROT_WRITE;
// NORESERVE: the budget decides how much is used, not the kernel's guess when address space is
// reserved.
constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

// Does every page of the range belong to some mapping?
bool is_mapped(std::byte* data, std::size_t bytes) { return ::msync(data, bytes, MS_ASYNC) == 0; }

// What the kernel says, or the usual.
std::size_t read_huge_page_bytes() {
  std::size_t bytes = 0;
  const int file =
      ::open("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    char text[24] = {};  // a number and a line end
    if (::read(file, text, sizeof text - 1) > 0) bytes = std::strtoull(text, nullptr, 10);
    ::close(file);
  }
  return std::has_single_bit(bytes) && bytes >= page_bytes() ? bytes : std::size_t{2} << 20;
}

}  // namespace

std::size_t page_bytes() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

std::size_t huge_page_bytes() {
  // Two threads may both read it, and find the same. Not a static with an initializer, in which a
  // fork could leave the child for ever.
  static std::atomic<std::size_t> known{0};
  std::size_t bytes = known.load(std::memory_order_relaxed);
  if (bytes == 0) known.store(bytes = read_huge_page_bytes(), std::memory_order_relaxed);
  return bytes;
}

std::byte* map_memory(std::size_t bytes, std::size_t spare) {
  const std::size_t huge_page = huge_page_bytes();
  const bool huge = bytes >= huge_page;
  std::size_t slack = huge ? huge_page : 0;
  if (bytes > SIZE_MAX - slack - spare) return nullptr;
  void* raw = ::mmap(nullptr, bytes + slack + spare, kProtection, kFlags, -1, 0);
  if (raw == MAP_FAILED && huge) {
    slack = 0;
    raw = ::mmap(nullptr, bytes + spare, kProtection, kFlags, -1, 0);
  }
  if (raw == MAP_FAILED) return nullptr;
  auto* data = static_cast<std::byte*>(raw);
  // Cut off what is before the first huge page's place and behind the end.
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  const std::size_t before = slack != 0 ? round_up(address, huge_page) - address : 0;
  if (before != 0) ::munmap(data, before);
  data += before;
  if (const std::size_t behind = slack + spare - before; behind != 0)
    ::munmap(data + bytes, behind);
  return data;
}

void advise_pages(std::byte* data, std::size_t bytes, PageKind kind) {
  ::madvise(data, bytes, kind == PageKind::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

void unmap_memory(std::byte* data, std::size_t bytes) {
  if (::munmap(data, bytes) == 0) return;
  // Taking a piece out of the middle of a mapping can need one more mapping than the process may
  // have (vm.max_map_count). Then the address range is lost, but its pages need not be.
  ::madvise(data, bytes, MADV_DONTNEED);
}

bool populate(std::byte* data, std::size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  return ::madvise(data, bytes, MADV_POPULATE_WRITE) == 0;
#else
  static_cast<void>(data);
  static_cast<void>(bytes);
  return false;
#endif
}

void hide_from_forks(std::byte* data, std::size_t bytes) { ::madvise(data, bytes, MADV_DONTFORK); }

bool move_mapping(std::byte* from, std::size_t bytes, std::byte* to) {
  // Before the move, which takes the mapping's flags along: there is no moment at which a fork
  // would miss the pages.
  ::madvise(from, bytes, MADV_DOFORK);
  if (::mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED) return true;
  // Usually refused beforehand: too many mappings. But it may have unmapped `to` already.
  if (!is_mapped(to, bytes)) {
    if (::mmap(to, bytes, kProtection, kFlags | MAP_FIXED, -1, 0) == MAP_FAILED) {
      // A hole in somebody's region: the next mapping of anybody could land in it. There is no safe
      // way on.
      std::fputs("ossmodelconnector: the system refused to map memory back that it had unmapped\n",
                 stderr);
      std::abort();
    }
  }
  return false;
}

}  // namespace ossmc
