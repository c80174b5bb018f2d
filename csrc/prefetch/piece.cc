#include "prefetch/piece.h"

#include "base/wait.h"

namespace ossmc {

void end_piece(Piece& piece, const Status& status) {
  // The piece may go with its call as soon as that sees the end.
  const std::shared_ptr<PieceCall> call = piece.call;
  piece.status = status;
  piece.is_done.store(true, std::memory_order_release);
  // Whoever sees this finds the piece that has failed.
  if (!status.is_ok()) call->has_failed.store(true, std::memory_order_release);
  // Sequentially consistent with who notes what he awaits, then looks at what is missing.
  const std::uint32_t left = call->missing.fetch_sub(1) - 1;
  if (left <= call->wake_at.load(std::memory_order_relaxed) || !status.is_ok() ||
      call->awaited.load() == &piece)
    futex_wake_all(call->missing);
}

}  // namespace ossmc
