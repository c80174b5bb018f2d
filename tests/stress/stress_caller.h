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
  const char* doing() const { return doing_.load(); }
  Duration doing_for() const { return system_clock().now() - since_.load(); }

 private:
  class SomeInterrupts;
  struct KeptView {
    const StressObject* object;
    std::shared_ptr<ObjectView> view;
  };

  void step();
  void begin(const char* what);
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

  void check_opened(const ObjectReader& reader, const StressObject& object);
  void check_bytes(const StressObject& object, std::uint64_t offset,
                   std::span<const std::byte> got);
  // Whether it was done. An error must have a reason; `reader`: null for calls of the connector.
  bool is_done(const Status& status, const ObjectReader* reader);
  bool is_explained(StatusCode code, const ObjectReader* reader) const;
  void complain(const std::string& what);

  const StressObjects& objects_;
  const StressRound& round_;
  StressTally& tally_;
  Connector& connector_;
  StressShared& shared_;
  Chance chance_;
  bool was_interrupted_ = false;
  std::vector<KeptView> views_;

  std::atomic<bool> has_ended_{false};
  std::atomic<const char*> doing_{"nothing"};
  std::atomic<TimePoint> since_{system_clock().now()};
};

}  // namespace ossmc
