// Chance: all numbers that a random run draws, from one seed. Who draws one more, or in another
// order, makes another run of every seed.
#pragma once

#include <cstdint>
#include <random>

namespace ossmc {

// Used by one thread.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_(seed) {}
  Chance(const Chance&) = delete;
  Chance& operator=(const Chance&) = delete;

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::mt19937_64 random_;
};

}  // namespace ossmc
