#include "memory/page_pool.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/fork_guard.h"
#include "memory/buffer_sizes.h"
#include "memory/mapping.h"

namespace ossmc {

namespace {

// A move of less is done by copying: a moved piece stays a mapping of its own for as long as its
// view lives, and 64 GiB of views shall not use up the process's mappings.
constexpr std::size_t kMinMovedBytes = 1u << 20;

// What must be left for others where a buffer is mapped, else it is not: what asks malloc for
// memory mostly has no other way on. Receive buffers of a thread's first requests, and as much
// again.
constexpr std::size_t kSpareBytes = 16u << 20;

constexpr std::int64_t kNever = INT64_MAX;

std::int64_t to_ns(TimePoint time) { return time.time_since_epoch().count(); }

}  // namespace

struct PagePool::Impl {
  struct Idle {
    std::byte* data;
    TimePoint since;
  };
  // Buffers of one size that nobody uses, the warmest last.
  struct Shelf {
    std::size_t size = 0;
    std::vector<Idle> idle;
  };
  struct Mapped {
    std::byte* data;
    std::size_t size;
  };

  Impl(Options options_in, const Clock& clock_in)
      : options(options_in),
        clock(clock_in),
        generation(fork_generation()),
        sizes(options.slot_bytes, page_bytes()),
        shelves(sizes.shelf_count()) {}

  // The warmest free buffer of this size; nullptr: there is none.
  std::byte* take_free(std::size_t size) {
    const std::size_t index = sizes.shelf_of(size);
    if (index == BufferSizes::kNoShelf) return nullptr;
    MutexLock lock(mutex);
    Shelf& shelf = shelves[index];
    if (shelf.idle.empty()) return nullptr;
    std::byte* const data = shelf.idle.back().data;
    shelf.idle.pop_back();
    idle_bytes -= size;
    return data;
  }

  // False: it is not kept.
  bool keep(std::byte* data, std::size_t size, TimePoint now) {
    const std::size_t index = sizes.shelf_of(size);
    if (index == BufferSizes::kNoShelf) return false;
    MutexLock lock(mutex);
    if (retired || idle_bytes + size > options.keep_bytes) return false;
    Shelf& shelf = shelves[index];
    shelf.size = size;
    shelf.idle.push_back({data, now});
    idle_bytes += size;
    if (to_ns(now) < oldest_ns.load(std::memory_order_relaxed)) {
      oldest_ns.store(to_ns(now), std::memory_order_relaxed);
    }
    return true;
  }

  std::byte* make_buffer(std::size_t size, std::size_t spare) {
    if (!sizes.is_mapped(size)) {
      return static_cast<std::byte*>(std::aligned_alloc(BufferSizes::kCacheLineBytes, size));
    }
    std::byte* data = map_memory(size, spare);
    // A forked child never looks at chunks: it need not have them, and the parent's next write
    // copies no page.
    if (data != nullptr) hide_from_forks(data, size);
    return data;
  }

  void free_buffer(std::byte* data, std::size_t size) {
    if (sizes.is_mapped(size)) {
      unmap_memory(data, size);
    } else {
      std::free(data);
    }
  }

  // Takes out everything that is idle since `until` or before.
  std::vector<Mapped> take_idle(TimePoint until) {
    std::vector<Mapped> out;
    MutexLock lock(mutex);
    std::int64_t oldest_left = kNever;
    for (Shelf& shelf : shelves) {
      const auto end = std::find_if(shelf.idle.begin(), shelf.idle.end(),
                                    [until](const Idle& idle) { return idle.since > until; });
      for (auto it = shelf.idle.begin(); it != end; ++it) out.push_back({it->data, shelf.size});
      shelf.idle.erase(shelf.idle.begin(), end);
      if (!shelf.idle.empty()) oldest_left = std::min(oldest_left, to_ns(shelf.idle.front().since));
    }
    for (const Mapped& buffer : out) idle_bytes -= buffer.size;
    oldest_ns.store(oldest_left, std::memory_order_relaxed);
    return out;
  }

  // Constant.
  const Options options;
  const Clock& clock;
  const std::uint64_t generation;
  const BufferSizes sizes;

  // No later than the oldest idle buffer's time; kNever: none. Relaxed: a look that misses the
  // newest value trims one turn later, or takes the lock for nothing.
  std::atomic<std::int64_t> oldest_ns{kNever};

  mutable Mutex mutex;
  std::vector<Shelf> shelves OSSMC_GUARDED_BY(mutex);
  std::size_t idle_bytes OSSMC_GUARDED_BY(mutex) = 0;
  bool retired OSSMC_GUARDED_BY(mutex) = false;
};

std::shared_ptr<PagePool> PagePool::make(Options options, const Clock& clock) {
  return std::shared_ptr<PagePool>(new PagePool(options, clock));
}

PagePool::PagePool(Options options, const Clock& clock)
    : impl_(std::make_unique<Impl>(options, clock)) {}

std::size_t PagePool::block_bytes(std::size_t bytes) const { return impl_->sizes.size_for(bytes); }

// Does not block but for the system's time to unmap. Blocks hold the pool, so none is out.
PagePool::~PagePool() { retire(); }

Block PagePool::take(std::size_t bytes) { return take(bytes, kSpareBytes); }

Block PagePool::take_last(std::size_t bytes) { return take(bytes, 0); }

Block PagePool::take(std::size_t bytes, std::size_t spare) {
  Impl& impl = *impl_;
  assert(bytes <= impl.options.slot_bytes);
  const std::size_t size = impl.sizes.size_for(bytes);
  const bool is_mapped = impl.sizes.is_mapped(size);
  std::byte* data = impl.take_free(size);
  const bool is_new = data == nullptr;
  if (is_new && impl.options.fresh != nullptr) impl.options.fresh->on_fresh(size);
  if (is_new) data = impl.make_buffer(size, spare);
  if (data == nullptr && release_idle()) data = impl.make_buffer(size, spare);
  Block block;
  if (data == nullptr) return block;
  block.pool_ = shared_from_this();
  block.buffer_ = {.data = data, .size = size, .is_movable = is_mapped};
  if (is_new && is_mapped) block.buffer_.pages = NewPages(data, round_up(bytes, page_bytes()));
  return block;
}

void PagePool::give_back(std::byte* data, std::size_t size) noexcept {
  Impl& impl = *impl_;
  // In a forked child the memory is not there, the addresses may serve another, and the lock may
  // never open.
  if (fork_generation() != impl.generation) return;
  if (!impl.keep(data, size, impl.clock.now())) impl.free_buffer(data, size);
}

void PagePool::trim() {
  const TimePoint until = impl_->clock.now() - impl_->options.idle_limit;
  if (impl_->oldest_ns.load(std::memory_order_relaxed) > to_ns(until)) return;
  for (const Impl::Mapped& buffer : impl_->take_idle(until))
    impl_->free_buffer(buffer.data, buffer.size);
}

void PagePool::retire() {
  if (fork_generation() != impl_->generation) return;
  {
    MutexLock lock(impl_->mutex);
    impl_->retired = true;
  }
  release_idle();
}

bool PagePool::release_idle() {
  if (fork_generation() != impl_->generation) return false;
  const std::vector<Impl::Mapped> buffers = impl_->take_idle(TimePoint::max());
  for (const Impl::Mapped& buffer : buffers) impl_->free_buffer(buffer.data, buffer.size);
  return !buffers.empty();
}

std::uint64_t PagePool::mapped_free_bytes() const {
  MutexLock lock(impl_->mutex);
  return impl_->idle_bytes;
}

Block::Block(Block&& other) noexcept
    : pool_(std::move(other.pool_)), buffer_(std::exchange(other.buffer_, Buffer())) {}

Block& Block::operator=(Block&& other) noexcept {
  if (this != &other) {
    reset();
    pool_ = std::move(other.pool_);
    buffer_ = std::exchange(other.buffer_, Buffer());
  }
  return *this;
}

Block::~Block() { reset(); }

void Block::reset() noexcept {
  if (buffer_.data == nullptr) return;
  pool_->give_back(buffer_.data, buffer_.size);
  buffer_ = Buffer();
  pool_.reset();
}

void Block::move_pages_to(std::byte* destination, std::size_t bytes) && {
  assert(bytes <= size());
  // Whole pages only: what follows the bytes at the destination may be another chunk's.
  const std::size_t page = page_bytes();
  const std::size_t paged = bytes / page * page;
  const bool is_aligned = reinterpret_cast<std::uintptr_t>(destination) % page == 0;
  if (!is_movable() || !is_aligned || paged < kMinMovedBytes ||
      !move_mapping(data(), paged, destination)) {
    std::memcpy(destination, data(), bytes);
    reset();
    return;
  }
  std::memcpy(destination + paged, data() + paged, bytes - paged);
  if (size() > paged) unmap_memory(data() + paged, size() - paged);
  // Its address space is gone: there is nothing to give back.
  buffer_ = Buffer();
  pool_.reset();
}

}  // namespace ossmc
