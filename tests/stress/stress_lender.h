// StressLender: the calls of a stress test that lend their own memory to I/O threads, and free it
// as soon as they end, however that is. A sanitizer sees who writes there after that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "connector/connector.h"
#include "stress/stress_judge.h"
#include "stress/stress_objects.h"
#include "stress/stress_shared.h"
#include "support/csrc/chance.h"

namespace ossmc {

// Used by one caller's thread. All it refers to outlives it.
class StressLender {
 public:
  StressLender(const StressObjects& objects, StressJudge& judge, Connector& connector,
               StressShared& shared, Chance& chance)
      : objects_(objects), judge_(judge), connector_(connector), shared_(shared), chance_(chance) {}

  // One of the calls below, by chance.
  void step();

 private:
  // A reader of its own without prefetch, which others find in `shared`, and may close.
  void read_cold();
  void read_ranges();
  void verify();

  const StressObject& some_object();  // no empty one
  ObjectToOpen to_open(const StressObject& object, bool prefetches);
  // Many a call is interrupted before its end.
  SomeInterrupts interrupts() { return {judge_, chance_, 2 + chance_.below(20)}; }

  const StressObjects& objects_;
  StressJudge& judge_;
  Connector& connector_;
  StressShared& shared_;
  Chance& chance_;
};

}  // namespace ossmc
