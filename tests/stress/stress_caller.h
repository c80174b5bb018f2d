// StressCaller: one thread of a stress test: opens, reads, views and closes at random, on readers
// that all callers share, and compares every byte that it gets.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "connector/connector.h"
#include "stress/stress_judge.h"
#include "stress/stress_lender.h"
#include "stress/stress_objects.h"
#include "stress/stress_round.h"
#include "stress/stress_shared.h"
#include "stress/stress_tally.h"
#include "support/csrc/chance.h"

namespace ossmc {

// Used by its thread, save for what it is doing. All it refers to outlives it.
class StressCaller {
 public:
  StressCaller(const StressObjects& objects, const StressRound& round, StressTally& tally,
               Connector& connector, StressShared& shared, std::uint64_t number);

  // Until then, or until the connector is closed.
  void work(TimePoint end);

  // --- any thread ---
  bool has_ended() const { return has_ended_.load(); }
  // What it calls, and for how long it has done so.
  const char* doing() const { return judge_.doing(); }
  Duration doing_for() const { return judge_.doing_for(); }

 private:
  struct KeptView {
    const StressObject* object;
    std::shared_ptr<ObjectView> view;
  };

  void step();
  const StressObject& some_object();
  void open(std::uint64_t slot);
  void open_many();
  void stat();
  void close(ObjectReader& reader, std::uint64_t slot);
  void read_at(ObjectReader& reader, const StressObject& object);
  void read_parts(ObjectReader& reader, const StressObject& object);
  void view(ObjectReader& reader, const StressObject& object);
  void drop_view();
  void read_on(ObjectReader& reader, const StressObject& object);
  void visit(ObjectReader& reader, const StressObject& object);
  void find_line(ObjectReader& reader, const StressObject& object);

  const StressObjects& objects_;
  const StressRound& round_;
  Connector& connector_;
  StressShared& shared_;
  Chance chance_;
  StressJudge judge_;
  StressLender lender_;
  std::vector<KeptView> views_;

  std::atomic<bool> has_ended_{false};
};

}  // namespace ossmc
