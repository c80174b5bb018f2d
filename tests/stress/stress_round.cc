#include "stress/stress_round.h"

#include <chrono>
#include <iterator>

namespace ossmc {

StressRound StressRound::draw(std::uint64_t seed, std::uint64_t number) {
  StressRound round;
  round.seed = seed * 1'000'003 + number;
  Chance chance(round.seed);
  Config& config = round.config;
  config.proxy = "";
  // Not a power of two either: then chunks begin in the middle of pages.
  config.prefetch_chunk_size = Size{chance.one_in(2) ? 4096u : 5000u};
  // Of 1.5 MB in all: from a few chunks to more than half.
  constexpr std::uint64_t kBudgets[] = {24'000, 40'000, 400'000, 900'000};
  config.prefetch_memory_bytes = kBudgets[chance.below(std::size(kBudgets))];
  config.prefetch_vcpus = 1 + static_cast<int>(chance.below(2));
  if (!chance.one_in(4)) config.prefetch_workers = 1 + static_cast<int>(chance.below(4));
  config.stall_timeout = std::chrono::seconds(1);
  // Nothing waits for so long but what hangs.
  config.read_timeout = std::chrono::seconds(30);
  config.retry_max_attempts = 2 + static_cast<int>(chance.below(3));
  config.verify_crc64 = !chance.one_in(4);
  constexpr std::uint64_t kOneFaultIn[] = {0, 6, 15, 40};
  round.one_fault_in = kOneFaultIn[chance.below(std::size(kOneFaultIn))];
  round.tells_crc64 = chance.one_in(2);
  round.is_closed_in_the_middle = chance.one_in(3);
  round.is_impatient = chance.one_in(5);
  if (round.is_impatient) config.read_timeout = std::chrono::milliseconds(20 + chance.below(200));
  return round;
}

}  // namespace ossmc
