// Mapping: the few system calls that make and unmake chunk memory, for the pool and for views.
#pragma once

#include <cstddef>

#include "memory/page_kind.h"

namespace ossmc {

// Of this machine, powers of two: 4 KiB and 2 MiB as a rule; 16 or 64 KiB, and 32 or 512 MiB, on
// some. Known without a system call, but for the first call of huge_page_bytes().
std::size_t page_bytes();
std::size_t huge_page_bytes();

// REQUIRES: `unit` is a power of two and the sum fits.
constexpr std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) & ~(unit - 1);
}

// Anonymous private memory, readable and writable, with no pages yet. From the size of a huge page
// on it starts at a multiple of that, so that huge pages may serve it. nullptr when the system
// refuses. REQUIRES: `bytes` is a multiple of page_bytes() and not 0.
//
// Where the address space that the alignment costs is refused too, it starts where it starts.
// `spare`: so many bytes more could have been had.
std::byte* map_memory(std::size_t bytes, std::size_t spare = 0);
// Which pages the range is to get. Huge ones serve whole multiples of their size, a tail gets small
// ones, so nothing is wasted. A wish: the machine may have no huge pages.
void advise_pages(std::byte* data, std::size_t bytes, PageKind kind);
void unmap_memory(std::byte* data, std::size_t bytes);

// Makes the pages of the range now, all in one call: cheaper than one by one as they are written,
// among other work whose data leaves the caches meanwhile (docs/performance.md). False: the system
// would not (Linux before 5.14), and they come when they are written. REQUIRES: whole pages.
bool populate(std::byte* data, std::size_t bytes);

// A child forked from now on does not have the range.
void hide_from_forks(std::byte* data, std::size_t bytes);

// Brings the pages of [from, from + bytes) to `to`, inside the caller's own anonymous mapping, and
// unmaps the range they left: a change of page tables, no copy. A forked child sees them there.
// False: the kernel would not; then `from` is as before and `to` is mapped (REQUIRES that its old
// content was of no use). REQUIRES: all three are multiples of page_bytes().
bool move_mapping(std::byte* from, std::size_t bytes, std::byte* to);

}  // namespace ossmc
