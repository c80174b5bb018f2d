#include "stress/stress_tally.h"

namespace ossmc {

namespace {

constexpr std::size_t kToldComplaints = 5;
// The rarest reply is one in 400 or so.
constexpr std::uint64_t kEnoughRequests = 20'000;

// In the order of StressReply.
constexpr std::array<const char*, kStressReplies> kReplyNames = {"206",
                                                                 "206 in chunks",
                                                                 "200 for a whole object",
                                                                 "200 for an empty object",
                                                                 "416 for an empty object",
                                                                 "500",
                                                                 "503",
                                                                 "reset before the reply",
                                                                 "end before the reply",
                                                                 "reset within the reply",
                                                                 "end within the reply",
                                                                 "pause",
                                                                 "stall"};

void add(std::string& text, const std::string& name, std::uint64_t count) {
  text += (text.empty() ? "" : ", ") + name + " " + std::to_string(count);
}

std::string list(const std::map<std::string, std::uint64_t>& counts) {
  std::uint64_t sum = 0;
  std::string each;
  for (const auto& [name, count] : counts) {
    sum += count;
    add(each, name, count);
  }
  return std::to_string(sum) + (each.empty() ? "" : " (" + each + ")");
}

}  // namespace

void StressTally::note_operation(const char* name) {
  const std::lock_guard lock(mutex_);
  ++operations_[name];
}

void StressTally::note_compared(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  compared_bytes_ += bytes;
}

void StressTally::note_error(StatusCode code) {
  const std::lock_guard lock(mutex_);
  ++errors_[std::string(status_code_name(code))];
}

void StressTally::note_reply(StressReply reply) {
  const std::lock_guard lock(mutex_);
  ++replies_[static_cast<std::size_t>(reply)];
}

void StressTally::complain(const std::string& what) {
  const std::lock_guard lock(mutex_);
  complain_locked(what);
}

void StressTally::complain_locked(const std::string& what) {
  if (++complained_ <= kToldComplaints) complaints_.push_back(what);
}

void StressTally::note_round(std::uint64_t requests, std::uint64_t retries, std::uint64_t hedges) {
  const std::lock_guard lock(mutex_);
  ++rounds_;
  requests_ += requests;
  retries_ += retries;
  hedges_ += hedges;
}

void StressTally::check_variety() {
  const std::lock_guard lock(mutex_);
  if (requests_ < kEnoughRequests) return;
  for (std::size_t i = 0; i < kStressReplies; ++i) {
    if (replies_[i] == 0) complain_locked(std::string("there never was a ") + kReplyNames[i]);
  }
}

bool StressTally::has_complaints() const {
  const std::lock_guard lock(mutex_);
  return complained_ > 0;
}

std::string StressTally::text() const {
  const std::lock_guard lock(mutex_);
  std::string replies;
  for (std::size_t i = 0; i < kStressReplies; ++i) add(replies, kReplyNames[i], replies_[i]);
  std::string text = std::to_string(rounds_) + " rounds, " + std::to_string(compared_bytes_) +
                     " bytes compared\noperations: " + list(operations_) +
                     "\nerrors: " + list(errors_) + "\nrequests: " + std::to_string(requests_) +
                     ", retries " + std::to_string(retries_) + ", hedges " +
                     std::to_string(hedges_) + "\nreplies: " + replies +
                     "\ncomplaints: " + std::to_string(complained_) + "\n";
  for (const std::string& complaint : complaints_) text += "FAILED: " + complaint + "\n";
  return text;
}

}  // namespace ossmc
