// ObjectReader: an open object as a stream of bytes with a cursor.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/wait.h"
#include "fetch/response_check.h"
#include "memory/view_region.h"
#include "prefetch/object_stream.h"
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

// Thread-safe: read_at, read_ranges and view from any threads at once; the calls that use the
// cursor take turns under CursorLock. close() from another thread ends a blocked read with kClosed.
// Keeps its connector alive.
class ObjectReader {
 public:
  ObjectReader(std::shared_ptr<Connector> connector, std::shared_ptr<Engine> engine,
               std::shared_ptr<ObjectStream> stream);
  // Closes. Does not block.
  ~ObjectReader();
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;

  const ObjectName& name() const { return name_; }
  std::uint64_t size() const { return version_.size; }
  const std::string& etag() const { return version_.etag; }

  void close();
  bool is_closed() const;

  // The right to use the cursor; given back on destruction.
  class CursorLock;
  CursorLock try_lock_cursor();
  // kInternal: this thread has it already (a signal handler that uses the reader it interrupted).
  Result<CursorLock> lock_cursor(Interrupt& interrupt);

  // --- REQUIRES: the caller holds the cursor lock ---
  std::uint64_t position() const { return position_; }
  void set_position(std::uint64_t position) { position_ = position; }
  std::uint64_t remaining() const {
    return position_ < version_.size ? version_.size - position_ : 0;
  }
  // Fills as much of `out` as the object has from the cursor on, and moves it by that. On an error
  // it stays.
  Result<std::size_t> read(std::span<std::byte> out, Interrupt& interrupt);
  // Shows `visitor` the bytes from the cursor to the end of their chunk where they lie, and moves
  // the cursor behind them: a read without a copy, see visit_stream_chunk(). Tells how many there
  // were; 0: the end of the object, nothing was shown.
  Result<std::size_t> visit(const BytesVisitor& visitor, Interrupt& interrupt);
  // As read() without ever waiting, see read_stream_if_ready(). False: it did not read.
  bool read_if_ready(std::span<std::byte> out);
  // How many bytes the next line has, its newline included, at most `limit`. Valid while
  // was_repaired() says what it said before.
  Result<std::uint64_t> line_length(std::uint64_t limit, Interrupt& interrupt);
  // How many bytes a peek for `wanted` (0: any) can show at once: at least one before the end of
  // the object.
  std::size_t peek_length(std::size_t wanted) const;

  // --- any thread ---
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out, Interrupt& interrupt);
  // Fills all parts, each [offset, offset + its size) within the object, asked for at once.
  Status read_parts(const std::vector<std::pair<std::uint64_t, std::span<std::byte>>>& parts,
                    Interrupt& interrupt);
  Result<std::shared_ptr<ObjectView>> view(Interrupt& interrupt);

  // The object's bytes were wrong once, by its CRC-64, and have been fetched again.
  bool was_repaired() const { return repaired_.load(); }
  // All bytes have been checked by the object's CRC-64.
  bool is_verified() const;

  // In a forked child, before anything else uses the reader there. Reopens at the next read, at the
  // same version and position.
  void after_fork_in_child();

 private:
  struct CursorMutex {
    std::timed_mutex mutex;
    std::atomic<std::thread::id> owner{};  // relaxed: a thread looks only for itself
  };
  // Replaced as a whole in a forked child.
  struct Live {
    CursorMutex cursor;
    std::mutex mutex;  // guards all below
    std::shared_ptr<Engine> engine;
    std::shared_ptr<ObjectStream> stream;
    // Set: `stream` stands in for this one, whose bytes were wrong; none of its bytes may leave
    // before all are known to be right, and those that have left to have been so.
    std::shared_ptr<ObjectStream> suspect;
  };
  struct Use {
    std::shared_ptr<Engine> engine;
    std::shared_ptr<ObjectStream> stream;
    std::shared_ptr<ObjectStream> suspect;
  };
  // The hull of all bytes that callers have got: never too small.
  class Given {
   public:
    void add(std::uint64_t begin, std::uint64_t end);
    bool overlaps(std::uint64_t begin, std::uint64_t end) const;

   private:
    std::atomic<std::uint64_t> begin_{UINT64_MAX};
    std::atomic<std::uint64_t> end_{0};
  };

  Result<Use> use();
  // Runs `read`, Status(const Use&), whose bytes lie in [begin, end). If they, or others of the
  // object, turn out wrong, the whole object is fetched again, once, and `read` runs again: unless
  // wrong bytes have left already. `again` false: it does not run twice.
  template <typename Read>
  Status repairing(std::uint64_t begin, std::uint64_t end, Interrupt& interrupt, const Read& read,
                   bool again = true);
  // Puts a new stream in place of use.stream, if that is still the reader's. False: the one time
  // for this has passed.
  Result<bool> replace(const Use& use);
  bool is_replaced(const Use& use);
  Status judge_replacement(const Use& use, Interrupt& interrupt);
  Status mismatch() const;
  std::uint64_t bytes_left_in_chunk() const;

  const std::shared_ptr<Connector> connector_;
  const ObjectName name_;
  const ObjectVersion version_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> repaired_{false};
  std::atomic<bool> spoiled_{false};   // wrong bytes have left, or came twice: nothing more leaves
  std::atomic<bool> verified_{false};  // as of close()
  // With ObjectStream::verdict() a Dekker pair (seq_cst): who hands bytes out notes them, then
  // looks at the verdict; who sees it bad looks at what was handed out.
  Given given_;
  std::uint64_t position_ = 0;  // under the cursor lock
  std::unique_ptr<Live> live_;
};

class ObjectReader::CursorLock {
 public:
  CursorLock() = default;
  CursorLock(CursorLock&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  CursorLock& operator=(CursorLock&&) = delete;
  CursorLock(const CursorLock&) = delete;
  CursorLock& operator=(const CursorLock&) = delete;
  ~CursorLock() {
    if (held_ == nullptr) return;
    held_->owner.store({}, std::memory_order_relaxed);
    held_->mutex.unlock();
  }
  bool owns_lock() const { return held_ != nullptr; }

 private:
  friend class ObjectReader;
  // REQUIRES: this thread has just locked it.
  explicit CursorLock(CursorMutex& locked) : held_(&locked) {
    locked.owner.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }

  CursorMutex* held_ = nullptr;
};

}  // namespace ossmc
