#include "connector/object_ranges.h"

#include "base/counters.h"
#include "prefetch/piece_read.h"
#include "prefetch/stream_reader.h"

namespace ossmc {

Status ObjectRanges::read(const std::vector<WantedRange>& ranges, Interrupt& interrupt) {
  Scheduler& scheduler = streams_.scheduler();
  std::vector<std::vector<StreamPart>> parts(streams_.all().size());
  std::uint64_t bytes = 0;
  for (const WantedRange& range : ranges) {
    if (!range.to.empty()) parts[range.object].emplace_back(range.offset, range.to);
    bytes += range.to.size();
  }
  PieceRead read(scheduler, options_, interrupt);
  std::vector<std::vector<StreamPart>> by_chunks(parts.size());
  for (std::size_t object = 0; object < parts.size(); ++object)
    by_chunks[object] = read.start(streams_.all()[object], parts[object]);
  // Nearly never: what nobody else reads is not in chunks.
  for (std::size_t object = 0; object < parts.size(); ++object) {
    if (by_chunks[object].empty()) continue;
    const Status status = read_stream_parts(scheduler, *streams_.all()[object], by_chunks[object],
                                            options_, interrupt);
    if (!status.is_ok()) return status;
  }
  Status status = read.wait();
  if (!status.is_ok()) return status;
  add(scheduler.context().counters.bytes_read, bytes);
  return Status::ok();
}

Result<std::string_view> ObjectRanges::check(std::size_t object, Interrupt& interrupt) {
  const std::shared_ptr<ObjectStream>& stream = streams_.all()[object];
  Status status = PieceRead(streams_.scheduler(), options_, interrupt).check(stream);
  if (status.is_ok()) status = wait_for_verdict(streams_.scheduler(), *stream, options_, interrupt);
  if (!status.is_ok()) return status;
  if (stream->verdict() == ObjectStream::Verdict::kGood) return std::string_view("crc64");
  return stream->learnt()->checked_by();
}

}  // namespace ossmc
