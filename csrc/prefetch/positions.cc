#include "prefetch/positions.h"

#include <algorithm>
#include <utility>

namespace ossmc {

namespace {
constexpr int kMostHolds = 3;
}  // namespace

void Positions::start_sweep(ObjectStream& stream, std::uint64_t from) {
  stream.plan.is_swept = true;
  stream.plan.sweep_next = from;
  if (from < stream.chunk_count()) sweep_.emplace(stream.sequence(), &stream);
}

void Positions::sweep_again(ObjectStream& stream, std::uint64_t index) {
  if (!stream.plan.is_swept || stream.plan.is_paced) return;
  stream.plan.sweep_next = std::min(stream.plan.sweep_next, index);
  if (!stream.plan.is_held) sweep_.emplace(stream.sequence(), &stream);
}

void Positions::hold_sweep(ObjectStream& stream, bool for_good) {
  ObjectStream::Plan& plan = stream.plan;
  if (!std::exchange(plan.is_held, true)) ++plan.holds;
  plan.is_paced = for_good || plan.holds >= kMostHolds;
  remove(stream);
}

bool Positions::resume_sweep(ObjectStream& stream) {
  ObjectStream::Plan& plan = stream.plan;
  if (!plan.is_held || plan.is_paced) return false;
  plan.is_held = false;
  if (!plan.is_swept || plan.sweep_next >= stream.chunk_count()) return false;
  sweep_.emplace(stream.sequence(), &stream);
  return true;
}

bool Positions::note_read(ObjectStream& stream, std::uint64_t index, std::uint64_t window) {
  ObjectStream::Plan& plan = stream.plan;
  if (!plan.reading || plan.ahead_next < index + 1 || plan.ahead_next > index + 1 + window)
    plan.ahead_next = index + 1;
  plan.cursor = index;
  if (plan.ahead_next >= stream.chunk_count()) return false;
  return begin_reading(stream) || plan.ahead_next < index + 1 + window;
}

void Positions::read_whole(ObjectStream& stream) {
  stream.plan.ahead_next = 0;
  begin_reading(stream);
}

void Positions::end_reading(ObjectStream& stream) {
  stream.plan.reading = false;
  readers_.erase(stream.sequence());
}

void Positions::fetch_again(ObjectStream& stream, std::uint64_t index) {
  ObjectStream::Plan& plan = stream.plan;
  if (plan.cursor < index && index < plan.ahead_next) {
    plan.ahead_next = index;
    begin_reading(stream);
  }
  if (index < plan.sweep_next) sweep_again(stream, index);
}

void Positions::remove(ObjectStream& stream) {
  end_reading(stream);
  end_sweep(stream);
}

ObjectStream* Positions::next(const Streams& streams, std::uint64_t sequence) {
  const auto found = streams.upper_bound(sequence);
  return found == streams.end() ? nullptr : found->second.get();
}

bool Positions::begin_reading(ObjectStream& stream) {
  stream.plan.reading = true;
  return readers_.emplace(stream.sequence(), &stream).second;
}

}  // namespace ossmc
