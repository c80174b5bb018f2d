// ViewRegion: one contiguous address range that holds a whole object, for views without a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/status.h"
#include "memory/budget.h"

namespace ossmc {

// Owns the mapping and the budget ticket for it; shared by the object and by every view of it;
// unmapped with the last. The bytes are written by the prefetch floor before anybody sees a view;
// immutable afterwards.
class ViewRegion {
 public:
  // Reserves address space only, aligned to huge pages, which are asked for; pages come when
  // touched or moved in.
  static Result<std::shared_ptr<ViewRegion>> make(std::size_t bytes);
  ~ViewRegion();
  ViewRegion(const ViewRegion&) = delete;
  ViewRegion& operator=(const ViewRegion&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  // The part of the budget that it holds. By the prefetch floor, under its mutex.
  void absorb(Ticket ticket) { ticket_.absorb(std::move(ticket)); }
  Ticket take_ticket() { return std::move(ticket_); }
  std::uint64_t ticket_bytes() const { return ticket_.bytes(); }

 private:
  ViewRegion(std::byte* data, std::size_t size, std::size_t mapped);
  std::byte* data_;
  std::size_t size_;
  std::size_t mapped_;
  Ticket ticket_;
};

}  // namespace ossmc
