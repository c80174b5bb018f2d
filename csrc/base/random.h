// Random: the only source of chance (back-off jitter). Injected, so that tests repeat exactly.
#pragma once

#include <cstdint>
#include <memory>

namespace ossmc {

// Implementations are thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  // Uniform in [0, 1).
  virtual double uniform() = 0;
};

// Seeded from the system's entropy.
std::unique_ptr<Random> make_system_random();
// The same sequence for the same seed.
std::unique_ptr<Random> make_seeded_random(std::uint64_t seed);

}  // namespace ossmc
