#include "csrc/memory/refused_mappings.h"

#include <dlfcn.h>
#include <sys/mman.h>

#include <cerrno>
#include <utility>

namespace ossmc {
namespace {

thread_local std::function<bool(std::size_t)>* refuses_now = nullptr;

[[maybe_unused]] bool is_refused(std::size_t bytes) {
  // What it does itself is not asked about.
  auto* const refuses = std::exchange(refuses_now, nullptr);
  const bool refused = refuses != nullptr && (*refuses)(bytes);
  refuses_now = refuses;
  return refused;
}

std::function<bool(std::size_t)> condition;

}  // namespace

RefusedMappings::RefusedMappings(std::function<bool(std::size_t)> refuses) {
  condition = std::move(refuses);
  refuses_now = &condition;
}

RefusedMappings::~RefusedMappings() { refuses_now = nullptr; }

}  // namespace ossmc

// ThreadSanitizer maps memory by this name before it is ready for code that it watches.
#if !defined(__SANITIZE_THREAD__)
extern "C" __attribute__((visibility("default"))) void* mmap(void* address, std::size_t bytes,
                                                             int protection, int flags, int file,
                                                             off_t offset) noexcept {
  using Call = void* (*)(void*, std::size_t, int, int, int, off_t);
  static const auto system_call = reinterpret_cast<Call>(::dlsym(RTLD_NEXT, "mmap"));
  if (!ossmc::is_refused(bytes))
    return system_call(address, bytes, protection, flags, file, offset);
  errno = ENOMEM;
  return MAP_FAILED;
}
#endif
