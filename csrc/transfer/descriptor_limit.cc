#include "transfer/descriptor_limit.h"

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

namespace ossmc {

int find_descriptor_shortage(int count) noexcept {
  std::array<int, 16> taken{};
  const auto wanted = std::min(static_cast<std::size_t>(count), taken.size());
  std::size_t have = 0;
  int error = 0;
  while (have < wanted) {
    const int fd = ::eventfd(0, EFD_CLOEXEC);
    if (fd < 0) {
      error = is_descriptor_shortage(errno) ? errno : 0;
      break;
    }
    taken[have++] = fd;
  }
  for (std::size_t i = 0; i < have; ++i) ::close(taken[i]);
  return error;
}

std::string describe_descriptor_shortage(int error) {
  std::string text = std::system_category().message(error);
  if (error == ENFILE)
    return text +
           ": all processes together have all that they may (fs.file-max): sysctl -w "
           "fs.file-max=1000000";
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return text + " (ulimit -n)";
  return text + ": the process may have " + std::to_string(limit.rlim_cur) +
         " descriptors (ulimit -n): raise it, ulimit -n 65536";
}

Status descriptor_shortage(const std::string& what, int error) {
  ErrorDetail detail;
  detail.os_errno = error;
  return {StatusCode::kConnect, what + ": " + describe_descriptor_shortage(error),
          std::move(detail)};
}

}  // namespace ossmc
