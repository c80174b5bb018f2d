#include "csrc/prefetch/schedule_views.h"

#include <cstddef>
#include <iterator>
#include <utility>

#include "prefetch/object_view.h"

namespace ossmc {

void ScheduleViews::ask(Views& views, const ScheduleHandle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->size() == 0) return;
  parts_.judge.note("view of " + chunk_name(*stream, 0));
  ScheduleCall call(parts_, ScheduleCall::What::kView);
  Result<std::shared_ptr<ViewRegion>> region =
      view_stream(parts_.scheduler, *stream, call.options(), call);
  if (!call.ended("view", *stream, *handle.object, region.status())) return;
  ++parts_.counts.views;
  if (had_views_.erase(stream->sequence()) > 0) ++parts_.counts.views_again;
  parts_.judge.watch().streams().view_made(stream->sequence(), *region);
  parts_.judge.check_bytes("view", *handle.version, 0, {(*region)->data(), (*region)->size()});
  views.push_back({stream, stream->sequence(), handle.version, std::move(region).value()});
}

void ScheduleViews::drop(Views& views) {
  const std::size_t which = parts_.chance.below(views.size());
  const View view = std::move(views[which]);
  views.erase(views.begin() + static_cast<std::ptrdiff_t>(which));
  parts_.judge.check_bytes("a view that is dropped", *view.version, 0,
                           {view.region->data(), view.region->size()});
  parts_.judge.note("end of a view of " + view.version->fake.etag);
  parts_.judge.watch().streams().view_dropped(view.sequence);
  const std::shared_ptr<ObjectStream> stream = view.stream.lock();
  if (stream == nullptr || stream->is_closed()) ++parts_.counts.views_that_outlived_objects;
  if (parts_.judge.watch().streams().views(view.sequence) > 0) {
    ++parts_.counts.views_dropped_beside_others;
  } else {
    had_views_.insert(view.sequence);
  }
}

void ScheduleViews::leave(Views& views) {
  left_.insert(left_.end(), std::make_move_iterator(views.begin()),
               std::make_move_iterator(views.end()));
  views.clear();
}

void ScheduleViews::drop_left() {
  while (!left_.empty()) drop(left_);
}

}  // namespace ossmc
