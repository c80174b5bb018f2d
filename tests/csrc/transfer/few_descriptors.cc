#include "csrc/transfer/few_descriptors.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace ossmc {
namespace {

std::mutex given_mutex;
std::optional<int> most_given;
std::thread::id maker;
// Descriptors that were given, with the inode that tells whether the number is another's by now.
std::vector<std::pair<int, ino_t>> given;

ino_t inode_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

bool is_watched_thread() {
  std::array<char, 16> name{};
  ::pthread_getname_np(::pthread_self(), name.data(), name.size());
  return std::this_thread::get_id() == maker || std::string_view(name.data()).starts_with("ossmc-");
}

template <typename Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

FewDescriptors::FewDescriptors(int count) {
  const std::lock_guard lock(given_mutex);
  most_given = count;
  maker = std::this_thread::get_id();
  given.clear();
}

FewDescriptors::~FewDescriptors() {
  const std::lock_guard lock(given_mutex);
  most_given.reset();
}

int FewDescriptors::get(const std::function<int()>& make) {
  const std::lock_guard lock(given_mutex);
  if (!most_given.has_value() || !is_watched_thread()) return make();
  std::erase_if(given, [](const auto& one) { return inode_of(one.first) != one.second; });
  if (static_cast<int>(given.size()) >= *most_given) {
    errno = EMFILE;
    return -1;
  }
  const int fd = make();
  if (fd >= 0) given.emplace_back(fd, inode_of(fd));
  return fd;
}

namespace {

using OpenFile = FILE* (*)(const char*, const char*);

FILE* open_file(OpenFile open, const char* path, const char* mode) {
  FILE* file = nullptr;
  FewDescriptors::get([&] {
    file = open(path, mode);
    return file == nullptr ? -1 : ::fileno(file);
  });
  return file;
}

}  // namespace
}  // namespace ossmc

extern "C" {

__attribute__((visibility("default"))) int socket(int family, int type, int protocol) noexcept {
  static const auto kReal = ossmc::real<int (*)(int, int, int)>("socket");
  return ossmc::FewDescriptors::get([&] { return kReal(family, type, protocol); });
}

__attribute__((visibility("default"))) int eventfd(unsigned count, int flags) noexcept {
  static const auto kReal = ossmc::real<int (*)(unsigned, int)>("eventfd");
  return ossmc::FewDescriptors::get([&] { return kReal(count, flags); });
}

__attribute__((visibility("default"))) int epoll_create1(int flags) noexcept {
  static const auto kReal = ossmc::real<int (*)(int)>("epoll_create1");
  return ossmc::FewDescriptors::get([&] { return kReal(flags); });
}

__attribute__((visibility("default"))) int open(const char* path, int flags, ...) {
  static const auto kReal = ossmc::real<int (*)(const char*, int, ...)>("open");
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return ossmc::FewDescriptors::get([&] { return kReal(path, flags, mode); });
}

// As OpenSSL opens files, by either name.
__attribute__((visibility("default"))) FILE* fopen(const char* path, const char* mode) {
  static const auto kReal = ossmc::real<ossmc::OpenFile>("fopen");
  return ossmc::open_file(kReal, path, mode);
}
__attribute__((visibility("default"))) FILE* fopen64(const char* path, const char* mode) {
  static const auto kReal = ossmc::real<ossmc::OpenFile>("fopen64");
  return ossmc::open_file(kReal, path, mode);
}

}  // extern "C"
