#include "base/random.h"

#include <sys/random.h>
#include <unistd.h>

#include <atomic>

#include "base/clock.h"

namespace ossmc {

namespace {

// SplitMix64 (Steele, Lea, Flood 2014): a counter and a mix of its bits. One atomic addition a
// number, so no lock is needed; more than good enough for jitter, and not meant for secrets.
class SplitMixRandom final : public Random {
 public:
  explicit SplitMixRandom(std::uint64_t seed) : state_(seed) {}

  double uniform() override {
    // Relaxed: each call needs a number of its own, nothing is published by it.
    std::uint64_t z = state_.fetch_add(kGamma, std::memory_order_relaxed) + kGamma;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    // The upper 53 bits, the width of a double's fraction: 1.0 cannot come out by rounding.
    return static_cast<double>(z >> 11) * 0x1.0p-53;
  }

 private:
  static constexpr std::uint64_t kGamma = 0x9E3779B97F4A7C15u;
  std::atomic<std::uint64_t> state_;
};

}  // namespace

std::unique_ptr<Random> make_system_random() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != static_cast<ssize_t>(sizeof(seed))) {
    // Early in a machine's boot, or a sandbox without the call: the time and the process still
    // differ between clients.
    seed = static_cast<std::uint64_t>(system_clock().now().time_since_epoch().count()) ^
           (static_cast<std::uint64_t>(::getpid()) << 32);
  }
  return std::make_unique<SplitMixRandom>(seed);
}

std::unique_ptr<Random> make_seeded_random(std::uint64_t seed) {
  return std::make_unique<SplitMixRandom>(seed);
}

}  // namespace ossmc
