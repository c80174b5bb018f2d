#include "prefetch/object_stream.h"

#include <algorithm>
#include <cassert>
#include <new>
#include <string>

#include "base/crc64.h"

namespace ossmc {

namespace {
// A table slot is about 200 bytes: 16 Mi chunks are 3 GiB of table, 128 TiB of object in chunks of
// 8 MiB.
constexpr std::uint64_t kMaxChunks = 1ULL << 24;
}  // namespace

Status closed_status() { return Status(StatusCode::kClosed, "I/O operation on closed file."); }

ObjectStream::ObjectStream(ObjectName name, std::uint64_t sequence, std::uint32_t chunk_bytes)
    : name_(std::move(name)), sequence_(sequence), chunk_bytes_(chunk_bytes) {}

ObjectStream::~ObjectStream() { assert(plan.links == 0); }

void ObjectStream::wait_while_opening(Duration limit) const {
  futex_wait(state_, static_cast<std::uint32_t>(StreamState::kOpening), limit);
}

std::uint32_t ObjectStream::chunk_length(std::uint64_t index) const {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(chunk_bytes_, version_.size - chunk_begin(index)));
}

void ObjectStream::wait_for_verdict(Duration limit) const {
  futex_wait(verdict_, static_cast<std::uint32_t>(Verdict::kPending), limit);
}

Status ObjectStream::error(StatusCode code, std::string message) const {
  ErrorDetail detail;
  detail.uri = name_.uri();
  return Status(code, std::move(message), std::move(detail));
}

Status ObjectStream::become_open(ObjectVersion version, bool verify_crc64) {
  const std::uint64_t count =
      version.size / chunk_bytes_ + (version.size % chunk_bytes_ != 0 ? 1 : 0);
  if (count > kMaxChunks) {
    return error(StatusCode::kProtocol, "the object of " + std::to_string(version.size) +
                                            " bytes has " + std::to_string(count) +
                                            " chunks; set a larger prefetch.chunkBytes");
  }
  if (count > 1) {
    rest_.reset(new (std::nothrow) ChunkSlot[count - 1]);
    if (rest_ == nullptr)
      return error(StatusCode::kMemoryBudget,
                   "no memory for the table of " + std::to_string(count) + " chunks");
  }
  const bool checks = verify_crc64 && version.crc64.has_value() && count > 0;
  version_ = std::move(version);
  chunk_count_ = count;
  crc_missing_ = count;
  not_handed_out_.store(count, std::memory_order_relaxed);
  verdict_.store(static_cast<std::uint32_t>(checks ? Verdict::kPending : Verdict::kNothingToCheck),
                 std::memory_order_relaxed);
  set_state(StreamState::kOpen);
  return Status::ok();
}

void ObjectStream::become_needs_head() { set_state(StreamState::kNeedsHead); }

void ObjectStream::become_failed(Status failure) {
  failure_ = std::move(failure);
  set_state(StreamState::kFailed);
}

void ObjectStream::become_closed() { set_state(StreamState::kClosed); }

bool ObjectStream::note_crc_known() {
  return --crc_missing_ == 0 && verdict() == Verdict::kPending;
}

void ObjectStream::pass_verdict() {
  // Every chunk was fetched, so what was seen of them does not change any more.
  std::uint64_t crc = 0;
  for (std::uint64_t i = 0; i < chunk_count_; ++i)
    crc = crc64_combine(crc, slot(i).seen.crc, chunk_length(i));
  const Verdict verdict = crc == *version_.crc64 ? Verdict::kGood : Verdict::kBad;
  verdict_.store(static_cast<std::uint32_t>(verdict));
  wake_verdict_waiters();
}

void ObjectStream::set_state(StreamState state) {
  state_.store(static_cast<std::uint32_t>(state), std::memory_order_release);
}

}  // namespace ossmc
