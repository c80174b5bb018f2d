#include "connector/opened_streams.h"

#include "prefetch/object_open.h"

namespace ossmc {

OpenedStreams::~OpenedStreams() {
  for (const auto& stream : streams_) scheduler().objects().close(*stream);
}

void OpenedStreams::open(ObjectName name, StreamOptions options) {
  streams_.push_back(scheduler().objects().open(std::move(name), std::move(options)));
}

Status OpenedStreams::wait(Duration limit, Interrupt& interrupt) const {
  for (const auto& stream : streams_) {
    const Status status = wait_until_open(scheduler(), *stream, limit, interrupt);
    if (!status.is_ok()) return status;
  }
  return Status::ok();
}

}  // namespace ossmc
