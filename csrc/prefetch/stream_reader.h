// StreamReader: blocking reads of an object's bytes: from memory when they are there, else waiting
// for the chunk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/status.h"
#include "base/wait.h"
#include "prefetch/object_stream.h"
#include "prefetch/pinned_bytes.h"
#include "prefetch/read_options.h"
#include "prefetch/scheduler.h"

namespace ossmc {

// Fills `out` with the `size` bytes at `offset`. REQUIRES: the stream is or was kOpen, offset +
// size <= its size. Blocks; any thread, without locks of the caller that close() would need.
// Errors: kClosed, kInterrupted, kTransferTimeout, kChecksum, and those of a fetch. After an error
// the content of `out` is unspecified, and the read may be tried again.
Status read_stream(Scheduler& scheduler, ObjectStream& stream, std::uint64_t offset, std::byte* out,
                   std::size_t size, const ReadOptions& options, Interrupt& interrupt);

// The same for several ranges, all asked for at once. REQUIRES: each (offset, span) lies within the
// object.
Status read_stream_parts(Scheduler& scheduler, ObjectStream& stream,
                         std::span<const StreamPart> parts, const ReadOptions& options,
                         Interrupt& interrupt);

// A sequential read of bytes of one chunk that are in memory: copies them, never waits. False: it
// would have to wait, or be refused; `out` may have been written.
bool read_stream_if_ready(Scheduler& scheduler, ObjectStream& stream, std::uint64_t offset,
                          std::span<std::byte> out);

// The bytes from `offset` to the end of its chunk, once they are all there, where they lie: a read
// without a copy, with all else that a sequential read does. REQUIRES, and errors: as read_stream,
// and offset < the object's size.
Result<PinnedBytes> pin_stream_chunk(Scheduler& scheduler, ObjectStream& stream,
                                     std::uint64_t offset, const ReadOptions& options,
                                     Interrupt& interrupt);

// Waits until bytes [0, needed_end) of chunk `index` are there. REQUIRES: the caller has claimed
// it, and was told of so many `failures`.
Status wait_for_chunk(Scheduler& scheduler, ObjectStream& stream, std::uint64_t index,
                      std::uint32_t failures, std::uint32_t needed_end, const ReadOptions& options,
                      Interrupt& interrupt);

// How far from `offset` the next `byte` ends, itself included: at most `limit` when there is none
// up to there. Hands out nothing. REQUIRES: offset + limit <= the object's size. Blocks and fails
// as read_stream.
Result<std::uint64_t> find_byte(Scheduler& scheduler, ObjectStream& stream, std::uint64_t offset,
                                std::uint64_t limit, std::byte byte, const ReadOptions& options,
                                Interrupt& interrupt);

// Waits until the CRC-64 of the whole object has been judged, fetching what is missing. kChecksum
// if it is wrong.
Status wait_for_verdict(Scheduler& scheduler, ObjectStream& stream, const ReadOptions& options,
                        Interrupt& interrupt);

}  // namespace ossmc
