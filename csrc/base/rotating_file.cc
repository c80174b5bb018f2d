#include "base/rotating_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace ossmc {

RotatingFile::RotatingFile(std::string path, std::uint64_t max_bytes, int max_files)
    : path_(std::move(path)), max_bytes_(max_bytes), max_files_(max_files) {}

int RotatingFile::open() {
  if (is_open()) return 0;
  // If it had a number, that is no concern of ours any more.
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd_ < 0) return errno;
  struct stat status {};
  if (::fstat(fd_, &status) != 0) return errno;
  identity_ = FileIdentity(fd_);
  size_bytes_ = status.st_size > 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
  return 0;
}

void RotatingFile::write(std::string_view line) {
  if (open() != 0) return;
  std::string text(line);
  text += '\n';
  if (size_bytes_ > 0 && size_bytes_ + text.size() > max_bytes_) {
    rotate();
    if (open() != 0) return;
  }
  const ssize_t written = ::write(fd_, text.data(), text.size());
  if (written > 0) size_bytes_ += static_cast<std::uint64_t>(written);
}

void RotatingFile::close() {
  if (is_open()) ::close(fd_);
  fd_ = -1;
}

void RotatingFile::rotate() {
  close();
  for (int number = max_files_ - 1; number > 0; --number) {
    const std::string older = path_ + "." + std::to_string(number);
    const std::string newer = number > 1 ? path_ + "." + std::to_string(number - 1) : path_;
    // One that is not there yet is no fault.
    static_cast<void>(std::rename(newer.c_str(), older.c_str()));
  }
}

}  // namespace ossmc
