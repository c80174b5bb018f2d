// PagePool: warm buffers for chunks, recycled. First touch of fresh memory costs as much as
// everything else on a byte's way (docs/decisions/0001), so a freed buffer keeps its pages and
// serves the next chunk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/mutex.h"
#include "memory/new_pages.h"

namespace ossmc {

class PagePool;

// One buffer of at least size() bytes. Move-only owner; on destruction goes back to its pool (or to
// the system when the pool keeps enough already). Holds the pool alive.
class Block {
 public:
  Block() = default;
  Block(Block&& other) noexcept;
  Block& operator=(Block&& other) noexcept;
  ~Block();

  explicit operator bool() const { return buffer_.data != nullptr; }
  std::byte* data() const { return buffer_.data; }
  std::size_t size() const { return buffer_.size; }
  // True when its pages may be moved elsewhere by move_pages_to(): whole pages of a private mapping
  // of their own.
  bool is_movable() const { return buffer_.is_movable; }
  // By whom writes, before what is below `end` is written: makes its pages if they are not there.
  // Nearly always one comparison; else a system call: under no lock.
  void prepare(std::size_t end) { buffer_.pages.prepare(end); }
  // Brings the first `bytes` to `destination`, inside an anonymous mapping of the caller's such as
  // a ViewRegion, and nothing else. Without a copy where `destination` is page-aligned, 1 MiB or
  // more is to be moved and the kernel agrees (mremap); else by copying. The block is consumed.
  // System calls: under no lock.
  void move_pages_to(std::byte* destination, std::size_t bytes) &&;

 private:
  friend class PagePool;
  struct Buffer {
    std::byte* data = nullptr;
    std::size_t size = 0;
    bool is_movable = false;
    NewPages pages{};  // of what was asked for; what is used again has them
  };

  void reset() noexcept;
  std::shared_ptr<PagePool> pool_;
  Buffer buffer_;
};

// Told of fresh memory before a pool maps it; under no lock. May take some system calls.
class FreshMemory {
 public:
  virtual void on_fresh(std::size_t bytes) noexcept = 0;

 protected:
  ~FreshMemory() = default;
};

// Thread-safe. `slot_bytes` is the size of a full chunk's buffer; other sizes up to it are served
// to measure. Its memory is not there in a forked child, where blocks and the pool may only be
// destroyed (which does nothing).
class PagePool : public std::enable_shared_from_this<PagePool> {
 public:
  struct Options {
    std::size_t slot_bytes = 8u << 20;
    // Free buffers that stay mapped for reuse, and for how long if nobody takes them.
    std::size_t keep_bytes = 256u << 20;
    Duration idle_limit = std::chrono::seconds(10);
    FreshMemory* fresh = nullptr;  // outlives the pool; null: nobody is told
  };
  static std::shared_ptr<PagePool> make(Options options, const Clock& clock);
  ~PagePool();
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  // A buffer for `bytes` <= slot_bytes: a slot, or one to measure (memory/buffer_sizes.h), so that
  // small objects do not hold large pages; the warmest free one of its size if there is any. Where
  // the system has no memory those of other sizes go back to it first. Empty: it has none even so,
  // or not the few MiB more that are left to malloc.
  Block take(std::size_t bytes);
  // The same for who has nothing to give up: takes what is left to malloc too.
  Block take_last(std::size_t bytes);
  // The size() of what take(bytes) gives. A sum, under any lock.
  std::size_t block_bytes(std::size_t bytes) const;

  // Gives idle buffers back to the system; called now and then by an I/O thread. Cheap when there
  // is nothing to do.
  void trim();
  // Gives all free buffers back now: others need the memory. False: there are none.
  bool release_idle();
  // Gives all free buffers back and keeps none from now on. At close of the connector.
  void retire();

  // Bytes of free buffers kept for reuse. They are in no budget.
  std::uint64_t mapped_free_bytes() const;

 private:
  friend class Block;
  struct Impl;
  PagePool(Options options, const Clock& clock);
  void give_back(std::byte* data, std::size_t size) noexcept;
  Block take(std::size_t bytes, std::size_t spare);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ossmc
