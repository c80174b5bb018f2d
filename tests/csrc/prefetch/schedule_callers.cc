#include "csrc/prefetch/schedule_callers.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "prefetch/object_open.h"

namespace ossmc {

void ScheduleCallers::add_all() {
  for (const int actions : parts_.shape.caller_actions) {
    Caller& caller = *callers_.emplace_back(std::make_unique<Caller>());
    caller.actions_left = actions;
    caller.thread = parts_.virtual_threads.add([this, &caller] { call(caller); },
                                               /*may_wait=*/true);
  }
}

void ScheduleCallers::add_closer() {
  Caller& closer = *callers_.emplace_back(std::make_unique<Caller>());
  closer.thread = parts_.virtual_threads.add([this] { close_all(); }, /*may_wait=*/true);
}

bool ScheduleCallers::all_finished() const {
  return std::all_of(callers_.begin(), callers_.end(), [this](const auto& caller) {
    return parts_.virtual_threads.finished(caller->thread);
  });
}

std::vector<const void*> ScheduleCallers::waiting() const {
  std::vector<const void*> words;
  for (const auto& caller : callers_) {
    if (parts_.virtual_threads.waits(caller->thread))
      words.push_back(parts_.virtual_threads.waits_on(caller->thread));
  }
  return words;
}

void ScheduleCallers::drop_all() {
  callers_.clear();
  handles_.clear();
}

void ScheduleCallers::call(Caller& caller) {
  Chance& chance = parts_.chance;
  while (caller.actions_left-- > 0 && !parts_.judge.has_complaint()) {
    act(caller);
    parts_.judge.check_wake_up(parts_.virtual_threads.take_unwoken());
    for (std::uint64_t turns = chance.one_in(3) ? chance.below(6) : 0; turns > 0; --turns)
      VirtualThreads::pause();
  }
  while (!caller.views.empty() && !chance.one_in(4)) views_.drop(caller.views);
  views_.leave(caller.views);
}

void ScheduleCallers::act(Caller& caller) {
  Chance& chance = parts_.chance;
  if (handles_.empty() || (handles_.size() < 8 && chance.one_in(4))) {
    if (chance.one_in(parts_.shape.known_one_in)) {
      open_known();
    } else {
      open();
    }
    return;
  }
  if (parts_.asking_for_views > 0 && chance.one_in(8)) return close_one();
  if (parts_.shape.views_one_in != 0 && chance.one_in(parts_.shape.views_one_in))
    return act_on_views(caller);
  const std::shared_ptr<ScheduleHandle> handle = some_handle();
  switch (chance.below(16)) {
    case 0:
      return close_one();
    case 1:
    case 2:
    case 3:
      return reads_.read_at(*handle);
    case 4:
    case 5:
      return reads_.read_ranges(*handle);
    case 6:
      return reads_.read_line(*handle);
    case 7:
      return reads_.copy_slowly(*handle);
    case 8:
      return reads_.read_backwards(*handle);
    default:
      for (std::uint64_t times = 1 + chance.below(4); times > 0 && !parts_.judge.has_complaint();
           --times)
        reads_.read_on(*handle);
  }
}

// Asks for one, or for several of one object; drops one.
void ScheduleCallers::act_on_views(Caller& caller) {
  Chance& chance = parts_.chance;
  if (!caller.views.empty() && chance.one_in(3)) return views_.drop(caller.views);
  const std::shared_ptr<ScheduleHandle> handle = some_handle();
  do {
    views_.ask(caller.views, *handle);
  } while (!parts_.judge.has_complaint() && !handle->stream->is_closed() && chance.one_in(3));
}

std::shared_ptr<ScheduleHandle> ScheduleCallers::some_handle() {
  return handles_[parts_.chance.below(handles_.size())];
}

// As Connector::open_many does it.
void ScheduleCallers::open() {
  Chance& chance = parts_.chance;
  WatchedStreams& watched = parts_.judge.watch().streams();
  ScheduleCall call(parts_, ScheduleCall::What::kOpen);
  std::vector<std::shared_ptr<ScheduleHandle>> opened;
  for (std::uint64_t count = chance.one_in(3) ? 1 + chance.below(5) : 1; count > 0; --count) {
    const StoredObject& object = objects_[chance.below(objects_.size())];
    watched.will_open(object.key);
    auto stream = parts_.scheduler.objects().open({"bucket", object.key});
    watched.opened(stream, true);
    parts_.judge.note("open " + chunk_name(*stream, 0));
    opened.push_back(std::make_shared<ScheduleHandle>(ScheduleHandle{std::move(stream), &object}));
  }
  bool all_open = true;
  for (const auto& handle : opened) {
    const Status status = wait_until_open(parts_.scheduler, *handle->stream, call.limit(), call);
    all_open = all_open && call.ended("open", *handle->stream, *handle->object, status);
    if (!all_open) break;
    handle->version = parts_.judge.check_version(*handle->stream, *handle->object);
  }
  // After a complaint nobody goes on.
  all_open = all_open && !parts_.judge.has_complaint();
  for (const auto& handle : opened) {
    if (!all_open) {
      parts_.scheduler.objects().close(*handle->stream);
    } else {
      handles_.push_back(handle);
    }
  }
}

// As in a child process, of a reader that its parent had: the object may be another by now.
void ScheduleCallers::open_known() {
  Chance& chance = parts_.chance;
  const StoredObject& object = objects_[chance.below(objects_.size())];
  if (object.is_missing) return;
  const StoredVersion& known = object.versions[chance.below(object.versions.size())];
  ObjectVersion version;
  version.size = known.fake.size;
  version.etag = known.fake.etag;
  version.crc64 = known.crc;
  WatchedStreams& watched = parts_.judge.watch().streams();
  const std::uint64_t unprefetched = parts_.shape.unprefetched_one_in;
  const bool prefetches = unprefetched == 0 || !chance.one_in(unprefetched);
  watched.will_open(object.key);
  StreamOptions options;
  options.prefetches = prefetches;
  auto stream = parts_.scheduler.objects().open_known({"bucket", object.key}, version, options);
  if (!stream.is_ok()) return parts_.judge.complain("open_known: " + stream.status().message());
  watched.opened(*stream, false);
  if (!prefetches) ++parts_.counts.not_prefetched;
  parts_.judge.note("open_known " + chunk_name(**stream, 0) +
                    (prefetches ? "" : ", not prefetched"));
  handles_.push_back(std::make_shared<ScheduleHandle>(ScheduleHandle{*stream, &object, &known, 0}));
}

void ScheduleCallers::close_one() {
  const std::size_t victim = parts_.chance.below(handles_.size());
  const std::shared_ptr<ScheduleHandle> handle = handles_[victim];
  handles_.erase(handles_.begin() + static_cast<std::ptrdiff_t>(victim));
  parts_.judge.note("close " + chunk_name(*handle->stream, 0));
  parts_.scheduler.objects().close(*handle->stream);
}

void ScheduleCallers::close_all() {
  while (!handles_.empty() && !parts_.chance.one_in(6)) close_one();
  if (!handles_.empty()) {
    parts_.scheduler.objects().close_all();
    handles_.clear();
  }
  views_.drop_left();
  parts_.judge.check_memory_closed();
}

}  // namespace ossmc
