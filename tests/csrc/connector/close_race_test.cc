// A connector that is closed while another thread makes its first call.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "connector/connector.h"

namespace ossmc {
namespace {

int io_threads() {
  int count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;
    if (name.starts_with("ossmc-io")) ++count;
  }
  return count;
}

void spin(std::atomic<int>& word, int times) {
  for (int i = 0; i < times; ++i) static_cast<void>(word.load());
}

// The call had found the connector open, and then made threads that nobody ended: they fetched on
// until the connector was gone. The two meet at all distances; one round in 65 hit it.
TEST(CloseRace, NoThreadsAreLeftOfAFirstCallThatCloseOvertook) {
  for (int round = 0; round < 800; ++round) {
    Credentials credentials;
    credentials.access_key_id = "id";
    credentials.access_key_secret = "secret";
    Config config;
    config.prefetch_memory_bytes = 64 << 20;
    config.prefetch_vcpus = 1;
    const std::shared_ptr<Connector> connector =
        *Connector::make("http://127.0.0.1:1", "cn-test", config,
                         CredentialsCache::make_fixed(system_clock(), std::move(credentials)));
    std::atomic<int> there{0};
    const auto meet = [&there](int late_by) {
      there.fetch_add(1);
      while (there.load() < 2) std::this_thread::yield();
      spin(there, late_by);
    };
    std::thread caller([&] {
      meet(round % 28);
      static_cast<void>(connector->open_many({}, no_interrupt()).is_ok());
    });
    meet(round / 28);
    connector->close();
    caller.join();
    // A thread that has ended may be listed for a moment.
    const TimePoint late = system_clock().now() + std::chrono::seconds(5);
    while (io_threads() > 0 && system_clock().now() < late) std::this_thread::yield();
    ASSERT_EQ(io_threads(), 0) << round;
  }
}

}  // namespace
}  // namespace ossmc
