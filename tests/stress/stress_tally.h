// StressTally: what a stress test counts, and what it has to complain of. Thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"

namespace ossmc {

// How the store answers.
enum class StressReply : std::uint8_t {
  kRange,
  kRangeInChunks,
  kWholeBy200,
  kEmptyBy200,
  kEmptyBy416,
  kServerError,
  kThrottled,
  kResetBefore,
  kEndBefore,
  kResetWithin,
  kEndWithin,
  kPause,
  kStall,
};
inline constexpr std::size_t kStressReplies = 13;

class StressTally {
 public:
  // One call of a caller, which compared so many bytes.
  void note_operation(const char* name);
  void note_compared(std::size_t bytes);
  // An error that the round explains.
  void note_error(StatusCode code);
  void note_reply(StressReply reply);
  // What must not be. The first ones are told.
  void complain(const std::string& what);
  void note_round(std::uint64_t requests, std::uint64_t retries, std::uint64_t hedges);

  // Complains of replies that never came, after so many requests that each should have.
  void check_variety();
  bool has_complaints() const;
  // Several lines for people.
  std::string text() const;

 private:
  void complain_locked(const std::string& what);

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, std::uint64_t> operations_;
  std::map<std::string, std::uint64_t> errors_;
  std::array<std::uint64_t, kStressReplies> replies_{};
  std::vector<std::string> complaints_;
  std::uint64_t complained_ = 0;
  std::uint64_t compared_bytes_ = 0;
  std::uint64_t rounds_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t retries_ = 0;
  std::uint64_t hedges_ = 0;
};

}  // namespace ossmc
