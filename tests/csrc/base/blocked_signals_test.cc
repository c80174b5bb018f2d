#include "base/blocked_signals.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <thread>

namespace ossmc {
namespace {

bool is_blocked(int signal) {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return sigismember(&mask, signal) == 1;
}

TEST(BlockedSignals, AThreadThatIsStartedMeanwhileGetsFaultsOfItsOwnAlone) {
  ASSERT_FALSE(is_blocked(SIGTERM));
  std::thread thread;
  {
    const BlockedSignals blocked;
    EXPECT_TRUE(is_blocked(SIGTERM));
    thread = std::thread([] {
      for (const int signal : {SIGINT, SIGTERM, SIGCHLD, SIGUSR1}) EXPECT_TRUE(is_blocked(signal));
      for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT}) EXPECT_FALSE(is_blocked(fault));
    });
  }
  EXPECT_FALSE(is_blocked(SIGTERM));
  thread.join();
}

}  // namespace
}  // namespace ossmc
