#include "memory/view_region.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

#include "memory/mapping.h"

namespace ossmc {

Result<std::shared_ptr<ViewRegion>> ViewRegion::make(std::size_t bytes) {
  // Half the address space is beyond any machine; the check keeps the sums below from overflowing.
  const std::size_t mapped =
      bytes > SIZE_MAX / 2 ? 0 : round_up(std::max<std::size_t>(bytes, 1), page_bytes());
  std::byte* data = nullptr;
  if (mapped == 0) {
    errno = ENOMEM;
  } else {
    data = map_memory(mapped);
  }
  if (data == nullptr) {
    const int error = errno;
    return Status(
        StatusCode::kMemoryBudget,
        "cannot reserve " + std::to_string(bytes) +
            " bytes of address space for a view: " + std::generic_category().message(error) +
            " (ulimit -v, or the container's limit): raise it, or read in "
            "pieces");
  }
  return std::shared_ptr<ViewRegion>(new ViewRegion(data, bytes, mapped));
}

ViewRegion::ViewRegion(std::byte* data, std::size_t size, std::size_t mapped)
    : data_(data), size_(size), mapped_(mapped) {}

ViewRegion::~ViewRegion() { unmap_memory(data_, mapped_); }

}  // namespace ossmc
