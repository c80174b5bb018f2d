// ObjectFlow: a connector's reading of many whole objects.
#pragma once

#include <memory>
#include <utility>

#include "base/status.h"
#include "connector/connector.h"
#include "prefetch/objects_read.h"

namespace ossmc {

// One thread at a time. Keeps the engine. A forked child must leak one that it inherited.
class ObjectFlow {
 public:
  // Of `ahead`, what is 0 is chosen. Starts the engine, if it does not run.
  static Result<std::unique_ptr<ObjectFlow>> make(Connector& connector, ReadAhead ahead);

  // Puts it behind the others. kInvalidArgument: its name is none.
  Status add(const ObjectToOpen& object);
  ObjectsRead& read() { return read_; }

 private:
  ObjectFlow(const Connector& connector, std::shared_ptr<Engine> engine, ReadAhead ahead)
      : connector_(connector),
        engine_(std::move(engine)),
        read_(engine_->scheduler(), ahead, connector.config().read_timeout) {}

  const Connector& connector_;  // outlives it
  const std::shared_ptr<Engine> engine_;
  ObjectsRead read_;
};

}  // namespace ossmc
