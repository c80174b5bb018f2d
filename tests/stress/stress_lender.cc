#include "stress/stress_lender.h"
#include "connector/verify_object.h"

#include <algorithm>
#include <string>
#include <utility>

namespace ossmc {

namespace {

// Exactly so many bytes of the heap: what is written behind them is found too.
class HeapBytes {
 public:
  explicit HeapBytes(std::size_t size) : bytes_(new std::byte[size]), size_(size) {}
  std::span<std::byte> span() const { return {bytes_.get(), size_}; }

 private:
  const std::unique_ptr<std::byte[]> bytes_;
  const std::size_t size_;
};

}  // namespace

void StressLender::step() {
  switch (chance_.below(20)) {
    case 0:
      return verify();
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
      return read_ranges();
    default:
      return read_cold();
  }
}

const StressObject& StressLender::some_object() {
  while (true) {
    const StressObject& object = objects_[chance_.below(objects_.size())];
    if (!object.bytes.empty()) return object;
  }
}

ObjectToOpen StressLender::to_open(const StressObject& object, bool prefetches) {
  ObjectToOpen wanted{.uri = object.uri(), .prefetches = prefetches};
  // As in a listing: without its quotes.
  if (chance_.one_in(2))
    wanted.listed =
        ListedVersion{object.bytes.size(), object.etag.substr(1, object.etag.size() - 2)};
  return wanted;
}

void StressLender::read_cold() {
  judge_.begin("open of a cold reader");
  const StressObject& object = some_object();
  SomeInterrupts rare(judge_, chance_, 200);
  Result<std::shared_ptr<ObjectReader>> opened =
      connector_.open(to_open(object, chance_.one_in(8)), rare);
  if (!judge_.is_done(opened.status(), nullptr)) return;
  const std::shared_ptr<ObjectReader> reader = std::move(opened).value();
  judge_.check_opened(*reader, object);
  if (chance_.one_in(2)) shared_.put(chance_.below(StressShared::kSlots), reader);
  for (std::uint64_t times = 1 + chance_.below(6); times > 0; --times) {
    const std::uint64_t size = object.bytes.size();
    const std::uint64_t offset = chance_.one_in(2) ? 0 : chance_.below(size);
    // Often a few chunks, sometimes all.
    const std::uint64_t most = chance_.one_in(12) ? size : 12'000;
    const HeapBytes out(std::min(size - offset, 1 + chance_.below(most)));
    SomeInterrupts interrupt = interrupts();
    if (chance_.one_in(2)) {
      judge_.begin("cold read_at");
      const Result<std::size_t> got = reader->read_at(offset, out.span(), interrupt);
      if (!judge_.is_done(got.status(), reader.get())) continue;
    } else {
      judge_.begin("cold read");
      Result<CursorLock> cursor = reader->cursor().lock(interrupt);
      if (!judge_.is_done(cursor.status(), reader.get())) continue;
      cursor->set_position(offset);
      const Result<std::size_t> got = reader->read(*cursor, out.span(), interrupt);
      if (!judge_.is_done(got.status(), reader.get())) continue;
    }
    judge_.check_bytes(object, offset, out.span());
  }
  if (chance_.one_in(2)) reader->close();
}

void StressLender::read_ranges() {
  judge_.begin("read_ranges");
  std::vector<const StressObject*> objects;
  std::vector<ObjectToOpen> wanted;
  for (std::uint64_t count = 1 + chance_.below(4); count > 0; --count) {
    objects.push_back(&some_object());
    wanted.push_back(to_open(*objects.back(), false));
  }
  SomeInterrupts interrupt = interrupts();
  const Result<std::unique_ptr<ObjectRanges>> opened = connector_.open_ranges(wanted, interrupt);
  if (!judge_.is_done(opened.status(), nullptr)) return;
  std::vector<std::unique_ptr<HeapBytes>> outs;
  std::vector<WantedRange> ranges;
  for (std::uint64_t count = 1 + chance_.below(12); count > 0; --count) {
    const std::size_t object = chance_.below(objects.size());
    const std::uint64_t offset = chance_.below(objects[object]->bytes.size());
    const std::uint64_t left = objects[object]->bytes.size() - offset;
    outs.push_back(std::make_unique<HeapBytes>(
        std::min<std::uint64_t>(left, chance_.below(chance_.one_in(12) ? 60'000 : 2'000))));
    ranges.push_back({object, offset, outs.back()->span()});
  }
  if (!judge_.is_done((*opened)->read(ranges, interrupt), nullptr)) return;
  for (const WantedRange& range : ranges)
    judge_.check_bytes(*objects[range.object], range.offset, range.to);
}

void StressLender::verify() {
  judge_.begin("verify");
  const StressObject& object = some_object();
  SomeInterrupts interrupt = interrupts();
  const Status status = verify_object(connector_, to_open(object, false), interrupt).status();
  if (judge_.is_done(status, nullptr)) judge_.note_compared(object.bytes.size());
}

}  // namespace ossmc
