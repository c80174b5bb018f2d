#include "connector/cursor.h"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <utility>

#include "support/csrc/forked_child.h"

namespace ossmc {
namespace {

const ObjectName kObject{"bucket", "key"};

// Interrupts at its so-manieth look.
class InterruptAt final : public Interrupt {
 public:
  explicit InterruptAt(int look) : look_(look) {}
  bool pending() override { return ++looks_ == look_; }
  int looks() const { return looks_; }

 private:
  const int look_;
  int looks_ = 0;
};

TEST(Cursor, KeepsItsPositionFromLockToLock) {
  Cursor cursor(kObject);
  {
    CursorLock lock = cursor.try_lock();
    ASSERT_TRUE(lock.owns_lock());
    EXPECT_EQ(lock.position(), 0u);
    lock.set_position(7);
  }
  EXPECT_EQ(cursor.try_lock().position(), 7u);
}

TEST(Cursor, MovedLockIsGivenBackOnce) {
  Cursor cursor(kObject);
  CursorLock lock = cursor.try_lock();
  {
    CursorLock moved = std::move(lock);
    EXPECT_FALSE(lock.owns_lock());  // NOLINT(bugprone-use-after-move): that is what is asked
    moved.set_position(3);
    EXPECT_EQ(moved.position(), 3u);
  }
  EXPECT_TRUE(cursor.try_lock().owns_lock());
}

// A signal handler that reads from the reader it has interrupted.
TEST(Cursor, ThreadThatHasTheLockIsRefusedItASecondTime) {
  Cursor cursor(kObject);
  const CursorLock lock = cursor.try_lock();
  EXPECT_FALSE(cursor.try_lock().owns_lock());
  const Result<CursorLock> again = cursor.lock(no_interrupt());
  ASSERT_EQ(again.status().code(), StatusCode::kInternal);
  EXPECT_NE(again.status().message().find("oss://bucket/key"), std::string::npos);
}

TEST(Cursor, OthersWaitForTheLockAndMayBeInterrupted) {
  Cursor cursor(kObject);
  std::optional<CursorLock> lock(cursor.try_lock());
  std::thread([&] {
    EXPECT_FALSE(cursor.try_lock().owns_lock());
    InterruptAt interrupt(1);
    EXPECT_EQ(cursor.lock(interrupt).status().code(), StatusCode::kInterrupted);
    EXPECT_EQ(interrupt.looks(), 1);
  }).join();
  std::thread waiter([&] {
    Result<CursorLock> mine = cursor.lock(no_interrupt());
    ASSERT_TRUE(mine.is_ok());
    EXPECT_EQ(mine->position(), 5u);
  });
  lock->set_position(5);
  lock.reset();
  waiter.join();
}

TEST(Cursor, LockOfAThreadThatAForkLeftBehindIsNotWaitedForInTheChild) {
  Cursor cursor(kObject);
  std::optional<CursorLock> lost;
  std::thread([&] {
    lost.emplace(cursor.try_lock());
    lost->set_position(9);
  }).join();
  EXPECT_FALSE(cursor.try_lock().owns_lock());
  EXPECT_TRUE(holds_in_child([&] {
    cursor.after_fork_in_child();
    const CursorLock lock = cursor.try_lock();
    EXPECT_TRUE(lock.owns_lock());
    EXPECT_EQ(lock.position(), 9u);
  }));
}

}  // namespace
}  // namespace ossmc
