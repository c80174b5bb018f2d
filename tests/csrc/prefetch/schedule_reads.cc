#include "csrc/prefetch/schedule_reads.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "prefetch/stream_reader.h"

namespace ossmc {

namespace {

std::string place_of(const ObjectStream& stream, std::uint64_t offset, std::uint64_t bytes) {
  return chunk_name(stream, offset / stream.chunk_bytes()) + " at " + std::to_string(offset) +
         ", " + std::to_string(bytes) + " bytes";
}

}  // namespace

std::uint64_t ScheduleReads::some_size(std::uint64_t left) {
  Chance& chance = parts_.chance;
  std::uint64_t wanted = 1 + chance.below(left);
  if (chance.one_in(8)) wanted = left;
  if (chance.one_in(2))
    wanted = std::min<std::uint64_t>(left, 1 + chance.below(2 * parts_.shape.chunk_bytes));
  if (chance.one_in(4)) wanted = std::min<std::uint64_t>(left, 1 + chance.below(16));
  return wanted;
}

// Ready bytes first, as the Python layer asks for them; then the read that waits.
void ScheduleReads::read_on(ScheduleHandle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  const std::uint64_t size = stream->size();
  if (handle.cursor >= size) {
    handle.cursor = parts_.chance.one_in(3) ? 0 : parts_.chance.below(size + 1);
    if (handle.cursor >= size) return;
  }
  const std::uint64_t offset = handle.cursor;
  const std::uint64_t wanted = some_size(size - offset);
  WatchedStreams& watched = parts_.judge.watch().streams();
  watched.read_through(*stream, std::nullopt);
  std::vector<std::byte> out(wanted);
  const bool ready = parts_.judge.read_if_ready(*stream, offset, out);
  ScheduleCall call(parts_, ScheduleCall::What::kRead);
  Status status;
  if (!ready) {
    parts_.judge.note("read of " + place_of(*stream, offset, wanted));
    status = read_stream(parts_.scheduler, *stream, offset, out.data(), wanted, call.options(true),
                         call);
  }
  if (call.has_pieces()) watched.read_in_pieces(*stream);
  if (!call.ended("read", *stream, *handle.object, status)) {
    if (status.code() == StatusCode::kInterrupted || status.code() == StatusCode::kTransferTimeout)
      watched.read_given_up(*stream);
    return;
  }
  parts_.judge.check_bytes("read", *handle.version, offset, out);
  handle.cursor = offset + wanted;
  if (!call.has_pieces() && (handle.cursor % stream->chunk_bytes() == 0 || handle.cursor == size))
    watched.read_through(*stream, (handle.cursor - 1) / stream->chunk_bytes());
}

void ScheduleReads::read_at(const ScheduleHandle& handle) {
  const std::uint64_t size = handle.stream->size();
  if (size == 0) return;
  const std::uint64_t offset = parts_.chance.below(size);
  read_at(handle, offset, some_size(size - offset));
}

void ScheduleReads::read_backwards(const ScheduleHandle& handle) {
  std::uint64_t before = handle.stream->size();
  for (std::uint64_t left = 4 + parts_.chance.below(4); left > 0 && before > 0; --left) {
    const std::uint64_t offset =
        before - 1 - parts_.chance.below(std::min(before, before / left + 1));
    read_at(handle, offset, 1 + parts_.chance.below(std::min<std::uint64_t>(before - offset, 16)));
    before = offset;
    if (parts_.judge.has_complaint()) return;
  }
}

void ScheduleReads::read_at(const ScheduleHandle& handle, std::uint64_t offset,
                            std::uint64_t wanted) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  parts_.judge.note("read_at of " + place_of(*stream, offset, wanted));
  std::vector<std::byte> out(wanted);
  ScheduleCall call(parts_, ScheduleCall::What::kRead);
  const Status status =
      read_stream(parts_.scheduler, *stream, offset, out.data(), wanted, call.options(), call);
  if (call.has_pieces()) parts_.judge.watch().streams().read_in_pieces(*stream);
  if (call.ended("read_at", *stream, *handle.object, status))
    parts_.judge.check_bytes("read_at", *handle.version, offset, out);
}

// Of few chunks, or of many: the whole object in pieces, say, and more than once.
void ScheduleReads::read_ranges(const ScheduleHandle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->size() == 0) return;
  Chance& chance = parts_.chance;
  std::vector<std::vector<std::byte>> outs;
  std::vector<StreamPart> ranges;
  std::string text;
  const std::uint64_t most = chance.one_in(4) ? 24 : 6;
  for (std::uint64_t count = 1 + chance.below(most); count > 0; --count) {
    const std::uint64_t offset = chance.below(stream->size());
    const std::uint64_t left = stream->size() - offset;
    const std::uint64_t size =
        std::min<std::uint64_t>(left, chance.below(2 * stream->chunk_bytes()));
    ranges.emplace_back(offset, outs.emplace_back(size));
    text += " " + std::to_string(offset) + "+" + std::to_string(size);
  }
  parts_.judge.note("read_ranges of " + chunk_name(*stream, 0) + ":" + text);
  ScheduleCall call(parts_, ScheduleCall::What::kReadRanges);
  const Status status = read_stream_parts(parts_.scheduler, *stream, ranges, call.options(), call);
  if (call.has_pieces()) parts_.judge.watch().streams().read_in_pieces(*stream);
  if (!call.ended("read_ranges", *stream, *handle.object, status)) return;
  for (const StreamPart& range : ranges)
    parts_.judge.check_bytes("read_ranges", *handle.version, range.first, range.second);
}

void ScheduleReads::read_line(const ScheduleHandle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->size() == 0) return;
  const std::uint64_t offset = parts_.chance.below(stream->size());
  const std::uint64_t limit = 1 + parts_.chance.below(stream->size() - offset);
  parts_.judge.note("line of " + place_of(*stream, offset, limit));
  ScheduleCall call(parts_, ScheduleCall::What::kRead);
  const Result<std::uint64_t> length =
      find_byte(parts_.scheduler, *stream, offset, limit, std::byte{'\n'}, call.options(), call);
  if (call.has_pieces()) parts_.judge.watch().streams().read_in_pieces(*stream);
  if (call.ended("line", *stream, *handle.object, length.status()))
    parts_.judge.check_line(*handle.version, offset, limit, *length);
}

void ScheduleReads::copy_slowly(const ScheduleHandle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->chunk_count() == 0) return;
  const std::uint64_t index = parts_.chance.below(stream->chunk_count());
  Chunk& chunk = stream->slot(index).chunk;
  const std::uint32_t end = chunk.view().filled;
  if (end == 0 || !chunk.try_pin(end)) return;
  const std::string name = chunk_name(*stream, index);
  parts_.judge.note("slow copy of " + name);
  for (std::uint64_t turns = 1 + parts_.chance.below(20); turns > 0; --turns)
    VirtualThreads::pause();
  parts_.judge.check_bytes("slow copy", *handle.version, stream->chunk_begin(index),
                           {chunk.data(), end});
  chunk.unpin();
  parts_.judge.note("end of the slow copy of " + name);
}

}  // namespace ossmc
