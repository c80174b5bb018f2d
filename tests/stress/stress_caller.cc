#include "stress/stress_caller.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace ossmc {

// A user who presses Ctrl-C now and then.
class StressCaller::SomeInterrupts final : public Interrupt {
 public:
  explicit SomeInterrupts(StressCaller& caller) : caller_(caller) {}
  bool pending() override {
    if (!caller_.chance_.one_in(100)) return false;
    caller_.was_interrupted_ = true;
    return true;
  }

 private:
  StressCaller& caller_;
};

StressCaller::StressCaller(const StressObjects& objects, const StressRound& round,
                           StressTally& tally, Connector& connector, StressShared& shared,
                           std::uint64_t number)
    : objects_(objects),
      round_(round),
      tally_(tally),
      connector_(connector),
      shared_(shared),
      chance_(round.seed * 64 + number) {}

void StressCaller::work(TimePoint end) {
  while (system_clock().now() < end && !connector_.is_closed()) step();
  while (!views_.empty()) drop_view();
  has_ended_ = true;
}

void StressCaller::step() {
  was_interrupted_ = false;
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

void StressCaller::begin(const char* what) {
  since_ = system_clock().now();
  doing_ = what;
  tally_.note_operation(what);
}

// Empty ones often: they are opened and gone in no time.
const StressObject& StressCaller::some_object() {
  const StressObject& object = objects_[chance_.below(objects_.size())];
  return chance_.one_in(3) ? objects_[chance_.below(2)] : object;
}

void StressCaller::open(std::uint64_t slot) {
  begin("open");
  const StressObject& object = some_object();
  SomeInterrupts interrupt(*this);
  Result<std::shared_ptr<ObjectReader>> opened =
      connector_.open({.uri = object.uri(), .prefetches = !chance_.one_in(4)}, interrupt);
  if (!is_done(opened.status(), nullptr)) return;
  check_opened(**opened, object);
  shared_.put(slot, std::move(opened).value());
}

void StressCaller::open_many() {
  begin("open_many");
  std::vector<const StressObject*> objects;
  std::vector<ObjectToOpen> to_open;
  for (std::uint64_t count = 1 + chance_.below(6); count > 0; --count) {
    objects.push_back(&some_object());
    to_open.push_back({.uri = objects.back()->uri(), .prefetches = !chance_.one_in(4)});
  }
  SomeInterrupts interrupt(*this);
  const auto opened = connector_.open_many(to_open, interrupt);
  if (!is_done(opened.status(), nullptr)) return;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    check_opened(*(*opened)[i], *objects[i]);
    // Others are closed unread.
    if (chance_.one_in(2)) shared_.put(chance_.below(StressShared::kSlots), (*opened)[i]);
  }
}

void StressCaller::stat() {
  begin("stat");
  const StressObject& object = some_object();
  SomeInterrupts interrupt(*this);
  const Result<ObjectStat> told = connector_.stat(object.uri(), "", interrupt);
  if (is_done(told.status(), nullptr) && told->size != object.bytes.size())
    complain("tells a wrong size of " + object.key);
  if (connector_.stats().memory_peak_bytes > round_.config.prefetch_memory_bytes)
    complain("has taken more memory than the budget");
}

// In the middle of others' reads.
void StressCaller::close(ObjectReader& reader, std::uint64_t slot) {
  begin("close");
  reader.close();
  shared_.put(slot, nullptr);
}

void StressCaller::read_at(ObjectReader& reader, const StressObject& object) {
  begin("read_at");
  const std::uint64_t offset = chance_.below(object.bytes.size() + 2);
  std::vector<std::byte> out(chance_.below(12'000));
  SomeInterrupts interrupt(*this);
  const Result<std::size_t> got = reader.read_at(offset, out, interrupt);
  if (!is_done(got.status(), &reader)) return;
  const std::uint64_t left = object.bytes.size() - std::min(offset, object.bytes.size());
  if (*got != std::min<std::uint64_t>(out.size(), left))
    return complain("read_at of " + object.key + " is short");
  check_bytes(object, offset, std::span(out).first(*got));
}

void StressCaller::read_parts(ObjectReader& reader, const StressObject& object) {
  begin("read_parts");
  std::vector<std::vector<std::byte>> outs(1 + chance_.below(6));
  std::vector<StreamPart> parts;
  for (std::vector<std::byte>& out : outs) {
    const std::uint64_t offset = chance_.below(object.bytes.size() + 1);
    out.resize(std::min<std::uint64_t>(object.bytes.size() - offset, chance_.below(9'000)));
    parts.emplace_back(offset, out);
  }
  SomeInterrupts interrupt(*this);
  if (!is_done(reader.read_parts(parts, interrupt), &reader)) return;
  for (const auto& [offset, out] : parts) check_bytes(object, offset, out);
}

void StressCaller::view(ObjectReader& reader, const StressObject& object) {
  if (views_.size() >= 3) drop_view();
  begin("view");
  SomeInterrupts interrupt(*this);
  const Result<std::shared_ptr<ObjectView>> made = reader.view(interrupt);
  if (!is_done(made.status(), &reader)) return;
  if ((*made)->size() != object.bytes.size())
    return complain("a view of " + object.key + " has a wrong size");
  check_bytes(object, 0, {(*made)->data(), (*made)->size()});
  if (chance_.one_in(3) && shared_.try_keep(object.bytes.size()))
    views_.push_back({&object, *made});
}

// Its reader may be closed since; its bytes are there still.
void StressCaller::drop_view() {
  if (views_.empty()) return;
  begin("end of a view");
  auto [object, view] = std::move(views_.back());
  views_.pop_back();
  check_bytes(*object, 0, {view->data(), view->size()});
  view = nullptr;
  shared_.end_keep(object->bytes.size());
}

void StressCaller::read_on(ObjectReader& reader, const StressObject& object) {
  begin("read");
  SomeInterrupts interrupt(*this);
  Result<CursorLock> cursor = reader.cursor().lock(interrupt);
  if (!is_done(cursor.status(), &reader)) return;
  if (chance_.one_in(4)) cursor->set_position(chance_.below(object.bytes.size() + 1));
  for (std::uint64_t times = 1 + chance_.below(4); times > 0; --times) {
    const std::uint64_t position = cursor->position();
    std::vector<std::byte> out(
        std::min<std::uint64_t>(object.bytes.size() - position, chance_.below(20'000)));
    if (!reader.read_if_ready(*cursor, out)) {
      const Result<std::size_t> got = reader.read(*cursor, out, interrupt);
      if (!is_done(got.status(), &reader)) return;
      if (*got != out.size()) return complain("a read of " + object.key + " is short");
    }
    if (cursor->position() != position + out.size())
      return complain("a read of " + object.key + " leaves the cursor at a wrong place");
    check_bytes(object, position, out);
  }
}

void StressCaller::visit(ObjectReader& reader, const StressObject& object) {
  begin("visit");
  SomeInterrupts interrupt(*this);
  Result<CursorLock> cursor = reader.cursor().lock(interrupt);
  if (!is_done(cursor.status(), &reader)) return;
  cursor->set_position(chance_.below(object.bytes.size() + 1));
  const std::uint64_t position = cursor->position();
  const Result<std::shared_ptr<ChunkView>> shown = reader.next_chunk(*cursor, interrupt);
  if (is_done(shown.status(), &reader) && *shown != nullptr)
    check_bytes(object, position, (*shown)->bytes());
}

void StressCaller::find_line(ObjectReader& reader, const StressObject& object) {
  begin("line");
  SomeInterrupts interrupt(*this);
  Result<CursorLock> cursor = reader.cursor().lock(interrupt);
  if (!is_done(cursor.status(), &reader)) return;
  cursor->set_position(chance_.below(object.bytes.size() + 1));
  const Result<std::uint64_t> length = reader.line_length(*cursor, UINT64_MAX, interrupt);
  if (!is_done(length.status(), &reader)) return;
  const std::size_t found = object.bytes.find('\n', cursor->position());
  const std::uint64_t end = found == std::string::npos ? object.bytes.size() : found + 1;
  if (cursor->position() + *length != end) complain("a line of " + object.key + " has a wrong end");
}

void StressCaller::check_opened(const ObjectReader& reader, const StressObject& object) {
  if (reader.size() != object.bytes.size())
    complain(object.key + " was opened with a wrong size, " + std::to_string(reader.size()));
}

void StressCaller::check_bytes(const StressObject& object, std::uint64_t offset,
                               std::span<const std::byte> got) {
  tally_.note_compared(got.size());
  if (!object.matches(offset, got))
    complain("wrong bytes of " + object.key + ", of " + std::to_string(got.size()) + " at " +
             std::to_string(offset));
}

bool StressCaller::is_done(const Status& status, const ObjectReader* reader) {
  if (status.is_ok()) return true;
  if (is_explained(status.code(), reader)) {
    tally_.note_error(status.code());
  } else {
    complain("fails for no reason: " + std::string(status_code_name(status.code())) + ", " +
             status.message());
  }
  return false;
}

bool StressCaller::is_explained(StatusCode code, const ObjectReader* reader) const {
  switch (code) {
    case StatusCode::kClosed:
      return reader != nullptr ? reader->is_closed() : connector_.is_closed();
    case StatusCode::kInterrupted:
      return was_interrupted_;
    case StatusCode::kConnect:
    case StatusCode::kServer:
    case StatusCode::kThrottled:
    case StatusCode::kTransferTimeout:
      return round_.has_faults();
    case StatusCode::kMemoryBudget:
      return std::string_view(doing()) == "view";
    default:
      return false;
  }
}

void StressCaller::complain(const std::string& what) {
  tally_.complain("seed " + std::to_string(round_.seed) + ", " + doing() + ": " + what);
}

}  // namespace ossmc
