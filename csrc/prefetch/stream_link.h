// StreamLink: a stream in one of the scheduler's lists, by plain pointer. Lists do not keep streams
// alive: whoever closes a stream takes it out of all of them. Where assertions are on, a stream
// counts its links, and asserts at its end that none is left.
#pragma once

#include "prefetch/object_stream.h"

namespace ossmc {

// Guarded by the scheduler's mutex, as are the lists.
class StreamLink {
 public:
  explicit StreamLink(ObjectStream* stream) : stream_(stream) { count(1); }
  StreamLink(const StreamLink& other) : StreamLink(other.stream_) {}
  StreamLink& operator=(const StreamLink&) = delete;
  ~StreamLink() { count(-1); }

  ObjectStream* get() const { return stream_; }
  ObjectStream& operator*() const { return *stream_; }
  ObjectStream* operator->() const { return stream_; }

 private:
  void count([[maybe_unused]] int change) {
#ifndef NDEBUG
    stream_->plan.links += change;
#endif
  }

  ObjectStream* const stream_;
};

}  // namespace ossmc
