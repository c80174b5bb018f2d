// OpenedStreams: objects that were asked for and that no reader has yet.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/wait.h"
#include "connector/engine.h"
#include "prefetch/object_stream.h"
#include "protocol/object_name.h"

namespace ossmc {

// One thread. Keeps the engine. Those that were not handed over are closed at its end, whatever
// happens.
class OpenedStreams {
 public:
  explicit OpenedStreams(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}
  OpenedStreams(OpenedStreams&&) = default;
  OpenedStreams& operator=(OpenedStreams&&) = delete;
  ~OpenedStreams();

  // Asks for it, and does not wait.
  void open(ObjectName name, StreamOptions options);
  // Until all are open; the first failure in the order of open.
  Status wait(Duration limit, Interrupt& interrupt) const;

  Scheduler& scheduler() const { return engine_->scheduler(); }
  const std::vector<std::shared_ptr<ObjectStream>>& all() const { return streams_; }
  void hand_over() { streams_.clear(); }

 private:
  std::shared_ptr<Engine> engine_;
  std::vector<std::shared_ptr<ObjectStream>> streams_;
};

}  // namespace ossmc
