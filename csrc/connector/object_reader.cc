#include "connector/object_reader.h"

#include <algorithm>
#include <cstring>

#include "connector/connector.h"
#include "connector/engine.h"
#include "prefetch/object_view.h"

namespace ossmc {

namespace {
// How far a peek that names no size looks: io.DEFAULT_BUFFER_SIZE.
constexpr std::size_t kPeekBytes = 8192;
}  // namespace

ObjectView::ObjectView(std::shared_ptr<Engine> engine, std::shared_ptr<ViewRegion> region)
    : engine_(std::move(engine)), region_(std::move(region)) {}

ObjectView::~ObjectView() {
  region_.reset();
  engine_->scheduler().note_memory_released();
}

ObjectReader::ObjectReader(std::shared_ptr<Connector> connector, std::shared_ptr<Engine> engine,
                           std::shared_ptr<ObjectStream> stream)
    : connector_(std::move(connector)),
      name_(stream->name()),
      version_(stream->version()),
      live_(std::make_unique<Live>()) {
  live_->engine = std::move(engine);
  live_->stream = std::move(stream);
}

ObjectReader::~ObjectReader() { close(); }

void ObjectReader::close() {
  if (closed_.exchange(true)) return;
  std::shared_ptr<Engine> engine;
  std::shared_ptr<ObjectStream> stream;
  std::shared_ptr<ObjectStream> suspect;
  {
    const std::lock_guard<std::mutex> lock(live_->mutex);
    engine = std::move(live_->engine);
    stream = std::move(live_->stream);
    suspect = std::move(live_->suspect);
  }
  if (stream == nullptr) return;
  verified_ = suspect == nullptr && stream->verdict() == ObjectStream::Verdict::kGood;
  engine->scheduler().close(*stream);
}

bool ObjectReader::is_closed() const { return closed_.load() || connector_->is_closed(); }

ObjectReader::CursorLock ObjectReader::try_lock_cursor() {
  CursorMutex& cursor = live_->cursor;
  const bool is_mine = cursor.owner.load(std::memory_order_relaxed) == std::this_thread::get_id();
  if (is_mine || !cursor.mutex.try_lock()) return {};
  return CursorLock(cursor);
}

Result<ObjectReader::CursorLock> ObjectReader::lock_cursor(Interrupt& interrupt) {
  CursorMutex& cursor = live_->cursor;
  if (cursor.owner.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
    return Status(StatusCode::kInternal,
                  "reentrant call: this thread is in a call that moves the "
                  "cursor of " +
                      printable(name_.uri()) + " already");
  }
  while (!cursor.mutex.try_lock_for(kWaitSlice)) {
    if (interrupt.pending()) return Status(StatusCode::kInterrupted, "interrupted");
  }
  return CursorLock(cursor);
}

bool ObjectReader::is_verified() const {
  const std::lock_guard<std::mutex> lock(live_->mutex);
  if (spoiled_) return false;
  if (live_->stream == nullptr) return verified_;
  return live_->suspect == nullptr && live_->stream->verdict() == ObjectStream::Verdict::kGood;
}

Result<ObjectReader::Use> ObjectReader::use() {
  if (is_closed()) return closed_status();
  if (spoiled_) return mismatch();
  const std::lock_guard<std::mutex> lock(live_->mutex);
  if (live_->stream == nullptr) {
    if (closed_.load()) return closed_status();
    Result<std::shared_ptr<Engine>> engine = connector_->engine();
    if (!engine.is_ok()) return engine.status();
    Result<std::shared_ptr<ObjectStream>> stream =
        (*engine)->scheduler().open_known(name_, version_);
    if (!stream.is_ok()) return stream.status();
    live_->engine = std::move(engine).value();
    live_->stream = std::move(stream).value();
  }
  return Use{live_->engine, live_->stream, live_->suspect};
}

template <typename Read>
Status ObjectReader::repairing(std::uint64_t begin, std::uint64_t end, Interrupt& interrupt,
                               const Read& read, bool again) {
  while (true) {
    Result<Use> use_or = use();
    if (!use_or.is_ok()) return use_or.status();
    const Use& use = *use_or;
    Status status = Status::ok();
    if (use.suspect != nullptr) status = judge_replacement(use, interrupt);
    const bool may_read = status.is_ok();
    if (may_read) status = read(use);
    if (status.is_ok()) {
      given_.add(begin, end);
      if (use.stream->verdict() != ObjectStream::Verdict::kBad) return status;
      status = mismatch();
    }
    if (status.code() == StatusCode::kChecksum && may_read) {
      const Result<bool> replaced = replace(use);
      if (!replaced.is_ok()) return replaced.status();
      if (!*replaced || !again) return status;
    } else if (status.code() != StatusCode::kClosed || !is_replaced(use)) {
      return status;
    }
  }
}

bool ObjectReader::is_replaced(const Use& use) {
  const std::lock_guard<std::mutex> lock(live_->mutex);
  return live_->stream != nullptr && live_->stream != use.stream;
}

Result<bool> ObjectReader::replace(const Use& use) {
  {
    const std::lock_guard<std::mutex> lock(live_->mutex);
    if (live_->stream != use.stream) return true;
    if (repaired_) return false;
    Result<std::shared_ptr<ObjectStream>> stream = use.engine->scheduler().open_again(*use.stream);
    if (!stream.is_ok()) return stream.status();
    repaired_ = true;
    live_->suspect = std::exchange(live_->stream, std::move(stream).value());
  }
  use.engine->scheduler().close(*use.stream);  // its memory serves the second fetch
  return true;
}

Status ObjectReader::judge_replacement(const Use& use, Interrupt& interrupt) {
  Scheduler& scheduler = use.engine->scheduler();
  Status status =
      wait_for_verdict(scheduler, *use.stream, connector_->read_options(false), interrupt);
  if (!status.is_ok() && status.code() != StatusCode::kChecksum) return status;
  bool is_spoiled = !status.is_ok();
  for (std::uint64_t i = 0; i < use.stream->chunk_count() && !is_spoiled; ++i) {
    const std::uint64_t begin = use.stream->chunk_begin(i);
    is_spoiled = given_.overlaps(begin, begin + use.stream->chunk_length(i)) &&
                 !scheduler.is_same_chunk(*use.suspect, *use.stream, i);
  }
  const std::lock_guard<std::mutex> lock(live_->mutex);
  if (live_->suspect == use.suspect) {
    live_->suspect = nullptr;
    if (is_spoiled) spoiled_ = true;
  }
  return spoiled_ ? mismatch() : Status::ok();
}

Status ObjectReader::mismatch() const {
  ErrorDetail detail;
  detail.uri = name_.uri();
  return Status(StatusCode::kChecksum,
                "bytes of " + printable(name_.uri()) + " were wrong, by the object's CRC-64 (" +
                    std::to_string(version_.crc64.value_or(0)) +
                    "), and have been read already or came wrong twice: forget what was read, and "
                    "open it again",
                std::move(detail));
}

void ObjectReader::Given::add(std::uint64_t begin, std::uint64_t end) {
  if (begin == end) return;
  std::uint64_t old = begin_.load();
  while (begin < old && !begin_.compare_exchange_weak(old, begin)) {
  }
  old = end_.load();
  while (end > old && !end_.compare_exchange_weak(old, end)) {
  }
}

bool ObjectReader::Given::overlaps(std::uint64_t begin, std::uint64_t end) const {
  return begin < end_.load() && begin_.load() < end;
}

Result<std::size_t> ObjectReader::read(std::span<std::byte> out, Interrupt& interrupt) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), remaining()));
  const Status status = repairing(position_, position_ + size, interrupt, [&](const Use& use) {
    return read_stream(use.engine->scheduler(), *use.stream, position_, out.data(), size,
                       connector_->read_options(true), interrupt);
  });
  if (!status.is_ok()) return status;
  position_ += size;
  return size;
}

Result<std::size_t> ObjectReader::visit(const BytesVisitor& visitor, Interrupt& interrupt) {
  std::size_t size = 0;
  // The visitor has seen the bytes when the verdict comes: it cannot be shown others.
  const std::uint64_t chunk_end = position_ + bytes_left_in_chunk();
  const Status status = repairing(
      position_, chunk_end, interrupt,
      [&](const Use& use) {
        if (remaining() == 0) return Status::ok();
        const Result<std::size_t> shown =
            visit_stream_chunk(use.engine->scheduler(), *use.stream, position_, visitor,
                               connector_->read_options(true), interrupt);
        if (shown.is_ok()) size = *shown;
        return shown.status();
      },
      false);
  if (!status.is_ok()) return status;
  position_ += size;
  return size;
}

bool ObjectReader::read_if_ready(std::span<std::byte> out) {
  // try_lock: a close in progress means "not ready", and the slow path says why.
  const std::unique_lock<std::mutex> guard(live_->mutex, std::try_to_lock);
  if (!guard.owns_lock() || live_->stream == nullptr || live_->suspect != nullptr || spoiled_ ||
      connector_->is_closed() || out.size() > remaining()) {
    return false;
  }
  ObjectStream& stream = *live_->stream;
  if (!read_stream_if_ready(live_->engine->scheduler(), stream, position_, out)) return false;
  given_.add(position_, position_ + out.size());
  if (stream.verdict() == ObjectStream::Verdict::kBad) return false;
  position_ += out.size();
  return true;
}

Result<std::uint64_t> ObjectReader::line_length(std::uint64_t limit, Interrupt& interrupt) {
  std::uint64_t length = 0;
  const Status status = repairing(0, 0, interrupt, [&](const Use& use) {
    const Result<std::uint64_t> found =
        find_byte(use.engine->scheduler(), *use.stream, position_, std::min(limit, remaining()),
                  std::byte{'\n'}, connector_->read_options(true), interrupt);
    if (found.is_ok()) length = *found;
    return found.status();
  });
  if (!status.is_ok()) return status;
  return length;
}

std::uint64_t ObjectReader::bytes_left_in_chunk() const {
  const std::uint64_t chunk = connector_->config().prefetch_chunk_bytes;
  return std::min(chunk - position_ % chunk, remaining());
}

std::size_t ObjectReader::peek_length(std::size_t wanted) const {
  const std::size_t size = wanted == 0 ? kPeekBytes : wanted;
  return static_cast<std::size_t>(std::min<std::uint64_t>(size, bytes_left_in_chunk()));
}

Result<std::size_t> ObjectReader::read_at(std::uint64_t offset, std::span<std::byte> out,
                                          Interrupt& interrupt) {
  const std::uint64_t left = version_.size - std::min(offset, version_.size);
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left));
  const Status status = repairing(offset, offset + size, interrupt, [&](const Use& use) {
    if (size == 0) return Status::ok();
    return read_stream(use.engine->scheduler(), *use.stream, offset, out.data(), size,
                       connector_->read_options(false), interrupt);
  });
  if (!status.is_ok()) return status;
  return size;
}

Status ObjectReader::read_parts(
    const std::vector<std::pair<std::uint64_t, std::span<std::byte>>>& parts,
    Interrupt& interrupt) {
  std::uint64_t begin = version_.size;
  std::uint64_t end = 0;
  for (const auto& [offset, out] : parts) {
    if (out.empty()) continue;
    begin = std::min(begin, offset);
    end = std::max(end, offset + out.size());
  }
  return repairing(std::min(begin, end), end, interrupt, [&](const Use& use) {
    return read_stream_parts(use.engine->scheduler(), *use.stream, parts,
                             connector_->read_options(false), interrupt);
  });
}

Result<std::shared_ptr<ObjectView>> ObjectReader::view(Interrupt& interrupt) {
  std::shared_ptr<ObjectView> view;
  const Status status = repairing(0, version_.size, interrupt, [&](const Use& use) {
    std::shared_ptr<ViewRegion> region;  // of an empty object: none
    if (version_.size > 0) {
      Result<std::shared_ptr<ViewRegion>> made = view_stream(
          use.engine->scheduler(), *use.stream, connector_->read_options(false), interrupt);
      if (!made.is_ok()) return made.status();
      region = std::move(made).value();
    }
    view = std::make_shared<ObjectView>(use.engine, std::move(region));
    return Status::ok();
  });
  if (!status.is_ok()) return status;
  return view;
}

void ObjectReader::after_fork_in_child() {
  // Leaked on purpose: the locks may be held by threads that stayed in the parent, as did the
  // engine's.
  static_cast<void>(live_.release());
  live_ = std::make_unique<Live>();
}

}  // namespace ossmc
