#include "memory/page_pool.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "base/fork_guard.h"
#include "memory/mapping.h"

namespace ossmc {

namespace {

// Smaller buffers come from malloc. Each mapping of its own counts against vm.max_map_count
// (65530), which the whole process shares: at this size 16 GiB of them fit even if no two
// neighbours merge.
constexpr std::size_t kMinMappedBytes = 256u << 10;
// A move of less is done by copying: a moved piece stays a mapping of its own for as long as its
// view lives, and 64 GiB of views shall not use up the process's mappings.
constexpr std::size_t kMinMovedBytes = 1u << 20;
constexpr std::size_t kCacheLineBytes = 64;

// Buffers to measure come in 8 sizes from one power of two to the next, so that a freed one fits
// others: at most 1/8 of it is address space without use (the pages behind the bytes are touched
// only by a later, larger user).
constexpr std::size_t kSizesPerDoubling = 8;

std::size_t measured_size(std::size_t bytes) {
  const std::size_t size = round_up(std::max<std::size_t>(bytes, 1), kCacheLineBytes);
  return size < kMinMappedBytes ? size : round_up(size, std::bit_floor(size) / kSizesPerDoubling);
}

std::size_t full_slot_size(std::size_t bytes) {
  const std::size_t size = round_up(std::max<std::size_t>(bytes, 1), kCacheLineBytes);
  return size < kMinMappedBytes ? size : round_up(size, kPageBytes);
}

// REQUIRES: `size` is a result of measured_size() and not below kMinMappedBytes.
std::size_t class_index(std::size_t size) {
  const std::size_t base = std::bit_floor(size);
  assert(base >= kMinMappedBytes);
  const auto doublings =
      static_cast<std::size_t>(std::countr_zero(base) - std::countr_zero(kMinMappedBytes));
  return doublings * kSizesPerDoubling + (size - base) / (base / kSizesPerDoubling);
}

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
        slot_size(full_slot_size(options.slot_bytes)) {
    const std::size_t largest_measured = measured_size(options.slot_bytes / 2);
    const bool has_mapped = largest_measured >= kMinMappedBytes;
    shelves.resize(1 + (has_mapped ? class_index(largest_measured) + 1 : 0));
    shelves.back().size = slot_size;
  }

  // A buffer's shelf, by its size: full slots have the last, mapped buffers to measure the others.
  // nullptr: none.
  Shelf* shelf_of(std::size_t size) OSSMC_REQUIRES(mutex) {
    if (size == slot_size) return &shelves.back();
    if (size < kMinMappedBytes) return nullptr;
    Shelf& shelf = shelves[class_index(size)];
    shelf.size = size;
    return &shelf;
  }

  std::byte* make_buffer(std::size_t size) {
    if (size < kMinMappedBytes)
      return static_cast<std::byte*>(std::aligned_alloc(kCacheLineBytes, size));
    std::byte* data = map_memory(size);
    // A forked child never looks at chunks: it need not have them, and the parent's next write
    // copies no page.
    if (data != nullptr) hide_from_forks(data, size);
    return data;
  }

  void free_buffer(std::byte* data, std::size_t size) {
    if (size < kMinMappedBytes) {
      std::free(data);
    } else {
      unmap_memory(data, size);
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
  const std::size_t slot_size;

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

// Does not block but for the system's time to unmap. Blocks hold the pool, so none is out.
PagePool::~PagePool() { retire(); }

Block PagePool::take(std::size_t bytes, NewPages pages) {
  Impl& impl = *impl_;
  assert(bytes <= impl.options.slot_bytes);
  const bool is_slot = bytes > impl.options.slot_bytes / 2;
  const std::size_t size = is_slot ? impl.slot_size : measured_size(bytes);
  std::byte* data = nullptr;
  if (is_slot || size >= kMinMappedBytes) {
    MutexLock lock(impl.mutex);
    Impl::Shelf* shelf = impl.shelf_of(size);
    if (!shelf->idle.empty()) {
      data = shelf->idle.back().data;
      shelf->idle.pop_back();
      impl.idle_bytes -= size;
    }
  }
  if (data == nullptr) {
    data = impl.make_buffer(size);
    const bool is_mapped = size >= kMinMappedBytes;
    if (data != nullptr && is_mapped && pages == NewPages::kNow)
      static_cast<void>(populate(data, round_up(bytes, kPageBytes)));
  }
  Block block;
  if (data == nullptr) return block;
  block.pool_ = shared_from_this();
  block.data_ = data;
  block.size_ = size;
  block.movable_ = size >= kMinMappedBytes;
  return block;
}

void PagePool::give_back(std::byte* data, std::size_t size) noexcept {
  Impl& impl = *impl_;
  // In a forked child the memory is not there, the addresses may serve another, and the lock may
  // never open.
  if (fork_generation() != impl.generation) return;
  const TimePoint now = impl.clock.now();
  {
    MutexLock lock(impl.mutex);
    Impl::Shelf* shelf = impl.shelf_of(size);
    if (shelf != nullptr && !impl.retired && impl.idle_bytes + size <= impl.options.keep_bytes) {
      shelf->idle.push_back({data, now});
      impl.idle_bytes += size;
      if (to_ns(now) < impl.oldest_ns.load(std::memory_order_relaxed)) {
        impl.oldest_ns.store(to_ns(now), std::memory_order_relaxed);
      }
      return;
    }
  }
  impl.free_buffer(data, size);
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
  for (const Impl::Mapped& buffer : impl_->take_idle(TimePoint::max())) {
    impl_->free_buffer(buffer.data, buffer.size);
  }
}

std::uint64_t PagePool::mapped_free_bytes() const {
  MutexLock lock(impl_->mutex);
  return impl_->idle_bytes;
}

Block::Block(Block&& other) noexcept
    : pool_(std::move(other.pool_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      movable_(std::exchange(other.movable_, false)) {}

Block& Block::operator=(Block&& other) noexcept {
  if (this != &other) {
    reset();
    pool_ = std::move(other.pool_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    movable_ = std::exchange(other.movable_, false);
  }
  return *this;
}

Block::~Block() { reset(); }

void Block::reset() noexcept {
  if (data_ == nullptr) return;
  pool_->give_back(data_, size_);
  data_ = nullptr;
  size_ = 0;
  movable_ = false;
  pool_.reset();
}

void Block::move_pages_to(std::byte* destination, std::size_t bytes) && {
  assert(bytes <= size_);
  // Whole pages only: what follows the bytes at the destination may be another chunk's.
  const std::size_t paged = bytes / kPageBytes * kPageBytes;
  const bool is_aligned = reinterpret_cast<std::uintptr_t>(destination) % kPageBytes == 0;
  if (!movable_ || !is_aligned || paged < kMinMovedBytes ||
      !move_mapping(data_, paged, destination)) {
    std::memcpy(destination, data_, bytes);
    reset();
    return;
  }
  std::memcpy(destination + paged, data_ + paged, bytes - paged);
  if (size_ > paged) unmap_memory(data_ + paged, size_ - paged);
  // Its address space is gone: there is nothing to give back.
  data_ = nullptr;
  size_ = 0;
  movable_ = false;
  pool_.reset();
}

}  // namespace ossmc
