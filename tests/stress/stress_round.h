// StressRound: what is drawn of one round of a stress test before it begins: how the connector is
// made, what may go wrong at the store, how the round ends.
#pragma once

#include <cstdint>

#include "connector/config.h"
#include "support/csrc/chance.h"

namespace ossmc {

struct StressRound {
  static StressRound draw(std::uint64_t seed, std::uint64_t number);

  bool has_faults() const { return one_fault_in != 0; }

  std::uint64_t seed = 0;  // of all that is drawn in the round
  Config config;
  std::uint64_t one_fault_in = 0;        // of so many replies; 0: never
  bool is_impatient = false;             // reads end after a fraction of a second
  bool tells_crc64 = false;              // the store does
  bool is_closed_in_the_middle = false;  // the connector is, while callers are at work
};

}  // namespace ossmc
