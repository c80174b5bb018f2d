#include "prefetch/verification.h"

namespace ossmc {

void Verification::begin(std::uint64_t chunks, bool checks) {
  crc_missing_ = chunks;
  not_handed_out_.store(chunks, std::memory_order_relaxed);
  const Verdict verdict = checks && chunks > 0 ? Verdict::kPending : Verdict::kNothingToCheck;
  verdict_.store(static_cast<std::uint32_t>(verdict), std::memory_order_relaxed);
}

void Verification::wait(Duration limit) const {
  futex_wait(verdict_, static_cast<std::uint32_t>(Verdict::kPending), limit);
}

bool Verification::note_crc_known() { return --crc_missing_ == 0 && is_pending(); }

void Verification::pass(bool is_good) {
  verdict_.store(static_cast<std::uint32_t>(is_good ? Verdict::kGood : Verdict::kBad));
  wake();
}

}  // namespace ossmc
