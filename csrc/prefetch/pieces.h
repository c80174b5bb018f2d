// Pieces: what reads that receive in their callers' memory need of the scheduler
// (docs/decisions/0010-reads-that-cost-what-they-ask.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "prefetch/nearby_bytes.h"
#include "prefetch/piece.h"
#include "prefetch/read_options.h"
#include "prefetch/read_plan.h"
#include "prefetch/scheduler_state.h"

namespace ossmc {

// Bytes from `first` on fill `second`.
using StreamPart = std::pair<std::uint64_t, std::span<std::byte>>;

// How the bytes of a read come.
struct PieceStart {
  std::vector<StreamPart> by_chunks;           // through chunk memory
  std::vector<std::shared_ptr<Piece>> pieces;  // by these, which have been asked for
  // Not null: the one part lies in there when its piece has come.
  std::shared_ptr<NearbyBytes> window;
};

// Thread-safe. Owned by the Scheduler; works on its state.
class Pieces {
 public:
  // `owner`: of the fetches, told of those that waited for a retry.
  Pieces(SchedulerState& state, ChunkFetchOwner& owner) : state_(state), owner_(owner) {}

  // What came round earlier reads and has the byte at `offset`; null: nothing has.
  std::shared_ptr<const NearbyBytes> nearby(const ObjectStream& stream, std::uint64_t offset) const;
  // A read of `parts` of the object finds nothing at the first of them, nor nearby.
  PieceStart start(const std::shared_ptr<ObjectStream>& stream, std::span<const StreamPart> parts,
                   const std::shared_ptr<PieceCall>& call, const ReadOptions& options);
  // All chunks of the object in [first, last), for their CRC-64 alone.
  std::vector<std::shared_ptr<Piece>> start_check(const std::shared_ptr<ObjectStream>& stream,
                                                  std::uint64_t first, std::uint64_t last,
                                                  const std::shared_ptr<PieceCall>& call);
  // The call is over, and its memory has been taken back. Ends what it has asked for still.
  // `handed_out`: its caller has the bytes.
  void end(const PieceCall& call, std::span<const std::shared_ptr<Piece>> pieces, bool handed_out);
  // What later small reads may find.
  void keep_window(ObjectStream& stream, std::shared_ptr<const NearbyBytes> window);

 private:
  bool is_cold(ObjectStream& stream, const PlannedPiece& planned) OSSMC_REQUIRES(state_.mutex);
  ColdRead note_cold_read(ObjectStream& stream, std::uint64_t begin, std::uint64_t end,
                          bool by_cursor, std::vector<ChunkFetch*>* parked, bool* sweep_goes_on)
      OSSMC_REQUIRES(state_.mutex);
  std::shared_ptr<Piece> widen(const std::shared_ptr<ObjectStream>& stream,
                               const PlannedPiece& planned, std::uint64_t window_bytes,
                               const std::shared_ptr<PieceCall>& call, bool is_look,
                               PieceStart* start) OSSMC_REQUIRES(state_.mutex);
  bool end_piece_of(const Piece& piece, bool handed_out) OSSMC_REQUIRES(state_.mutex);
  void finish_parked(const std::vector<ChunkFetch*>& parked);

  SchedulerState& state_;
  ChunkFetchOwner& owner_;
};

}  // namespace ossmc
