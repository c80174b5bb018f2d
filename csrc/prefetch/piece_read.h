// PieceRead: the part of a call that receives in its caller's memory: asks for it, waits, and takes
// the memory back.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/wait.h"
#include "prefetch/pieces.h"
#include "prefetch/read_options.h"
#include "prefetch/scheduler.h"

namespace ossmc {

// Used once, by one thread. However it ends, no exchange writes to the caller's memory after its
// destruction.
class PieceRead {
 public:
  PieceRead(Scheduler& scheduler, const ReadOptions& options, Interrupt& interrupt)
      : scheduler_(scheduler), options_(options), interrupt_(interrupt) {}
  ~PieceRead() { end(false); }
  PieceRead(const PieceRead&) = delete;
  PieceRead& operator=(const PieceRead&) = delete;

  // The parts that do not come this way: they are to be read from chunks. More than one object may
  // be asked for, one after the other.
  std::vector<StreamPart> start(const std::shared_ptr<ObjectStream>& stream,
                                std::span<const StreamPart> parts);
  // All chunks of the object, for their CRC-64 alone, to the end. Nothing is kept.
  Status check(const std::shared_ptr<ObjectStream>& stream);
  // Until all is there, and the caller has it. The errors of a read.
  Status wait();
  bool has_waited() const { return has_waited_; }

 private:
  void take_nearby(const ObjectStream& stream, StreamPart* part);
  Status wait_for_fewer(std::uint32_t than);
  Status failure() const;
  Status no_progress() const;
  std::uint64_t filled_bytes() const;
  void end(bool handed_out);

  Scheduler& scheduler_;
  const ReadOptions& options_;
  Interrupt& interrupt_;
  std::shared_ptr<PieceCall> call_;  // null: nothing was asked for
  std::vector<std::shared_ptr<Piece>> pieces_;
  // More than was asked for; the part of the read lies in there when it has come.
  struct Window {
    std::shared_ptr<ObjectStream> stream;
    std::shared_ptr<NearbyBytes> bytes;
    StreamPart part;
  };
  std::vector<Window> windows_;
  bool has_waited_ = false;
};

}  // namespace ossmc
