#include "prefetch/object_stream.h"

#include <algorithm>
#include <cassert>

#include "base/crc64.h"

namespace ossmc {

Status closed_status() { return Status(StatusCode::kClosed, "I/O operation on closed file."); }

namespace {

StreamOptions with_learnt(StreamOptions options) {
  if (options.learnt == nullptr) options.learnt = std::make_shared<LearntVersion>();
  return options;
}

}  // namespace

ObjectStream::ObjectStream(ObjectName name, std::uint64_t sequence, std::uint32_t chunk_bytes,
                           StreamOptions options)
    : name_(std::move(name)),
      sequence_(sequence),
      chunk_bytes_(chunk_bytes),
      options_(with_learnt(std::move(options))) {
  plan.is_paced = !options_.prefetches;
}

ObjectStream::~ObjectStream() { assert(plan.links == 0); }

void ObjectStream::wait_while_opening(Duration limit) const {
  futex_wait(state_, static_cast<std::uint32_t>(StreamState::kOpening), limit);
}

std::uint32_t ObjectStream::chunk_length(std::uint64_t index) const {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(chunk_bytes_, version_.size - chunk_begin(index)));
}

Status ObjectStream::error(StatusCode code, std::string message) const {
  ErrorDetail detail;
  detail.uri = name_.uri();
  return Status(code, std::move(message), std::move(detail));
}

void ObjectStream::become_open(ObjectVersion version, ChunkTable::Index index, bool verify_crc64) {
  version_ = std::move(version);
  chunks_.set(std::move(index));
  if (!version_.is_listed) static_cast<void>(learnt()->take(version_));  // was compared before
  verification.begin(chunk_count(), expected_crc(verify_crc64));
  state_.store(static_cast<std::uint32_t>(StreamState::kOpen), std::memory_order_release);
}

Verification::Expected ObjectStream::expected_crc(bool verify_crc64) const {
  using Expected = Verification::Expected;
  if (!verify_crc64) return Expected::kNone;
  const ObjectVersion* const told = learnt()->told();
  if (told == nullptr) return Expected::kNotYet;
  return told->crc64.has_value() ? Expected::kKnown : Expected::kNone;
}

std::optional<std::string> ObjectStream::learn(const ObjectVersion& told) {
  std::optional<std::string> difference = learnt()->take(told);
  if (!difference) verification.learn(learnt()->told()->crc64.has_value());
  return difference;
}

void ObjectStream::become_failed(Status failure) {
  failure_ = std::move(failure);
  state_.store(static_cast<std::uint32_t>(StreamState::kFailed), std::memory_order_release);
}

void ObjectStream::become_closed() {
  state_.store(static_cast<std::uint32_t>(StreamState::kClosed), std::memory_order_release);
}

Result<ChunkTable::Index> index_for(const ObjectName& name, std::uint32_t chunk_bytes,
                                    const ObjectVersion& version) {
  Result<ChunkTable::Index> index = ChunkTable::make_index(
      version.size / chunk_bytes + (version.size % chunk_bytes != 0 ? 1 : 0));
  if (index.is_ok()) return index;
  ErrorDetail detail;
  detail.uri = name.uri();
  if (index.status().code() == StatusCode::kMemoryBudget)
    return Status(StatusCode::kMemoryBudget, index.status().message(), std::move(detail));
  return Status(StatusCode::kProtocol,
                "the object of " + std::to_string(version.size) + " bytes " +
                    index.status().message() + "; set a larger prefetch.chunkBytes",
                std::move(detail));
}

void pass_verdict(ObjectStream& stream) {
  std::uint64_t crc = stream.slot(0).seen.crc;
  for (std::uint64_t i = 1; i < stream.chunk_count(); ++i)
    crc = crc64_combine(crc, stream.slot(i).seen.crc, stream.chunk_length(i));
  stream.verification.pass(crc == stream.expected_crc64());
}

}  // namespace ossmc
