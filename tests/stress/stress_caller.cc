#include "stress/stress_caller.h"

#include <algorithm>
#include <utility>

namespace ossmc {

namespace {

// At one in so many of the times that a call asks.
constexpr std::uint64_t kInterruptOneIn = 100;

}  // namespace

StressCaller::StressCaller(const StressObjects& objects, const StressRound& round,
                           StressTally& tally, Connector& connector, StressShared& shared,
                           std::uint64_t number)
    : objects_(objects),
      round_(round),
      connector_(connector),
      shared_(shared),
      chance_(round.seed * 64 + number),
      judge_(round, tally, connector),
      lender_(objects, judge_, connector, shared, chance_) {}

void StressCaller::work(TimePoint end) {
  while (system_clock().now() < end && !connector_.is_closed()) step();
  while (!views_.empty()) drop_view();
  has_ended_ = true;
}

void StressCaller::step() {
  if (!chance_.one_in(4)) return lender_.step();
  const std::uint64_t slot = chance_.below(StressShared::kSlots);
  const std::shared_ptr<ObjectReader> reader = shared_.reader(slot);
  const std::uint64_t choice = chance_.below(20);
  if (reader == nullptr || choice < 3) return open(slot);
  const StressObject& object = *objects_.find(reader->name().key);
  switch (choice) {
    case 3:
      return open_many();
    case 4:
      return stat();
    case 5:
    case 6:
      return close(*reader, slot);
    case 7:
    case 8:
      return read_parts(*reader, object);
    case 9:
    case 10:
      return view(*reader, object);
    case 11:
      return drop_view();
    case 12:
    case 13:
      return read_on(*reader, object);
    case 14:
      return visit(*reader, object);
    case 15:
      return find_line(*reader, object);
    default:
      return read_at(*reader, object);
  }
}

// Empty ones often: they are opened and gone in no time.
const StressObject& StressCaller::some_object() {
  const StressObject& object = objects_[chance_.below(objects_.size())];
  return chance_.one_in(3) ? objects_[chance_.below(2)] : object;
}

void StressCaller::open(std::uint64_t slot) {
  judge_.begin("open");
  const StressObject& object = some_object();
  SomeInterrupts interrupt(judge_, chance_, kInterruptOneIn);
  Result<std::shared_ptr<ObjectReader>> opened =
      connector_.open({.uri = object.uri(), .prefetches = !chance_.one_in(4)}, interrupt);
  if (!judge_.is_done(opened.status(), nullptr)) return;
  judge_.check_opened(**opened, object);
  shared_.put(slot, std::move(opened).value());
}

void StressCaller::open_many() {
  judge_.begin("open_many");
  std::vector<const StressObject*> objects;
  std::vector<ObjectToOpen> to_open;
  for (std::uint64_t count = 1 + chance_.below(6); count > 0; --count) {
    objects.push_back(&some_object());
    to_open.push_back({.uri = objects.back()->uri(), .prefetches = !chance_.one_in(4)});
  }
  SomeInterrupts interrupt(judge_, chance_, kInterruptOneIn);
  const auto opened = connector_.open_many(to_open, interrupt);
  if (!judge_.is_done(opened.status(), nullptr)) return;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    judge_.check_opened(*(*opened)[i], *objects[i]);
    // Others are closed unread.
    if (chance_.one_in(2)) shared_.put(chance_.below(StressShared::kSlots), (*opened)[i]);
  }
}

void StressCaller::stat() {
  judge_.begin("stat");
  const StressObject& object = some_object();
  SomeInterrupts interrupt(judge_, chance_, kInterruptOneIn);
  const Result<ObjectStat> told = connector_.stat(object.uri(), "", interrupt);
  if (judge_.is_done(told.status(), nullptr) && told->size != object.bytes.size())
    judge_.complain("tells a wrong size of " + object.key);
  if (connector_.stats().memory_peak_bytes > round_.config.prefetch_memory_bytes)
    judge_.complain("has taken more memory than the budget");
}

// In the middle of others' reads.
void StressCaller::close(ObjectReader& reader, std::uint64_t slot) {
  judge_.begin("close");
  reader.close();
  shared_.put(slot, nullptr);
}

void StressCaller::read_at(ObjectReader& reader, const StressObject& object) {
  judge_.begin("read_at");
  const std::uint64_t offset = chance_.below(object.bytes.size() + 2);
  std::vector<std::byte> out(chance_.below(12'000));
  SomeInterrupts interrupt(judge_, chance_, kInterruptOneIn);
  const Result<std::size_t> got = reader.read_at(offset, out, interrupt);
  if (!judge_.is_done(got.status(), &reader)) return;
  const std::uint64_t left = object.bytes.size() - std::min(offset, object.bytes.size());
  if (*got != std::min<std::uint64_t>(out.size(), left))
    return judge_.complain("read_at of " + object.key + " is short");
  judge_.check_bytes(object, offset, std::span(out).first(*got));
}

void StressCaller::read_parts(ObjectReader& reader, const StressObject& object) {
  judge_.begin("read_parts");
  std::vector<std::vector<std::byte>> outs(1 + chance_.below(6));
  std::vector<StreamPart> parts;
  for (std::vector<std::byte>& out : outs) {
    const std::uint64_t offset = chance_.below(object.bytes.size() + 1);
    out.resize(std::min<std::uint64_t>(object.bytes.size() - offset, chance_.below(9'000)));
    parts.emplace_back(offset, out);
  }
  SomeInterrupts interrupt(judge_, chance_, kInterruptOneIn);
  if (!judge_.is_done(reader.read_parts(parts, interrupt), &reader)) return;
  for (const auto& [offset, out] : parts) judge_.check_bytes(object, offset, out);
}

void StressCaller::view(ObjectReader& reader, const StressObject& object) {
  if (views_.size() >= 3) drop_view();
  judge_.begin("view");
  SomeInterrupts interrupt(judge_, chance_, kInterruptOneIn);
  const Result<std::shared_ptr<ObjectView>> made = reader.view(interrupt);
  if (!judge_.is_done(made.status(), &reader)) return;
  if ((*made)->size() != object.bytes.size())
    return judge_.complain("a view of " + object.key + " has a wrong size");
  judge_.check_bytes(object, 0, {(*made)->data(), (*made)->size()});
  if (chance_.one_in(3) && shared_.try_keep(object.bytes.size()))
    views_.push_back({&object, *made});
}

// Its reader may be closed since; its bytes are there still.
void StressCaller::drop_view() {
  if (views_.empty()) return;
  judge_.begin("end of a view");
  auto [object, view] = std::move(views_.back());
  views_.pop_back();
  judge_.check_bytes(*object, 0, {view->data(), view->size()});
  view = nullptr;
  shared_.end_keep(object->bytes.size());
}

void StressCaller::read_on(ObjectReader& reader, const StressObject& object) {
  judge_.begin("read");
  SomeInterrupts interrupt(judge_, chance_, kInterruptOneIn);
  Result<CursorLock> cursor = reader.cursor().lock(interrupt);
  if (!judge_.is_done(cursor.status(), &reader)) return;
  if (chance_.one_in(4)) cursor->set_position(chance_.below(object.bytes.size() + 1));
  for (std::uint64_t times = 1 + chance_.below(4); times > 0; --times) {
    const std::uint64_t position = cursor->position();
    std::vector<std::byte> out(
        std::min<std::uint64_t>(object.bytes.size() - position, chance_.below(20'000)));
    if (!reader.read_if_ready(*cursor, out)) {
      const Result<std::size_t> got = reader.read(*cursor, out, interrupt);
      if (!judge_.is_done(got.status(), &reader)) return;
      if (*got != out.size()) return judge_.complain("a read of " + object.key + " is short");
    }
    if (cursor->position() != position + out.size())
      return judge_.complain("a read of " + object.key + " leaves the cursor at a wrong place");
    judge_.check_bytes(object, position, out);
  }
}

// Chunks in place, one after the other. Some are held until the end, also of a closed reader.
void StressCaller::visit(ObjectReader& reader, const StressObject& object) {
  judge_.begin("visit");
  std::vector<std::pair<std::uint64_t, std::shared_ptr<ChunkView>>> held;
  std::uint64_t held_bytes = 0;
  {
    SomeInterrupts interrupt(judge_, chance_, kInterruptOneIn);
    Result<CursorLock> cursor = reader.cursor().lock(interrupt);
    if (!judge_.is_done(cursor.status(), &reader)) return;
    cursor->set_position(chance_.below(object.bytes.size() + 1));
    for (std::uint64_t times = 1 + chance_.below(4); times > 0; --times) {
      const std::uint64_t position = cursor->position();
      const Result<std::shared_ptr<ChunkView>> shown = reader.next_chunk(*cursor, interrupt);
      if (!judge_.is_done(shown.status(), &reader) || *shown == nullptr) break;
      judge_.check_bytes(object, position, (*shown)->bytes());
      if (!chance_.one_in(2) || !shared_.try_keep(round_.config.least_chunk_bytes())) continue;
      held.emplace_back(position, *shown);
      held_bytes += round_.config.least_chunk_bytes();
    }
  }
  if (chance_.one_in(8)) reader.close();
  for (const auto& [position, shown] : held) judge_.check_bytes(object, position, shown->bytes());
  held.clear();
  shared_.end_keep(held_bytes);
}

void StressCaller::find_line(ObjectReader& reader, const StressObject& object) {
  judge_.begin("line");
  SomeInterrupts interrupt(judge_, chance_, kInterruptOneIn);
  Result<CursorLock> cursor = reader.cursor().lock(interrupt);
  if (!judge_.is_done(cursor.status(), &reader)) return;
  cursor->set_position(chance_.below(object.bytes.size() + 1));
  const Result<std::uint64_t> length = reader.line_length(*cursor, UINT64_MAX, interrupt);
  if (!judge_.is_done(length.status(), &reader)) return;
  const std::size_t found = object.bytes.find('\n', cursor->position());
  const std::uint64_t end = found == std::string::npos ? object.bytes.size() : found + 1;
  if (cursor->position() + *length != end)
    judge_.complain("a line of " + object.key + " has a wrong end");
}

}  // namespace ossmc
