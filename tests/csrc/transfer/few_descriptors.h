// FewDescriptors: a system that refuses descriptors to the threads under test.
//
// For this, the program that links few_descriptors.cc has its own socket, eventfd, epoll_create1,
// open and fopen around those of the system. The limit of the process itself is left alone: the
// servers of a test, and the sanitizers, need theirs.
#pragma once

#include <functional>

namespace ossmc {

// While it lives, I/O threads and the thread that made it get no more descriptors than so many at a
// time, all together. One at a time.
class FewDescriptors {
 public:
  explicit FewDescriptors(int allowed);
  ~FewDescriptors();
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

  // The seam: a descriptor for the calling thread, by `make`, or -1 and EMFILE.
  static int get(const std::function<int()>& make);
};

}  // namespace ossmc
