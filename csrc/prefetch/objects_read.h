// ObjectsRead: many objects, each of them whole, in the order in which they are asked for; as many
// are on their way as there is room for (docs/decisions/0014-many-small-objects.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/wait.h"
#include "memory/budget.h"
#include "prefetch/piece.h"
#include "prefetch/scheduler.h"
#include "protocol/object_name.h"

namespace ossmc {

// How far it reads ahead of who takes.
struct ReadAhead {
  std::uint64_t bytes = 0;
  std::size_t objects = 0;
};

// An object that was taken. What it points to is there until the next call.
struct TakenObject {
  Status status;                     // not OK: what is wrong with it
  bool is_alone = false;             // it has no bytes yet: a reader of its own is to read it
  bool is_in_place = false;          // its bytes are where Make has put them
  std::span<const std::byte> bytes;  // else here
  // Of one that has its bytes: what the replies told of it.
  std::shared_ptr<ObjectStream> stream;
};

// One thread at a time, which makes the calls in this order, again and again: add() as often as
// wants() says, start(), wait(), take() as long as is_ready(). Owns the streams and pieces of what
// it has asked for. However it ends, no exchange writes to its caller's memory after that. A forked
// child must leak one that it inherited.
class ObjectsRead {
 public:
  // Memory for all bytes of the object of that number (they count from 0, as they are added), to
  // stay until it is taken or this ends. Null: there is none.
  using Make = std::function<std::byte*(std::uint64_t number, std::uint64_t size)>;

  // `progress_limit`: the longest that it may go without one new byte of the object it waits for.
  ObjectsRead(Scheduler& scheduler, ReadAhead ahead, Duration progress_limit)
      : scheduler_(scheduler), ahead_(ahead), progress_limit_(progress_limit) {}
  ~ObjectsRead() { end(); }
  ObjectsRead(const ObjectsRead&) = delete;
  ObjectsRead& operator=(const ObjectsRead&) = delete;

  // Puts it behind the others. `listed`: the version that it must be.
  void add(ObjectName name, std::optional<ListedVersion> listed);
  // How many more there is room for now; those before have been asked for then.
  std::size_t wants() const;
  bool is_empty() const { return items_.empty(); }
  // Asks for what there is room for. Does not block.
  void start(const Make& make);
  // Until the first object is ready, or start() has something to do. An error: of the wait or of
  // the connector, not of an object.
  Status wait(Interrupt& interrupt);
  // The first object has come, or never will.
  bool is_ready() const;
  // The first one, out of the line. REQUIRES: is_ready().
  TakenObject take();
  // Gives up all. Blocks as long as a copy takes.
  void end();

 private:
  enum class Way : std::uint8_t {
    kPieces,   // in its caller's memory
    kUnsized,  // its size is not known: the first piece brings it
    kHead,     // it is empty by the listing's word, which a HEAD checks
  };
  struct Item {
    ObjectName name;
    std::optional<ListedVersion> listed;
    std::uint64_t number = 0;
    Way way = Way::kPieces;
    std::uint64_t asked_bytes = 0;  // of the read-ahead
    std::shared_ptr<ObjectStream> stream;
    std::shared_ptr<LentMemory> memory;
    std::byte* to = nullptr;
    std::vector<std::shared_ptr<Piece>> pieces;
    Status failure;  // of the wait for it, or of its start
  };

  std::uint64_t first_range_bytes() const;
  std::uint64_t bytes_to_ask(const Item& item) const;
  std::size_t most_to_start() const;
  void begin(Item& item, std::uint64_t sequence, const Make& make);
  void ask_from(Item& item, std::uint64_t offset, const Make& make);
  void ask_for_rests(const Make& make);
  void send();
  bool has_grown(const Item& item) const;
  const Piece* awaited(const Item& item) const;
  Status wait_for_pieces(Item& item, Interrupt& interrupt);
  void gather();
  static std::uint64_t filled_bytes(const Item& item);
  Status no_progress(const Item& item) const;
  TakenObject outcome(const Item& item) const;
  void put_away(Item& item);

  Scheduler& scheduler_;
  const ReadAhead ahead_;
  const Duration progress_limit_;
  const std::shared_ptr<PieceCall> call_ = std::make_shared<PieceCall>();

  std::deque<Item> items_;
  std::size_t started_ = 0;  // of the first ones
  std::uint64_t next_number_ = 0;
  std::uint64_t asked_bytes_ = 0;
  std::uint32_t grown_seen_ = 0;
  Ticket ticket_;            // for what is asked for
  bool has_waited_ = false;  // for the first one
  std::optional<Item> taken_;
  // Of start(): to be put in line; and of take(): done with.
  std::vector<std::shared_ptr<ObjectStream>> new_streams_;
  std::vector<std::shared_ptr<Piece>> new_pieces_;
  std::vector<std::shared_ptr<ObjectStream>> done_;
};

}  // namespace ossmc
