#include "base/of_process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace ossmc {
namespace {

std::unique_ptr<int> make_one() { return std::make_unique<int>(1); }

TEST(OfProcess, AllThreadsGetTheSame) {
  static constinit OfProcess<int> of_process;
  std::vector<int*> got(8);
  std::vector<std::thread> threads;
  for (int*& one : got) threads.emplace_back([&one] { one = &of_process.get(make_one); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<int*>(got.begin(), got.end()).size(), 1u);
  EXPECT_EQ(got[0], &of_process.get(make_one));
}

TEST(OfProcess, AForkedChildMakesItsOwnAndLeavesItsParentsAlone) {
  static constinit OfProcess<int> of_process;
  int& parents = of_process.get(make_one);
  const pid_t child = ::fork();
  if (child == 0) {
    int& own = of_process.get([] { return std::make_unique<int>(2); });
    const bool good = &own != &parents && own == 2 && parents == 1;
    ::_exit(good && &own == &of_process.get(make_one) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(&parents, &of_process.get(make_one));
}

}  // namespace
}  // namespace ossmc
