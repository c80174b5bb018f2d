// StressJudge: what a caller of a stress test is doing, and whether what came of it may be.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/wait.h"
#include "connector/connector.h"
#include "stress/stress_objects.h"
#include "stress/stress_round.h"
#include "stress/stress_tally.h"
#include "support/csrc/chance.h"

namespace ossmc {

// Used by its caller's thread, save for what it is doing. All it refers to outlives it.
class StressJudge {
 public:
  StressJudge(const StressRound& round, StressTally& tally, const Connector& connector)
      : round_(round), tally_(tally), connector_(connector) {}

  void begin(const char* what);
  // The call that has begun was interrupted.
  void note_interrupted() { was_interrupted_ = true; }
  void note_compared(std::size_t bytes) { tally_.note_compared(bytes); }

  void check_opened(const ObjectReader& reader, const StressObject& object);
  void check_bytes(const StressObject& object, std::uint64_t offset,
                   std::span<const std::byte> got);
  // Whether it was done. An error must have a reason; `reader`: null for calls of the connector.
  bool is_done(const Status& status, const ObjectReader* reader);
  void complain(const std::string& what);

  // --- any thread ---
  // What it calls, and for how long it has done so.
  const char* doing() const { return doing_.load(); }
  Duration doing_for() const { return system_clock().now() - since_.load(); }

 private:
  bool is_explained(StatusCode code, const ObjectReader* reader) const;

  const StressRound& round_;
  StressTally& tally_;
  const Connector& connector_;
  bool was_interrupted_ = false;

  std::atomic<const char*> doing_{"nothing"};
  std::atomic<TimePoint> since_{system_clock().now()};
};

// A user who presses Ctrl-C now and then: at one in so many of the times that a call asks.
class SomeInterrupts final : public Interrupt {
 public:
  SomeInterrupts(StressJudge& judge, Chance& chance, std::uint64_t one_in)
      : judge_(judge), chance_(chance), one_in_(one_in) {}
  bool pending() override {
    if (!chance_.one_in(one_in_)) return false;
    judge_.note_interrupted();
    return true;
  }

 private:
  StressJudge& judge_;
  Chance& chance_;
  const std::uint64_t one_in_;
};

}  // namespace ossmc
