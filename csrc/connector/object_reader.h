// ObjectReader: an open object as a stream of bytes with a cursor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/wait.h"
#include "connector/byte_repair.h"
#include "connector/cursor.h"
#include "fetch/response_check.h"
#include "memory/view_region.h"
#include "prefetch/object_stream.h"
#include "prefetch/scheduler.h"
#include "prefetch/stream_reader.h"
#include "protocol/object_name.h"

namespace ossmc {

class Connector;
class Engine;

// A view of a whole object: holds its memory, and tells the scheduler when that is free again.
class ObjectView {
 public:
  ObjectView(std::shared_ptr<Engine> engine, std::shared_ptr<ViewRegion> region);
  ~ObjectView();
  ObjectView(const ObjectView&) = delete;
  ObjectView& operator=(const ObjectView&) = delete;

  const std::byte* data() const { return region_ ? region_->data() : nullptr; }
  std::size_t size() const { return region_ ? region_->size() : 0; }

 private:
  const std::shared_ptr<Engine> engine_;
  std::shared_ptr<ViewRegion> region_;
};

// Bytes of one chunk where they lie, which stay there as long as this.
class ChunkView {
 public:
  ChunkView(std::shared_ptr<Engine> engine, PinnedBytes pinned)
      : engine_(std::move(engine)), pinned_(std::move(pinned)) {}

  std::span<const std::byte> bytes() const { return pinned_.bytes(); }

 private:
  const std::shared_ptr<Engine> engine_;  // goes last: pinned_ refers to its scheduler
  const PinnedBytes pinned_;
};

// Thread-safe: read_at, read_parts and view from any threads at once; the calls that use the cursor
// are given its lock, and so take turns. close() from another thread ends a blocked read with
// kClosed. Keeps its connector alive, and that its engine.
class ObjectReader {
 public:
  // `scheduler`: the connector's.
  ObjectReader(std::shared_ptr<Connector> connector, Scheduler& scheduler,
               const std::shared_ptr<ObjectStream>& stream);
  // Closes. Does not block.
  ~ObjectReader();
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;

  const ObjectName& name() const { return name_; }
  std::uint64_t size() const { return version_.size; }
  const std::string& etag() const { return version_.etag; }
  // Empty outside of versioned buckets, and of an object that was opened by a listing's word of it
  // before its first reply.
  std::string version_id() const;

  void close() { bytes_.close(); }
  bool is_closed() const;
  // kClosed, and whose close that was.
  Status check_open() const;

  // --- with the cursor; REQUIRES: the lock owns it ---
  Cursor& cursor() { return cursor_; }
  std::uint64_t remaining(const CursorLock& cursor) const {
    return cursor.position() < version_.size ? version_.size - cursor.position() : 0;
  }
  // Fills as much of `out` as the object has from the cursor on, and moves it by that. On an error
  // it stays.
  Result<std::size_t> read(CursorLock& cursor, std::span<std::byte> out, Interrupt& interrupt);
  // The bytes from the cursor to the end of their chunk, without a copy, and moves the cursor
  // behind them. Null: the end of the object.
  Result<std::shared_ptr<ChunkView>> next_chunk(CursorLock& cursor, Interrupt& interrupt);
  // As read() without ever waiting, see read_stream_if_ready(). False: it did not read.
  bool read_if_ready(CursorLock& cursor, std::span<std::byte> out);
  // How many bytes the next line has, its newline included, at most `limit`. Valid while
  // was_repaired() says what it said before.
  Result<std::uint64_t> line_length(const CursorLock& cursor, std::uint64_t limit,
                                    Interrupt& interrupt);
  // Shows the bytes from the cursor on, which a read is to take next. REQUIRES: so many remain.
  Status peek(const CursorLock& cursor, std::span<std::byte> out, Interrupt& interrupt);
  // How many bytes a peek for `wanted` (0: any) can show at once: at least one before the end of
  // the object.
  std::size_t peek_length(const CursorLock& cursor, std::size_t wanted) const;

  // --- without ---
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out, Interrupt& interrupt);
  // Fills all parts, each within the object, asked for at once.
  Status read_parts(const std::vector<StreamPart>& parts, Interrupt& interrupt);
  Result<std::shared_ptr<ObjectView>> view(Interrupt& interrupt);

  // What became of the object's CRC-64: see ByteRepair.
  bool was_repaired() const { return bytes_.was_repaired(); }
  // Of the whole object; nothing where no reply has told it, or nobody wants to know.
  std::optional<std::uint64_t> crc64() const;
  // "crc64", or else what all replies have been checked by.
  std::string_view verified() const {
    return bytes_.is_verified() ? "crc64" : learnt_->checked_by();
  }

  // In a forked child, before anything else uses the reader there. Reopens at the next read, at the
  // same version and position.
  void after_fork_in_child();

 private:
  // ByteRepair::run(), unless the reader or its connector is closed.
  template <typename Read>
  Status run(const ByteRange& bytes, Interrupt& interrupt, const Read& read);

  const std::shared_ptr<Connector> connector_;
  const ObjectName name_;
  const ObjectVersion version_;
  const std::shared_ptr<LearntVersion> learnt_;
  Cursor cursor_;
  ByteRepair bytes_;
};

}  // namespace ossmc
