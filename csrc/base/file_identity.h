// FileIdentity: which file a descriptor's number stands for.
//
// Daemons close descriptors that are not theirs, say all from 3 on, and the next file that is
// opened gets such a number. Who keeps a number for long compares before it uses it.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

namespace ossmc {

// Of files, pipes and sockets. Epoll sets and eventfds are no good: the kernel gives all of them
// one inode.
class FileIdentity {
 public:
  FileIdentity() = default;
  explicit FileIdentity(int fd) {
    struct stat status {};
    if (fd < 0 || ::fstat(fd, &status) != 0) return;
    device_ = status.st_dev;
    inode_ = status.st_ino;
  }
  // Never true of a number that is closed. One system call.
  bool is_of(int fd) const {
    const FileIdentity now(fd);
    return now.inode_ != 0 && now.inode_ == inode_ && now.device_ == device_;
  }

 private:
  dev_t device_ = 0;
  ino_t inode_ = 0;  // 0: none
};

}  // namespace ossmc
