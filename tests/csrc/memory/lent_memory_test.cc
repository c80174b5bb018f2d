#include "memory/lent_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "memory/range_sink.h"
#include "support/csrc/long_run.h"

namespace ossmc {
namespace {

TEST(LentMemory, LetsWritersInUntilItIsTakenBack) {
  LentMemory memory;
  EXPECT_TRUE(memory.enter());
  EXPECT_TRUE(memory.enter());
  memory.leave();
  memory.leave();
  memory.take_back();
  EXPECT_FALSE(memory.enter());
}

TEST(LentMemory, MayBeTakenBackMoreThanOnce) {
  LentMemory memory;
  memory.take_back();
  memory.take_back();
  EXPECT_FALSE(memory.enter());
}

TEST(LentMemory, IsNotBackWhileAWriterIsInside) {
  LentMemory memory;
  ASSERT_TRUE(memory.enter());
  std::atomic<bool> is_back{false};
  std::thread caller([&] {
    memory.take_back();
    is_back.store(true);
  });
  // The gate is closed before the caller waits.
  while (memory.enter()) {
    memory.leave();
    std::this_thread::yield();
  }
  EXPECT_FALSE(is_back.load());
  memory.leave();
  caller.join();
  EXPECT_TRUE(is_back.load());
}

// Plain bytes on purpose: ThreadSanitizer sees a write that is not ordered before the take-back,
// and AddressSanitizer one into what was freed after it.
TEST(LentMemory, AfterItWasTakenBackNobodyWrites) {
  constexpr int kWriters = 3;
  constexpr std::size_t kBytes = 1024;
  const int rounds = is_long_run() ? 2'000 : 40;
  std::uint64_t writes = 0;
  for (int round = 0; round < rounds; ++round) {
    LentMemory memory;
    auto buffer = std::make_unique<std::byte[]>(kWriters * kBytes);
    std::atomic<int> ready{0};
    std::atomic<std::uint64_t> wrote{0};
    std::vector<std::thread> writers;
    for (int i = 0; i < kWriters; ++i) {
      writers.emplace_back([&, to = buffer.get() + static_cast<std::size_t>(i) * kBytes] {
        ++ready;
        for (int value = 1; memory.enter(); ++value) {
          std::memset(to, value, kBytes);
          memory.leave();
          wrote.fetch_add(1, std::memory_order_relaxed);
        }
      });
    }
    while (ready < kWriters) std::this_thread::yield();
    memory.take_back();
    // What was written is whole, and stays so.
    for (int i = 0; i < kWriters; ++i) {
      const std::byte* const bytes = buffer.get() + static_cast<std::size_t>(i) * kBytes;
      ASSERT_TRUE(std::all_of(bytes, bytes + kBytes, [&](std::byte it) { return it == bytes[0]; }));
    }
    std::memset(buffer.get(), 0, kWriters * kBytes);
    buffer = nullptr;
    for (std::thread& writer : writers) writer.join();
    writes += wrote;
  }
  EXPECT_GT(writes, 0U);
}

// The same by the sinks of requests that go on: their caller frees the buffer and is not there any
// more.
TEST(LentMemory, RequestsGoOnAfterTheirCallerHasFreedItsBuffer) {
  constexpr std::uint32_t kSinkBytes = 64 * 1024;
  constexpr std::uint32_t kStep = 4096;
  const std::vector<std::byte> received(kStep);
  for (int round = 0; round < (is_long_run() ? 5'000 : 200); ++round) {
    auto memory = std::make_shared<LentMemory>();
    auto buffer = std::make_unique<std::byte[]>(2 * kSinkBytes);
    std::atomic<int> begun{0};
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 2; ++i) {
      threads.emplace_back([&, i, memory, to = buffer.get() + i * kSinkBytes] {
        RangeSink sink(kSinkBytes, {{0, kSinkBytes, to}}, memory);
        while (sink.writer_room() > 0) {
          sink.append(received.data(), kStep, i == 0);
          ++begun;
        }
      });
    }
    while (begun < 2) std::this_thread::yield();
    memory->take_back();
    buffer = nullptr;
    memory = nullptr;
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace ossmc
