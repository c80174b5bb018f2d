#include "memory/mapping.h"

#include <sys/mman.h>

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

}  // namespace

std::byte* map_memory(std::size_t bytes) {
  const bool huge = bytes >= kHugePageBytes;
  const std::size_t slack = huge ? kHugePageBytes : 0;
  if (bytes > SIZE_MAX - slack) return nullptr;
  void* raw = ::mmap(nullptr, bytes + slack, kProtection, kFlags, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  auto* data = static_cast<std::byte*>(raw);
  if (!huge) return data;
  // Cut off what is before the first multiple of 2 MiB and behind the end.
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  const std::size_t before = round_up(address, kHugePageBytes) - address;
  if (before != 0) ::munmap(data, before);
  data += before;
  if (before != slack) ::munmap(data + bytes, slack - before);
  ::madvise(data, bytes, MADV_HUGEPAGE);
  return data;
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
    if (bytes >= kHugePageBytes) ::madvise(to, bytes, MADV_HUGEPAGE);
  }
  return false;
}

}  // namespace ossmc
