#include "auth/digest.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "base/fork_gate.h"

namespace ossmc {
namespace {

TEST(Digest, Sha256) {
  EXPECT_EQ(hex_lower(*sha256("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex_lower(*sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// RFC 2202 and RFC 4231, test case 2.
TEST(Digest, Hmac) {
  EXPECT_EQ(hex_lower(*hmac_sha1("Jefe", "what do ya want for nothing?")),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  EXPECT_EQ(hex_lower(*hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Digest, HmacOfEmptyKeyAndText) {
  EXPECT_EQ(hex_lower(*hmac_sha256("", "")),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  // No key of an earlier call is used again.
  (void)hmac_sha256("other", "text");
  EXPECT_EQ(hex_lower(*hmac_sha256(std::string_view(), "")),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

// Keys shorter than a block of the digest, as long, and longer; texts of any length.
TEST(Digest, AKeyThatIsKeptSignsAsOneThatIsNot) {
  for (const std::size_t key_bytes : {0, 1, 32, 63, 64, 65, 200}) {
    const std::string key(key_bytes, 'k');
    const auto kept = HmacSha256Key::make(key);
    ASSERT_NE(kept, nullptr);
    for (const std::size_t bytes : {0, 1, 55, 56, 64, 1000}) {
      const std::string text(bytes, 't');
      EXPECT_EQ(kept->sign(text), hmac_sha256(key, text)) << key_bytes << " " << bytes;
    }
  }
}

// RFC 4648, section 10.
TEST(Digest, Base64) {
  const auto encode = [](std::string_view text) {
    return base64_encode(std::vector<std::uint8_t>(text.begin(), text.end()));
  };
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foo"), "Zm9v");
  EXPECT_EQ(encode("foobar"), "Zm9vYmFy");
}

// Sanitizers have locks of their own that a child may find taken.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

// libcrypto takes global locks when a thread uses it for the first time and when it ends.
TEST(Digest, AChildOfAForkMayUseItWhileThreadsOfItsParentComeAndGo) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> parents;
  for (int i = 0; i < 4; ++i) {
    parents.emplace_back([&stop] {
      while (!stop.load()) {
        std::thread([] {
          const ForkGate::Inside inside(fork_gate());
          static_cast<void>(hmac_sha256("key", "data"));
          release_thread_state();
        }).join();
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(20);  // ends a child that hangs
      bool right = false;
      std::thread([&right] { right = hmac_sha256("key", "data").has_value(); }).join();
      ::_exit(right ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "child " << i;
    if (testing::Test::HasFailure()) break;
  }
  stop.store(true);
  for (std::thread& parent : parents) parent.join();
}

#endif

}  // namespace
}  // namespace ossmc
