#include "prefetch/objects_read.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/counters.h"
#include "prefetch/object_open.h"

namespace ossmc {

namespace {

// Of an object whose size is not known so much is asked for at first.
constexpr std::uint32_t kFirstRangeBytes = 256u << 10;

// Who waits for the first one waits a little for those behind it: to be woken and to ask for more,
// one by one, costs as much as a third of a request.
constexpr std::size_t kTakenTogether = 32;
constexpr Duration kGatherTime = std::chrono::milliseconds(1);

Status its_connector_closed() {
  return Status(StatusCode::kClosed, "the connector was closed: make a new one");
}

// Of the connector or of the call, and not of the object.
bool ends_the_read(StatusCode code) {
  return code == StatusCode::kClosed || code == StatusCode::kInterrupted;
}

}  // namespace

void ObjectsRead::add(ObjectName name, std::optional<ListedVersion> listed) {
  Item item;
  item.name = std::move(name);
  item.listed = std::move(listed);
  item.number = next_number_++;
  if (!item.listed) {
    item.way = Way::kUnsized;
  } else if (item.listed->size == 0) {
    item.way = Way::kHead;
  }
  items_.push_back(std::move(item));
}

std::size_t ObjectsRead::wants() const {
  if (started_ < items_.size() || asked_bytes_ >= ahead_.bytes) return 0;
  return ahead_.objects - std::min(ahead_.objects, items_.size());
}

std::uint64_t ObjectsRead::first_range_bytes() const {
  return std::min(kFirstRangeBytes, scheduler_.chunk_bytes());
}

std::uint64_t ObjectsRead::bytes_to_ask(const Item& item) const {
  switch (item.way) {
    case Way::kPieces:
      return item.listed->size;
    case Way::kUnsized:
      return first_range_bytes();
    default:
      return 0;
  }
}

// One at least, if none is on its way: it is waited for.
std::size_t ObjectsRead::most_to_start() const {
  std::size_t count = 0;
  std::uint64_t bytes = asked_bytes_;
  for (std::size_t i = started_; i < items_.size() && i < ahead_.objects; ++i, ++count) {
    bytes += bytes_to_ask(items_[i]);
    if (bytes > ahead_.bytes && i > 0) break;
  }
  return count;
}

void ObjectsRead::start(const Make& make) {
  scheduler_.whole_objects().retire(done_);
  done_.clear();
  ask_for_rests(make);
  const std::size_t most = most_to_start();
  if (most > 0) {
    std::vector<std::uint64_t> sizes(most);
    for (std::size_t i = 0; i < most; ++i) sizes[i] = bytes_to_ask(items_[started_ + i]);
    WholeObjects::Admitted admitted = scheduler_.whole_objects().admit(sizes, started_ == 0);
    ticket_.absorb(std::move(admitted.ticket));
    for (std::size_t i = 0; i < admitted.count; ++i) {
      Item& item = items_[started_];
      item.asked_bytes = sizes[i];
      asked_bytes_ += sizes[i];
      ++started_;
      begin(item, admitted.sequence + i, make);
    }
  }
  send();
}

void ObjectsRead::begin(Item& item, std::uint64_t sequence, const Make& make) {
  StreamOptions options{.prefetches = item.way == Way::kHead, .listed = item.listed};
  if (item.way == Way::kHead) {
    item.stream = scheduler_.objects().open(item.name, std::move(options));
    return;
  }
  item.memory = std::make_shared<LentMemory>();
  item.stream = std::make_shared<ObjectStream>(item.name, sequence, scheduler_.chunk_bytes(),
                                               std::move(options));
  new_streams_.push_back(item.stream);
  if (item.way == Way::kUnsized) {
    item.pieces.push_back(std::make_shared<Piece>(item.stream, 0, 0,
                                                  static_cast<std::uint32_t>(first_range_bytes()),
                                                  std::vector<SinkPart>(), call_, item.memory));
    new_pieces_.push_back(item.pieces.back());
    return;
  }
  const ObjectVersion version = version_of(*item.listed);
  Result<ChunkTable::Index> index = index_for(item.name, scheduler_.chunk_bytes(), version);
  if (!index.is_ok()) {
    item.failure = index.status();
    return;
  }
  item.stream->become_open(version, std::move(index).value(), scheduler_.context().verify_crc64);
  ask_from(item, 0, make);
}

// What lies behind `offset`, in its caller's memory.
void ObjectsRead::ask_from(Item& item, std::uint64_t offset, const Make& make) {
  const ObjectStream& stream = *item.stream;
  item.to = make(item.number, stream.size());
  if (item.to == nullptr) {
    item.failure =
        stream.error(StatusCode::kMemoryBudget, "the system has no memory for the " +
                                                    std::to_string(stream.size()) + " bytes of " +
                                                    printable(item.name.uri()));
    return;
  }
  while (offset < stream.size()) {
    const std::uint64_t index = offset / scheduler_.chunk_bytes();
    const std::uint64_t end = stream.chunk_begin(index) + stream.chunk_length(index);
    const auto length = static_cast<std::uint32_t>(end - offset);
    item.pieces.push_back(std::make_shared<Piece>(
        item.stream, index, static_cast<std::uint32_t>(offset % scheduler_.chunk_bytes()), length,
        std::vector<SinkPart>{{0, length, item.to + offset}}, call_, item.memory));
    new_pieces_.push_back(item.pieces.back());
    offset = end;
  }
}

// Of objects that turned out larger than what they were asked for at first.
void ObjectsRead::ask_for_rests(const Make& make) {
  const std::uint32_t grown = call_->grown.load();
  if (grown == grown_seen_) return;
  grown_seen_ = grown;
  for (std::size_t i = 0; i < started_; ++i) {
    Item& item = items_[i];
    if (!has_grown(item)) continue;
    const std::uint64_t more = item.stream->size() - item.asked_bytes;
    // The first range is on its way: who asked for the object is to have the rest, too. Where the
    // budget has none it is the caller's memory alone, as of any read.
    ticket_.absorb(scheduler_.whole_objects().admit({&more, 1}, true).ticket);
    item.asked_bytes += more;
    asked_bytes_ += more;
    ask_from(item, item.pieces.front()->end(), make);
  }
}

void ObjectsRead::send() {
  scheduler_.whole_objects().start(new_streams_, new_pieces_);
  new_streams_.clear();
  new_pieces_.clear();
}

// Its version is known, and what lies behind the first range was not asked for.
bool ObjectsRead::has_grown(const Item& item) const {
  return item.way == Way::kUnsized && item.to == nullptr && item.failure.is_ok() &&
         item.stream->state() == StreamState::kOpen &&
         item.stream->size() > item.pieces.front()->end();
}

// The first piece that is not done; null: all are, or one has failed.
const Piece* ObjectsRead::awaited(const Item& item) const {
  for (const std::shared_ptr<Piece>& piece : item.pieces) {
    if (!piece->is_done.load(std::memory_order_acquire)) return piece.get();
    if (!piece->status.is_ok()) return nullptr;
  }
  return nullptr;
}

bool ObjectsRead::is_ready() const {
  if (started_ == 0) return false;
  const Item& item = items_.front();
  if (!item.failure.is_ok()) return true;
  if (item.way == Way::kHead) return item.stream->state() != StreamState::kOpening;
  return awaited(item) == nullptr && !has_grown(item);
}

Status ObjectsRead::wait(Interrupt& interrupt) {
  if (started_ == 0 || is_ready()) return Status::ok();
  has_waited_ = true;
  Item& item = items_.front();
  if (item.way != Way::kHead) return wait_for_pieces(item, interrupt);
  Status status = wait_until_open(scheduler_, *item.stream, progress_limit_, interrupt);
  if (ends_the_read(status.code())) return status;
  item.failure = std::move(status);
  return Status::ok();
}

Status ObjectsRead::wait_for_pieces(Item& item, Interrupt& interrupt) {
  const Clock& clock = scheduler_.context().clock;
  std::uint64_t filled = filled_bytes(item);
  TimePoint deadline = clock.now() + progress_limit_;
  while (true) {
    // In this order: see end_piece().
    call_->awaited.store(awaited(item));
    const std::uint32_t missing = call_->missing.load();
    if (is_ready() || has_grown(item)) break;
    const std::uint64_t now_filled = filled_bytes(item);
    const TimePoint now = clock.now();
    if (now_filled != filled) deadline = now + progress_limit_;
    filled = now_filled;
    if (now >= deadline) {
      item.failure = no_progress(item);
      break;
    }
    if (interrupt.pending()) return Status(StatusCode::kInterrupted, "interrupted");
    futex_wait(call_->missing, missing, std::min<Duration>(kWaitSlice, deadline - now));
  }
  gather();
  call_->awaited.store(nullptr);
  return Status::ok();
}

// For a moment, while as many are behind them: these are to be asked for more in time.
void ObjectsRead::gather() {
  const std::size_t count = std::min(kTakenTogether, started_ / 2);
  if (count < 2) return;
  const Piece* const last = awaited(items_[count - 1]);
  if (last == nullptr) return;
  call_->awaited.store(last);
  const std::uint32_t missing = call_->missing.load();
  if (!last->is_done.load(std::memory_order_acquire))
    futex_wait(call_->missing, missing, kGatherTime);
}

std::uint64_t ObjectsRead::filled_bytes(const Item& item) {
  std::uint64_t bytes = 0;
  for (const std::shared_ptr<Piece>& piece : item.pieces) bytes += piece->sink.filled();
  return bytes;
}

Status ObjectsRead::no_progress(const Item& item) const {
  const auto limit = std::chrono::duration_cast<std::chrono::seconds>(progress_limit_);
  return item.stream->error(StatusCode::kTransferTimeout,
                            "read of " + printable(item.name.uri()) + " got no new byte for " +
                                std::to_string(limit.count()) +
                                " s (timeout.readSeconds); it has " +
                                std::to_string(filled_bytes(item)) + " bytes");
}

TakenObject ObjectsRead::take() {
  taken_ = std::move(items_.front());
  items_.pop_front();
  --started_;
  asked_bytes_ -= taken_->asked_bytes;
  if (ticket_) ticket_.shrink_to(std::min(ticket_.bytes(), asked_bytes_));
  Counters& counters = scheduler_.context().counters;
  ossmc::add(std::exchange(has_waited_, false) ? counters.prefetch_misses : counters.prefetch_hits);
  TakenObject taken = outcome(*taken_);
  put_away(*taken_);
  if (taken.status.is_ok() && !taken.is_alone)
    ossmc::add(counters.bytes_read, taken.stream->size());
  return taken;
}

TakenObject ObjectsRead::outcome(const Item& item) const {
  TakenObject taken;
  taken.status = item.failure;
  if (!taken.status.is_ok()) return taken;
  if (item.way == Way::kHead) {
    if (item.stream->state() == StreamState::kFailed) taken.status = item.stream->failure();
    if (item.stream->is_closed()) taken.status = its_connector_closed();
    taken.stream = item.stream;
    return taken;
  }
  for (const std::shared_ptr<Piece>& piece : item.pieces) {
    if (!piece->is_done.load(std::memory_order_acquire) || piece->status.is_ok()) continue;
    taken.is_alone = piece->needs_head;
    if (!taken.is_alone)
      taken.status = item.stream->is_closed() ? its_connector_closed() : piece->status;
    return taken;
  }
  // Wrong on its way, perhaps: a reader fetches it anew, and says if it is wrong again.
  taken.is_alone = item.stream->verdict() == ObjectStream::Verdict::kBad;
  if (taken.is_alone) ossmc::add(scheduler_.context().counters.refetches, item.pieces.size());
  if (taken.is_alone) return taken;
  taken.stream = item.stream;
  taken.is_in_place = item.to != nullptr;
  if (item.way != Way::kUnsized || item.stream->size() == 0) return taken;
  const Piece& first = *item.pieces.front();
  if (taken.is_in_place) {
    std::memcpy(item.to, first.own.get(), first.sink.length());
  } else {
    taken.bytes = {first.own.get(), first.sink.length()};
  }
  return taken;
}

// After it no exchange writes to its memory.
void ObjectsRead::put_away(Item& item) {
  if (item.stream == nullptr) return;
  if (item.way == Way::kHead) return scheduler_.objects().close(*item.stream);
  const bool is_done = std::ranges::all_of(item.pieces, [](const auto& piece) {
    return piece->is_done.load(std::memory_order_acquire);
  });
  if (is_done) {
    done_.push_back(item.stream);
    return;
  }
  item.memory->take_back();
  scheduler_.whole_objects().give_up({&item.stream, 1});
}

void ObjectsRead::end() {
  std::vector<std::shared_ptr<ObjectStream>> streams;
  for (Item& item : items_) {
    if (item.memory != nullptr) item.memory->take_back();
    if (item.way == Way::kHead && item.stream != nullptr) {
      scheduler_.objects().close(*item.stream);
    } else if (item.stream != nullptr) {
      streams.push_back(item.stream);
    }
  }
  scheduler_.whole_objects().give_up(streams);
  scheduler_.whole_objects().retire(done_);
  items_.clear();
  done_.clear();
  started_ = 0;
  asked_bytes_ = 0;
  ticket_.reset();
}

}  // namespace ossmc
