// A program that must fail when built with a sanitizer: it shows that the sanitizer builds look at
// all.
#include <cstdlib>
#include <thread>

namespace {

// Known to the program's user alone, so that no compiler finds the fault before the sanitizer.
int* make_number(int argc) {
  int* number = new int(argc);
  return number;
}

}  // namespace

int main(int argc, char** /*argv*/) {
  int* number = make_number(argc);
#if defined(__SANITIZE_THREAD__)
  std::thread other([number] { ++*number; });
  ++*number;
  other.join();
  delete number;
#else
  delete number;
  volatile int* dangling = number;
  *dangling = argc;
#endif
  return EXIT_SUCCESS;
}
