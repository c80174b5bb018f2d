#include "prefetch/verification.h"

namespace ossmc {

void Verification::begin(std::uint64_t chunks, Expected expected) {
  crc_missing_ = chunks;
  is_expected_known_ = expected != Expected::kNotYet;
  not_handed_out_.store(chunks, std::memory_order_relaxed);
  const bool checks = expected != Expected::kNone && chunks > 0;
  const Verdict verdict = checks ? Verdict::kPending : Verdict::kNothingToCheck;
  verdict_.store(static_cast<std::uint32_t>(verdict), std::memory_order_relaxed);
}

void Verification::learn(bool is_told) {
  if (is_expected_known_) return;
  is_expected_known_ = true;
  if (!is_told) verdict_.store(static_cast<std::uint32_t>(Verdict::kNothingToCheck));
}

void Verification::wait(Duration limit) const {
  futex_wait(verdict_, static_cast<std::uint32_t>(Verdict::kPending), limit);
}

bool Verification::note_crc_known() {
  if (--crc_missing_ > 0) return false;
  learn(false);
  return is_pending();
}

void Verification::pass(bool is_good) {
  verdict_.store(static_cast<std::uint32_t>(is_good ? Verdict::kGood : Verdict::kBad));
  wake();
}

}  // namespace ossmc
