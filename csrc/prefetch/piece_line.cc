#include "prefetch/piece_line.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace ossmc {

void PieceLine::add(const std::vector<PiecePtr>& pieces) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const bool is_urgent = i == 0 || pieces[i]->sink.length() < bulk_bytes_;
    add_to(is_urgent ? urgent_ : bulk_, pieces[i]);
  }
}

void PieceLine::add_bulk(const std::vector<PiecePtr>& pieces) {
  for (const PiecePtr& piece : pieces) add_to(bulk_, piece);
}

void PieceLine::add_to(Turns& turns, const PiecePtr& piece) {
  const PieceCall* const call = piece->call.get();
  const auto found = std::find_if(turns.rbegin(), turns.rend(),
                                  [&](const Turn& turn) { return turn.call == call; });
  if (found != turns.rend()) {
    found->pieces.push_back(piece);
  } else {
    turns.push_back({call, {piece}});
  }
}

PieceLine::PiecePtr PieceLine::take_first_urgent() {
  return take(urgent_, std::find_if(urgent_.begin(), urgent_.end(),
                                    [](const Turn& turn) { return turn.call->in_flight == 0; }));
}

PieceLine::PiecePtr PieceLine::take(Turns& turns, const Turns::iterator& next) {
  if (next == turns.end()) return nullptr;
  Turn turn = std::move(*next);
  turns.erase(next);
  PiecePtr piece = std::move(turn.pieces.front());
  turn.pieces.pop_front();
  if (!turn.pieces.empty()) turns.push_back(std::move(turn));
  return piece;
}

template <typename Leaves>
std::vector<PieceLine::PiecePtr> PieceLine::remove_if(const Leaves& leaves) {
  std::vector<PiecePtr> removed;
  for (Turns* const turns : {&urgent_, &bulk_}) {
    for (Turn& turn : *turns) {
      const auto leave = [&](const PiecePtr& piece) { return leaves(*piece); };
      std::ranges::copy_if(turn.pieces, std::back_inserter(removed), leave);
      std::erase_if(turn.pieces, leave);
    }
    std::erase_if(*turns, [](const Turn& turn) { return turn.pieces.empty(); });
  }
  return removed;
}

void PieceLine::hurry(const Piece& piece) {
  const std::vector<PiecePtr> found =
      remove_if([&](const Piece& candidate) { return &candidate == &piece; });
  for (const PiecePtr& it : found) urgent_.push_front({it->call.get(), {it}});
}

std::vector<PieceLine::PiecePtr> PieceLine::remove_call(const PieceCall& call) {
  return remove_if([&](const Piece& piece) { return piece.call.get() == &call; });
}

std::vector<PieceLine::PiecePtr> PieceLine::remove_stream(const ObjectStream& stream) {
  return remove_if([&](const Piece& piece) { return piece.stream.get() == &stream; });
}

std::vector<PieceLine::PiecePtr> PieceLine::remove_streams(
    const std::function<bool(const ObjectStream&)>& leaves) {
  return remove_if([&](const Piece& piece) { return leaves(*piece.stream); });
}

}  // namespace ossmc
