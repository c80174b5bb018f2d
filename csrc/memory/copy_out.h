// The copy of a chunk's bytes to a caller.
//
// memcpy(), but where that is slow: glibc before 2.39 copies 2 KiB to 512 KiB by REP MOVSB on AMD's
// Zen 3 and Zen 4, and there that takes four to seven times as long if the target begins a few
// bytes further into a page than the source does
// (https://sourceware.org/bugzilla/show_bug.cgi?id=30994). Here that is the usual case: large
// bytearrays and arrays begin 16 bytes into a page, and chunks at the first byte of one.
// docs/performance.md has the figures.
#pragma once

#include <cstddef>

namespace ossmc {

// memcpy(to, from, size).
void copy_out(std::byte* to, const std::byte* from, std::size_t size);

}  // namespace ossmc
