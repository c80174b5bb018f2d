// PieceLine: the pieces that wait to be started. Calls take turns, each with its pieces in order.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "prefetch/piece.h"

namespace ossmc {

// Guarded by the scheduler's mutex, which owns it.
//
// Holds: a piece is here until it is started, or its call or its object ends. Small ones, and the
// first of a call, are urgent; the others are bulk: they take no connection that prefetch may not
// take.
class PieceLine {
 public:
  using PiecePtr = std::shared_ptr<Piece>;

  explicit PieceLine(std::uint32_t bulk_bytes = PieceSizes().bulk_bytes)
      : bulk_bytes_(bulk_bytes) {}

  // Behind the others of their call, which is the same for all.
  void add(const std::vector<PiecePtr>& pieces);
  // The same, all of them bulk.
  void add_bulk(const std::vector<PiecePtr>& pieces);
  bool has_urgent() const { return !urgent_.empty(); }
  bool empty() const { return urgent_.empty() && bulk_.empty(); }
  // The next one, out of the line; its call is last in turn then. Null: there is none.
  PiecePtr take_urgent() { return take(urgent_, urgent_.begin()); }
  PiecePtr take_bulk() { return take(bulk_, bulk_.begin()); }
  // The next one of a call of which nothing is being received.
  PiecePtr take_first_urgent();
  // Somebody waits for its chunk: it comes before all others, if it is in line.
  void hurry(const Piece& piece);
  // Those that leave the line.
  std::vector<PiecePtr> remove_call(const PieceCall& call);
  std::vector<PiecePtr> remove_stream(const ObjectStream& stream);
  std::vector<PiecePtr> remove_streams(const std::function<bool(const ObjectStream&)>& leaves);

 private:
  struct Turn {
    const PieceCall* call = nullptr;
    std::deque<PiecePtr> pieces;  // never empty
  };
  using Turns = std::deque<Turn>;
  static void add_to(Turns& turns, const PiecePtr& piece);
  static PiecePtr take(Turns& turns, const Turns::iterator& next);
  template <typename Leaves>
  std::vector<PiecePtr> remove_if(const Leaves& leaves);

  const std::uint32_t bulk_bytes_;
  Turns urgent_;
  Turns bulk_;
};

}  // namespace ossmc
