#include "prefetch/nearby_bytes.h"

#include <new>

namespace ossmc {

bool NearbyRoom::try_take(std::uint64_t bytes) {
  const std::uint64_t used = used_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (used < most_bytes_ && bytes <= (most_bytes_ - used) / 4) return true;
  give_back(bytes);
  return false;
}

std::shared_ptr<NearbyBytes> NearbyBytes::make(std::shared_ptr<NearbyRoom> room,
                                               std::uint64_t begin, std::size_t size) {
  if (!room->try_take(size)) return nullptr;
  std::unique_ptr<std::byte[]> bytes(new (std::nothrow) std::byte[size]);
  if (bytes == nullptr) {
    room->give_back(size);
    return nullptr;
  }
  return std::shared_ptr<NearbyBytes>(
      new NearbyBytes(std::move(room), begin, size, std::move(bytes)));
}

}  // namespace ossmc
