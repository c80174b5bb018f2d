#include "prefetch/piece_read.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace ossmc {

namespace {

// Of chunks that are only checked, so many are asked for at once.
constexpr std::uint64_t kChunksToCheckAtOnce = 512;

// As much as it has. What is left of the part.
StreamPart copy_nearby(const NearbyBytes& nearby, const StreamPart& part) {
  const auto& [offset, to] = part;
  const std::span<const std::byte> bytes = nearby.from(offset);
  const std::size_t size = std::min(bytes.size(), to.size());
  std::memcpy(to.data(), bytes.data(), size);
  return {offset + size, to.subspan(size)};
}

}  // namespace

std::vector<StreamPart> PieceRead::start(const std::shared_ptr<ObjectStream>& stream,
                                         std::span<const StreamPart> parts) {
  StreamPart left;
  if (parts.size() == 1) {
    left = parts.front();
    take_nearby(*stream, &left);
    if (left.second.empty()) return {};
    parts = {&left, 1};
  }
  if (call_ == nullptr) call_ = std::make_shared<PieceCall>();
  PieceStart started = scheduler_.pieces().start(stream, parts, call_, options_);
  pieces_.insert(pieces_.end(), started.pieces.begin(), started.pieces.end());
  if (started.window != nullptr) windows_.push_back({stream, std::move(started.window), left});
  return std::move(started.by_chunks);
}

void PieceRead::take_nearby(const ObjectStream& stream, StreamPart* part) {
  while (!part->second.empty()) {
    const auto nearby = scheduler_.pieces().nearby(stream, part->first);
    if (nearby == nullptr) return;
    *part = copy_nearby(*nearby, *part);
  }
}

Status PieceRead::wait() {
  if (pieces_.empty()) return Status::ok();
  has_waited_ = true;
  Status status = wait_for_fewer(1);
  if (!status.is_ok()) return status;
  for (Window& window : windows_) {
    copy_nearby(*window.bytes, window.part);
    scheduler_.pieces().keep_window(*window.stream, std::move(window.bytes));
  }
  windows_.clear();
  end(true);
  return Status::ok();
}

Status PieceRead::check(const std::shared_ptr<ObjectStream>& stream) {
  call_ = std::make_shared<PieceCall>();
  std::uint64_t next = 0;
  while (next < stream->chunk_count()) {
    const std::uint64_t last = std::min(stream->chunk_count(), next + kChunksToCheckAtOnce / 2);
    const auto started = scheduler_.pieces().start_check(stream, next, last, call_);
    next = last;
    pieces_.insert(pieces_.end(), started.begin(), started.end());
    call_->wake_at.store(kChunksToCheckAtOnce / 2, std::memory_order_relaxed);
    const Status status = wait_for_fewer(kChunksToCheckAtOnce / 2 + 1);
    if (!status.is_ok()) return status;
  }
  call_->wake_at.store(0, std::memory_order_relaxed);
  return wait();
}

Status PieceRead::wait_for_fewer(std::uint32_t than) {
  const Clock& clock = scheduler_.context().clock;
  std::uint64_t filled = filled_bytes();
  TimePoint deadline = clock.now() + options_.progress_limit;
  while (true) {
    const std::uint32_t missing = call_->missing.load(std::memory_order_acquire);
    if (call_->has_failed.load(std::memory_order_acquire)) return failure();
    if (missing < than) return Status::ok();
    if (pieces_.front()->stream->is_closed()) return closed_status();
    const std::uint64_t now_filled = filled_bytes();
    const TimePoint now = clock.now();
    if (now_filled != filled) deadline = now + options_.progress_limit;
    filled = now_filled;
    if (now >= deadline) return no_progress();
    if (interrupt_.pending()) return Status(StatusCode::kInterrupted, "interrupted");
    futex_wait(call_->missing, missing, std::min<Duration>(kWaitSlice, deadline - now));
  }
}

Status PieceRead::failure() const {
  for (const std::shared_ptr<Piece>& piece : pieces_) {
    if (!piece->is_done.load(std::memory_order_acquire) || piece->status.is_ok()) continue;
    return piece->stream->is_closed() ? closed_status() : piece->status;
  }
  return Status(StatusCode::kInternal, "a piece failed that is not one of this read");
}

Status PieceRead::no_progress() const {
  const ObjectStream& stream = *pieces_.front()->stream;
  const auto limit = std::chrono::duration_cast<std::chrono::seconds>(options_.progress_limit);
  return stream.error(StatusCode::kTransferTimeout,
                      "read of " + printable(stream.name().uri()) + " got no new byte for " +
                          std::to_string(limit.count()) + " s (timeout.readSeconds); it has " +
                          std::to_string(filled_bytes()) + " bytes");
}

std::uint64_t PieceRead::filled_bytes() const {
  std::uint64_t bytes = 0;
  for (const std::shared_ptr<Piece>& piece : pieces_) bytes += piece->sink.filled();
  return bytes;
}

void PieceRead::end(bool handed_out) {
  if (call_ == nullptr) return;
  call_->memory->take_back();
  scheduler_.pieces().end(*call_, pieces_, handed_out);
  call_ = nullptr;
  pieces_.clear();
}

}  // namespace ossmc
