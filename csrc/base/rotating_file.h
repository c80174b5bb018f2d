// RotatingFile: a log file, beside older ones of itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file_identity.h"

namespace ossmc {

// A file of at most `max_bytes`, and up to `max_files` - 1 older ones: PATH.1, PATH.2... Mode 0600.
//
// Written without a buffer, so that a fork cannot double what is in one. Once it was opened nothing
// is an error: a full disk must not end a download. Its descriptor may be closed behind its back,
// as daemons do, and the number may be somebody else's file by then: it is compared before it is
// used, and the file is opened again. For one thread at a time.
class RotatingFile {
 public:
  static constexpr std::uint64_t kMaxBytes = 10u << 20;
  static constexpr int kMaxFiles = 10;

  explicit RotatingFile(std::string path, std::uint64_t max_bytes = kMaxBytes,
                        int max_files = kMaxFiles);
  ~RotatingFile() { close(); }
  RotatingFile(const RotatingFile&) = delete;
  RotatingFile& operator=(const RotatingFile&) = delete;

  // Opens it, if it is not; without it the first write does. An errno, or 0.
  int open();
  // Appends `line` and a line's end.
  void write(std::string_view line);
  void close();

 private:
  bool is_open() const { return identity_.is_of(fd_); }
  void rotate();

  const std::string path_;
  const std::uint64_t max_bytes_;
  const int max_files_;
  int fd_ = -1;
  FileIdentity identity_;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace ossmc
