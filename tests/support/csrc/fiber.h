// Fiber: a function on a stack of its own, which runs until it suspends itself and goes on when it
// is resumed: code that blocks becomes something that a test can step.
#pragma once

#include <functional>
#include <memory>

namespace ossmc {

// Made, resumed and destroyed by one thread; fibers do not resume each other. The sanitizers are
// told of every switch. Stacks are kept and used again.
class Fiber {
 public:
  // `body` begins with the first resume(), and must not throw.
  explicit Fiber(std::function<void()> body);
  // REQUIRES: finished(), or never resumed.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs it until it suspends itself or ends. REQUIRES: called outside of any fiber; !finished().
  void resume();
  bool finished() const;

  // By the running fiber: back to resume().
  static void suspend();
  // The running one; null outside of any.
  static Fiber* current();

 private:
  struct Impl;
  static void enter();
  std::unique_ptr<Impl> impl_;
};

}  // namespace ossmc
