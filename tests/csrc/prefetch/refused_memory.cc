#include "csrc/prefetch/refused_memory.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#include "csrc/prefetch/virtual_threads.h"
#include "support/csrc/fiber.h"

namespace ossmc {

RefusedMemory* RefusedMemory::active = nullptr;

RefusedMemory::RefusedMemory(std::function<bool()> refuses) : refuses_(std::move(refuses)) {
  assert(active == nullptr);
  active = this;
}

RefusedMemory::~RefusedMemory() { active = nullptr; }

bool RefusedMemory::refuse(std::uint64_t* count) const {
  if (Fiber::current() == nullptr) return false;
  // As a large block would be: mapped.
  VirtualThreads::meeting_point("memory of the system");
  if (!refuses_()) return false;
  ++*count;
  errno = ENOMEM;
  return true;
}

}  // namespace ossmc

// --- what stands in the place of two calls of the system ---

extern "C" void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  using Call = void* (*)(std::size_t, std::size_t);
  static const auto system_call = reinterpret_cast<Call>(::dlsym(RTLD_NEXT, "aligned_alloc"));
  return ossmc::RefusedMemory::refuse_block() ? nullptr : system_call(alignment, bytes);
}

extern "C" void* mmap(void* address, std::size_t bytes, int protection, int flags, int file,
                      off_t offset) {
  using Call = void* (*)(void*, std::size_t, int, int, int, off_t);
  static const auto system_call = reinterpret_cast<Call>(::dlsym(RTLD_NEXT, "mmap"));
  return ossmc::RefusedMemory::refuse_region()
             ? MAP_FAILED
             : system_call(address, bytes, protection, flags, file, offset);
}
