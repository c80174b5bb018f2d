#include "base/fork_guard.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ossmc {
namespace {

// The exit status of a child that runs `body`, which returns it.
template <typename Body>
int in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ForkGuard, CountsForksInTheChildOnly) {
  const std::uint64_t before = fork_generation();
  EXPECT_EQ(in_child([before] {
              const int one = static_cast<int>(fork_generation() - before);
              const int two =
                  in_child([before] { return static_cast<int>(fork_generation() - before); });
              return one == 1 && two == 2 ? 0 : 1;
            }),
            0);
  EXPECT_EQ(fork_generation(), before);
}

}  // namespace
}  // namespace ossmc
