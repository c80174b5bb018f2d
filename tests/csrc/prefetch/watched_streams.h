// WatchedStreams: what the watch of a random schedule knows of the objects that are open and of
// their chunks: what anybody may see, and books of its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "csrc/prefetch/refused_memory.h"
#include "memory/page_pool.h"
#include "memory/view_region.h"
#include "prefetch/object_stream.h"

namespace ossmc {

struct WatchOptions {
  std::uint32_t chunk_bytes = 0;
  const PagePool* pool = nullptr;         // what the budget counts are its blocks
  const RefusedMemory* memory = nullptr;  // null: there is always some
  // So much may lie unread in any case before prefetch takes no fresh memory.
  std::uint64_t least_ready_bytes = UINT64_MAX;
  // Between these is the usual number of slots of an I/O thread.
  int least_slots = 0;
  int most_slots = 0;
  // False where threads give way in the middle of a question: then what happened during it was
  // not all its doing.
  bool around_questions = true;
};

// The key and the chunk, for people.
std::string chunk_name(const ObjectStream& stream, std::uint64_t index);

// Used by the one real thread of a run.
class WatchedStreams {
 public:
  using Work = ChunkSlot::Work;
  // What is known of a chunk.
  struct Seen {
    // As of the last look.
    ChunkPhase phase = ChunkPhase::kAbsent;
    Work work = Work::kNone;
    std::uint32_t pins = 0;
    std::uint32_t claims = 0;
    bool consumed = false;
    bool has_region = false;  // its object has
    // The books.
    std::uint64_t urgent_since = 0;  // its place in line
    bool was_fetched = false;        // completely
    bool retry_counted = false;
    const Piece* piece = nullptr;  // of a call that receives the chunk, if it was started
  };
  struct Watched {
    std::weak_ptr<ObjectStream> weak;
    bool is_swept = false;
    bool is_swept_again = false;  // from some chunk on: one was given up unread
    bool first_asked = false;
    std::optional<std::uint64_t> read_through;
    bool gave_up_read = false;
    bool left_sweep = false;           // for its reads jump
    std::weak_ptr<ViewRegion> region;  // of the last view
    std::uint64_t region_bytes = 0;
    int views = 0;
    std::vector<Seen> chunks;
  };
  struct Place {
    Watched* watched = nullptr;
    std::shared_ptr<ObjectStream> stream;
    std::uint64_t index = 0;
    ChunkSlot& slot() const { return stream->slot(index); }
    Seen& seen() const { return watched->chunks[index]; }
  };

  explicit WatchedStreams(const WatchOptions& options) : options_(options) {}
  WatchedStreams(const WatchedStreams&) = delete;
  WatchedStreams& operator=(const WatchedStreams&) = delete;

  // --- by the run ---
  // Somebody is about to open it: there may be fetches of it before opened() tells of the stream.
  void will_open(const std::string& key) { ++being_opened_[key]; }
  void opened(const std::shared_ptr<ObjectStream>& stream, bool is_swept);
  int being_opened(const std::string& key) { return being_opened_[key]; }
  // The last sequential read of it ended with the last byte of that chunk, or elsewhere.
  void read_through(const ObjectStream& stream, std::optional<std::uint64_t> index);
  // A sequential read of it was given up: what it waited for, nothing reads ahead any more.
  void read_given_up(const ObjectStream& stream) {
    streams_[stream.sequence()].gave_up_read = true;
  }
  // A read of it may have received in its caller's memory, or jumped: it goes on as if nobody had
  // read.
  void read_in_pieces(const ObjectStream& stream) {
    streams_[stream.sequence()].read_through.reset();
  }
  // A request of a piece did not bring it: the object may be one that cannot be fetched any more.
  void piece_failed(const std::string& key);
  int sweeps_ended() const;
  // A caller has a view of it, or no longer.
  void view_made(std::uint64_t sequence, const std::shared_ptr<ViewRegion>& region);
  void view_dropped(std::uint64_t sequence) { --streams_[sequence].views; }
  int views(std::uint64_t sequence) const { return streams_.at(sequence).views; }
  bool any_view() const;
  // Whom somebody waits for who waits there.
  std::string where(const void* word);

  // --- by the watch ---
  // How many slots can be looked at: an object that is being opened has one, whatever it will be.
  static std::uint64_t slots_of(const ObjectStream& stream) {
    return std::max<std::uint64_t>(1, stream.chunk_count());
  }
  const std::map<std::uint64_t, Watched>& all() const { return streams_; }  // by sequence
  // Calls visit(place) for every chunk of every stream that is not closed, in the order of open.
  template <typename Visit>
  void for_each_chunk(Visit visit) {
    for (auto& [sequence, watched] : streams_) {
      Place place{&watched, watched.weak.lock(), 0};
      if (place.stream == nullptr || place.stream->is_closed()) continue;
      watched.chunks.resize(std::max<std::size_t>(watched.chunks.size(), slots_of(*place.stream)));
      for (; place.index < watched.chunks.size(); ++place.index) visit(place);
    }
  }
  // Takes down what is to be seen, and since when what is urgent is so.
  void look();
  std::optional<Place> place_of(const ByteSink& sink);
  // Of a piece that is a whole chunk.
  std::optional<Place> place_of_piece(const ByteSink& sink);
  // What a fetch of it has to reserve.
  std::uint64_t bytes_of(const ObjectStream& stream, std::uint64_t index) const;
  static bool is_evictable(const Place& place);
  std::uint64_t evictable_bytes(bool consumed_only);
  std::uint64_t unread_bytes();  // in memory, and not in a region
  // The most that one of those who came first in line needs; none: nobody is in line.
  std::optional<std::uint64_t> first_in_line_needs();

 private:
  const WatchOptions& options_;
  std::map<std::uint64_t, Watched> streams_;  // by sequence
  std::map<std::string, int> being_opened_;   // by key
};

}  // namespace ossmc
