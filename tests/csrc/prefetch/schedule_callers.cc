#include "csrc/prefetch/schedule_callers.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "prefetch/object_open.h"
#include "prefetch/object_view.h"
#include "prefetch/stream_reader.h"

namespace ossmc {

// The user's Ctrl-C, and the end of a run that has failed.
class ScheduleCallers::CallerInterrupt final : public Interrupt {
 public:
  CallerInterrupt(ScheduleCallers& callers, Caller& caller) : callers_(callers), caller_(caller) {}
  bool pending() override {
    if (callers_.judge_.has_complaint()) return true;
    if (!callers_.shape_.has(kInterrupts) || !callers_.chance_.one_in(40)) return false;
    caller_.was_interrupted = true;
    callers_.virtual_threads_.take_unwoken();
    return true;
  }

 private:
  ScheduleCallers& callers_;
  Caller& caller_;
};

ScheduleCallers::ScheduleCallers(const ScheduleShape& shape, Chance& chance,
                                 const std::vector<StoredObject>& objects, Scheduler& scheduler,
                                 ScheduleJudge& judge, ScheduleCounts& counts,
                                 VirtualThreads& virtual_threads)
    : shape_(shape),
      chance_(chance),
      objects_(objects),
      scheduler_(scheduler),
      judge_(judge),
      watch_(judge.watch()),
      counts_(counts),
      virtual_threads_(virtual_threads) {}

void ScheduleCallers::add_all() {
  for (const int actions : shape_.caller_actions) {
    Caller& caller = *callers_.emplace_back(std::make_unique<Caller>());
    caller.actions_left = actions;
    caller.thread = virtual_threads_.add([this, &caller] { call(caller); }, /*may_wait=*/true);
  }
}

void ScheduleCallers::add_closer() {
  Caller& closer = *callers_.emplace_back(std::make_unique<Caller>());
  closer.thread = virtual_threads_.add([this] { close_all(); }, /*may_wait=*/true);
}

bool ScheduleCallers::all_finished() const {
  return std::all_of(callers_.begin(), callers_.end(), [this](const auto& caller) {
    return virtual_threads_.finished(caller->thread);
  });
}

std::vector<const void*> ScheduleCallers::waiting() const {
  std::vector<const void*> words;
  for (const auto& caller : callers_) {
    if (virtual_threads_.waits(caller->thread))
      words.push_back(virtual_threads_.waits_on(caller->thread));
  }
  return words;
}

std::ptrdiff_t ScheduleCallers::asking_for_views() const {
  return std::count_if(callers_.begin(), callers_.end(),
                       [](const auto& caller) { return caller->asks_for_view; });
}

void ScheduleCallers::drop_all() {
  callers_.clear();
  handles_.clear();
}

bool ScheduleCallers::outcome(const Caller& caller, const char* what, const ObjectStream& stream,
                              const StoredObject& object, const Status& status) {
  return judge_.outcome(what, stream, object, status,
                        {.was_interrupted = caller.was_interrupted,
                         .asks_for_view = caller.asks_for_view,
                         .callers_asking_for_views = asking_for_views()});
}

void ScheduleCallers::call(Caller& caller) {
  while (caller.actions_left-- > 0 && !judge_.has_complaint()) {
    act(caller);
    judge_.check_wake_up(virtual_threads_.take_unwoken());
    for (std::uint64_t turns = chance_.one_in(3) ? chance_.below(6) : 0; turns > 0; --turns)
      VirtualThreads::pause();
  }
  while (!caller.views.empty()) drop_view(caller);
}

void ScheduleCallers::act(Caller& caller) {
  caller.was_interrupted = false;
  if (handles_.empty() || (handles_.size() < 8 && chance_.one_in(4))) {
    if (chance_.one_in(8)) {
      open_known();
    } else {
      open(caller);
    }
    return;
  }
  const std::shared_ptr<Handle> handle = handles_[chance_.below(handles_.size())];
  switch (chance_.below(16)) {
    case 0:
      return close_one();
    case 1:
    case 2:
    case 3:
      return read_at(caller, *handle);
    case 4:
    case 5:
      return read_ranges(caller, *handle);
    case 6:
      return read_line(caller, *handle);
    case 7:
      return copy_slowly(*handle);
    case 8:
    case 9:
      if (shape_.views_are_asked_for) return view(caller, *handle);
      return read_on(caller, *handle);
    case 10:
      if (!caller.views.empty()) return drop_view(caller);
      [[fallthrough]];
    default:
      for (std::uint64_t times = 1 + chance_.below(4); times > 0 && !judge_.has_complaint();
           --times)
        read_on(caller, *handle);
  }
}

// As Connector::open_many does it.
void ScheduleCallers::open(Caller& caller) {
  std::vector<std::shared_ptr<Handle>> opened;
  for (std::uint64_t count = chance_.one_in(3) ? 1 + chance_.below(5) : 1; count > 0; --count) {
    const StoredObject& object = objects_[chance_.below(objects_.size())];
    watch_.will_open(object.key);
    auto stream = scheduler_.objects().open({"bucket", object.key});
    watch_.opened(stream, true);
    judge_.note("open " + InvariantWatch::name_of(*stream, 0));
    opened.push_back(std::make_shared<Handle>(Handle{std::move(stream), &object}));
  }
  CallerInterrupt interrupt(*this, caller);
  bool all_open = true;
  for (const auto& handle : opened) {
    const Status status = wait_until_open(scheduler_, *handle->stream, kProgressLimit, interrupt);
    all_open = all_open && outcome(caller, "open", *handle->stream, *handle->object, status);
    if (!all_open) break;
  }
  for (const auto& handle : opened) {
    if (!all_open) {
      scheduler_.objects().close(*handle->stream);
    } else {
      judge_.check_size(*handle->stream, *handle->object);
      handles_.push_back(handle);
    }
  }
}

void ScheduleCallers::open_known() {
  const StoredObject& object = objects_[chance_.below(objects_.size())];
  if (object.is_missing) return;
  ObjectVersion version;
  version.size = object.fake.size;
  version.etag = object.etag_at_first;
  version.crc64 = object.crc;
  watch_.will_open(object.key);
  auto stream = scheduler_.objects().open_known({"bucket", object.key}, version);
  if (!stream.is_ok()) return judge_.complain("open_known: " + stream.status().message());
  watch_.opened(*stream, false);
  judge_.note("open_known " + InvariantWatch::name_of(**stream, 0));
  handles_.push_back(std::make_shared<Handle>(Handle{*stream, &object}));
}

void ScheduleCallers::close_one() {
  const std::size_t victim = chance_.below(handles_.size());
  const std::shared_ptr<Handle> handle = handles_[victim];
  handles_.erase(handles_.begin() + static_cast<std::ptrdiff_t>(victim));
  judge_.note("close " + InvariantWatch::name_of(*handle->stream, 0));
  scheduler_.objects().close(*handle->stream);
}

void ScheduleCallers::close_all() {
  while (!handles_.empty() && !chance_.one_in(6)) close_one();
  if (!handles_.empty()) {
    scheduler_.objects().close_all();
    handles_.clear();
  }
  judge_.check_memory_closed();
}

// Ready bytes first, as the Python layer asks for them; then the read that waits.
void ScheduleCallers::read_on(Caller& caller, Handle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  const std::uint64_t size = stream->size();
  if (handle.cursor >= size) {
    handle.cursor = chance_.one_in(3) ? 0 : chance_.below(size + 1);
    if (handle.cursor >= size) return;
  }
  const std::uint64_t offset = handle.cursor;
  const std::uint64_t left = size - offset;
  std::uint64_t wanted = 1 + chance_.below(left);
  if (chance_.one_in(2))
    wanted = std::min<std::uint64_t>(left, 1 + chance_.below(2 * shape_.chunk_bytes));
  if (chance_.one_in(4)) wanted = std::min<std::uint64_t>(left, 1 + chance_.below(16));
  watch_.read_through(*stream, std::nullopt);
  std::vector<std::byte> out(wanted);
  const bool ready = judge_.read_if_ready(*stream, offset, out);
  Status status;
  CallerInterrupt interrupt(*this, caller);
  const ReadOptions options{.progress_limit = kProgressLimit, .sequential = true};
  if (!ready) {
    judge_.note("read of " + InvariantWatch::name_of(*stream, offset / shape_.chunk_bytes) +
                " at " + std::to_string(offset) + ", " + std::to_string(wanted) + " bytes");
    status = read_stream(scheduler_, *stream, offset, out.data(), wanted, options, interrupt);
  }
  if (!outcome(caller, "read", *stream, *handle.object, status)) return;
  judge_.check_bytes("read", *handle.object, offset, out.data(), wanted);
  handle.cursor = offset + wanted;
  if (handle.cursor % shape_.chunk_bytes == 0 || handle.cursor == size)
    watch_.read_through(*stream, (handle.cursor - 1) / shape_.chunk_bytes);
}

void ScheduleCallers::read_at(Caller& caller, Handle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->size() == 0) return;
  const std::uint64_t offset = chance_.below(stream->size());
  const std::uint64_t left = stream->size() - offset;
  const std::uint64_t wanted = chance_.one_in(2)
                                   ? 1 + chance_.below(left)
                                   : std::min<std::uint64_t>(left, 1 + chance_.below(32));
  judge_.note("read_at of " + InvariantWatch::name_of(*stream, offset / shape_.chunk_bytes) +
              " at " + std::to_string(offset) + ", " + std::to_string(wanted) + " bytes");
  std::vector<std::byte> out(wanted);
  CallerInterrupt interrupt(*this, caller);
  const Status status = read_stream(scheduler_, *stream, offset, out.data(), wanted,
                                    {.progress_limit = kProgressLimit}, interrupt);
  if (outcome(caller, "read_at", *stream, *handle.object, status))
    judge_.check_bytes("read_at", *handle.object, offset, out.data(), wanted);
}

void ScheduleCallers::read_ranges(Caller& caller, Handle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->size() == 0) return;
  std::vector<std::vector<std::byte>> outs;
  std::vector<StreamPart> parts;
  std::string text;
  for (std::uint64_t count = 1 + chance_.below(6); count > 0; --count) {
    const std::uint64_t offset = chance_.below(stream->size());
    const std::uint64_t left = stream->size() - offset;
    const std::uint64_t size = std::min<std::uint64_t>(left, chance_.below(2 * shape_.chunk_bytes));
    parts.emplace_back(offset, outs.emplace_back(size));
    text += " " + std::to_string(offset) + "+" + std::to_string(size);
  }
  judge_.note("read_ranges of " + InvariantWatch::name_of(*stream, 0) + ":" + text);
  CallerInterrupt interrupt(*this, caller);
  const Status status =
      read_stream_parts(scheduler_, *stream, parts, {.progress_limit = kProgressLimit}, interrupt);
  if (!outcome(caller, "read_ranges", *stream, *handle.object, status)) return;
  for (const StreamPart& part : parts)
    judge_.check_bytes("read_ranges", *handle.object, part.first, part.second.data(),
                       part.second.size());
}

void ScheduleCallers::read_line(Caller& caller, Handle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->size() == 0) return;
  const std::uint64_t offset = chance_.below(stream->size());
  const std::uint64_t limit = 1 + chance_.below(stream->size() - offset);
  judge_.note("line of " + InvariantWatch::name_of(*stream, offset / shape_.chunk_bytes) + " at " +
              std::to_string(offset) + ", at most " + std::to_string(limit) + " bytes");
  CallerInterrupt interrupt(*this, caller);
  const Result<std::uint64_t> length =
      find_byte(scheduler_, *stream, offset, limit, std::byte{'\n'},
                {.progress_limit = kProgressLimit}, interrupt);
  if (!outcome(caller, "line", *stream, *handle.object, length.status())) return;
  judge_.check_line(*handle.object, offset, limit, *length);
}

// A reader that is in the middle of its copy, or of its search for a byte, while others go on.
void ScheduleCallers::copy_slowly(Handle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->chunk_count() == 0) return;
  const std::uint64_t index = chance_.below(stream->chunk_count());
  Chunk& chunk = stream->slot(index).chunk;
  const std::uint32_t end = chunk.view().filled;
  if (end == 0 || !chunk.try_pin(end)) return;
  judge_.note("slow copy of " + InvariantWatch::name_of(*stream, index));
  for (std::uint64_t turns = 1 + chance_.below(20); turns > 0; --turns) VirtualThreads::pause();
  judge_.check_bytes("slow copy", *handle.object, stream->chunk_begin(index), chunk.data(), end);
  chunk.unpin();
  judge_.note("end of the slow copy of " + InvariantWatch::name_of(*stream, index));
}

void ScheduleCallers::view(Caller& caller, Handle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->size() == 0) return;
  judge_.note("view of " + InvariantWatch::name_of(*stream, 0));
  CallerInterrupt interrupt(*this, caller);
  caller.asks_for_view = true;
  Result<std::shared_ptr<ViewRegion>> region =
      view_stream(scheduler_, *stream, {.progress_limit = kProgressLimit}, interrupt);
  if (outcome(caller, "view", *stream, *handle.object, region.status())) {
    ++counts_.views;
    watch_.view_made(stream->sequence(), *region);
    judge_.check_bytes("view", *handle.object, 0, (*region)->data(), (*region)->size());
    caller.views.push_back({handle.object, stream->sequence(), std::move(region).value()});
  }
  caller.asks_for_view = false;
}

void ScheduleCallers::drop_view(Caller& caller) {
  const auto& [object, sequence, region] = caller.views.back();
  judge_.check_dropped_view(*object, *region);
  judge_.note("end of a view of " + object->key);
  watch_.view_dropped(sequence);
  caller.views.pop_back();
}

}  // namespace ossmc
