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
  {
    const std::lock_guard<std::mutex> lock(live_->mutex);
    engine = std::move(live_->engine);
    stream = std::move(live_->stream);
  }
  if (stream != nullptr) engine->scheduler().close(*stream);
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

Result<ObjectReader::Use> ObjectReader::use() {
  if (is_closed()) return closed_status();
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
  return Use{live_->engine, live_->stream};
}

Result<std::size_t> ObjectReader::read(std::span<std::byte> out, Interrupt& interrupt) {
  Result<Use> use_or = use();
  if (!use_or.is_ok()) return use_or.status();
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), remaining()));
  const Status status = read_stream(use_or->engine->scheduler(), *use_or->stream, position_,
                                    out.data(), size, connector_->read_options(true), interrupt);
  if (!status.is_ok()) return status;
  position_ += size;
  return size;
}

Result<std::size_t> ObjectReader::visit(const BytesVisitor& visitor, Interrupt& interrupt) {
  Result<Use> use_or = use();
  if (!use_or.is_ok()) return use_or.status();
  if (remaining() == 0) return std::size_t{0};
  Result<std::size_t> size =
      visit_stream_chunk(use_or->engine->scheduler(), *use_or->stream, position_, visitor,
                         connector_->read_options(true), interrupt);
  if (size.is_ok()) position_ += *size;
  return size;
}

ObjectReader::Ready ObjectReader::read_if_ready(std::span<std::byte> out) {
  // try_lock: a close in progress means "not ready", and the slow path says why.
  const std::unique_lock<std::mutex> guard(live_->mutex, std::try_to_lock);
  if (!guard.owns_lock() || live_->stream == nullptr || connector_->is_closed() ||
      out.size() > remaining()) {
    return Ready::kNotReady;
  }
  const Ready ready =
      read_stream_if_ready(live_->engine->scheduler(), *live_->stream, position_, out);
  if (ready != Ready::kNotReady) position_ += out.size();
  return ready;
}

Status ObjectReader::finish_read(std::size_t size, Interrupt& interrupt) {
  Result<Use> use_or = use();
  const Status status = use_or.is_ok()
                            ? wait_for_verdict(use_or->engine->scheduler(), *use_or->stream,
                                               connector_->read_options(true), interrupt)
                            : use_or.status();
  if (!status.is_ok()) position_ -= size;
  return status;
}

Result<std::uint64_t> ObjectReader::line_length(std::uint64_t limit, Interrupt& interrupt) {
  Result<Use> use_or = use();
  if (!use_or.is_ok()) return use_or.status();
  return find_byte(use_or->engine->scheduler(), *use_or->stream, position_,
                   std::min(limit, remaining()), std::byte{'\n'}, connector_->read_options(true),
                   interrupt);
}

std::size_t ObjectReader::peek_length(std::size_t wanted) const {
  const std::uint64_t chunk = connector_->config().prefetch_chunk_bytes;
  const std::uint64_t in_chunk = chunk - position_ % chunk;
  const std::size_t size = wanted == 0 ? kPeekBytes : wanted;
  return static_cast<std::size_t>(std::min({std::uint64_t{size}, in_chunk, remaining()}));
}

Result<std::size_t> ObjectReader::read_at(std::uint64_t offset, std::span<std::byte> out,
                                          Interrupt& interrupt) {
  Result<Use> use_or = use();
  if (!use_or.is_ok()) return use_or.status();
  if (offset >= version_.size) return std::size_t{0};
  const auto size =
      static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), version_.size - offset));
  const Status status = read_stream(use_or->engine->scheduler(), *use_or->stream, offset,
                                    out.data(), size, connector_->read_options(false), interrupt);
  if (!status.is_ok()) return status;
  return size;
}

Status ObjectReader::read_parts(
    const std::vector<std::pair<std::uint64_t, std::span<std::byte>>>& parts,
    Interrupt& interrupt) {
  Result<Use> use_or = use();
  if (!use_or.is_ok()) return use_or.status();
  return read_stream_parts(use_or->engine->scheduler(), *use_or->stream, parts,
                           connector_->read_options(false), interrupt);
}

Result<std::shared_ptr<ObjectView>> ObjectReader::view(Interrupt& interrupt) {
  Result<Use> use_or = use();
  if (!use_or.is_ok()) return use_or.status();
  if (version_.size == 0) return std::make_shared<ObjectView>(use_or->engine, nullptr);
  Result<std::shared_ptr<ViewRegion>> region = view_stream(
      use_or->engine->scheduler(), *use_or->stream, connector_->read_options(false), interrupt);
  if (!region.is_ok()) return region.status();
  return std::make_shared<ObjectView>(use_or->engine, std::move(region).value());
}

void ObjectReader::after_fork_in_child() {
  // Leaked on purpose: the locks may be held by threads that stayed in the parent, as did the
  // engine's.
  static_cast<void>(live_.release());
  live_ = std::make_unique<Live>();
}

}  // namespace ossmc
