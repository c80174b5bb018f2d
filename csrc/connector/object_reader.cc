#include "connector/object_reader.h"

#include <algorithm>
#include <optional>

#include "connector/connector.h"
#include "connector/engine.h"
#include "prefetch/object_view.h"
#include "protocol/object_name.h"

namespace ossmc {

namespace {

// How far a peek that names no size looks: io.DEFAULT_BUFFER_SIZE.
constexpr std::size_t kPeekBytes = 8192;

// Under auto a chunk is a multiple of the least one.
std::uint64_t bytes_to_chunk_end(std::uint64_t position, const Connector& connector) {
  const std::uint64_t chunk = connector.config().least_chunk_bytes();
  return chunk - position % chunk;
}

}  // namespace

ObjectView::ObjectView(std::shared_ptr<Engine> engine, std::shared_ptr<ViewRegion> region)
    : engine_(std::move(engine)), region_(std::move(region)) {}

ObjectView::~ObjectView() { region_.reset(); }

ObjectReader::ObjectReader(std::shared_ptr<Connector> connector, Scheduler& scheduler,
                           const std::shared_ptr<ObjectStream>& stream)
    : connector_(std::move(connector)),
      name_(stream->name()),
      version_(stream->version()),
      learnt_(stream->learnt()),
      cursor_(name_),
      bytes_(name_, version_, {&scheduler, stream}, connector_->config().read_timeout,
             [this]() -> Result<Scheduler*> {
               const Result<std::shared_ptr<Engine>> engine = connector_->engine();
               if (!engine.is_ok()) return engine.status();
               return &(*engine)->scheduler();
             }) {}

ObjectReader::~ObjectReader() = default;

std::string ObjectReader::version_id() const {
  const ObjectVersion* const told = learnt_->told();
  return told == nullptr ? name_.version_id : told->version_id;
}

std::optional<std::uint64_t> ObjectReader::crc64() const {
  const ObjectVersion* const told = learnt_->told();
  if (told == nullptr || !connector_->config().verify_crc64) return std::nullopt;
  return told->crc64;
}

bool ObjectReader::is_closed() const { return bytes_.is_closed() || connector_->is_closed(); }

Status ObjectReader::check_open() const {
  if (bytes_.is_closed()) return closed_status();
  if (!connector_->is_closed()) return Status::ok();
  return Status(StatusCode::kClosed,
                "the connector of " + printable(name_.uri()) +
                    " is closed, and its readers with it: keep it open while they are read");
}

template <typename Read>
Status ObjectReader::run(const ByteRange& bytes, Interrupt& interrupt, const Read& read) {
  if (is_closed()) return check_open();
  Status status = bytes_.run(bytes, interrupt, read);
  return status.code() == StatusCode::kClosed && is_closed() ? check_open() : status;
}

Result<std::size_t> ObjectReader::read(CursorLock& cursor, std::span<std::byte> out,
                                       Interrupt& interrupt) {
  const std::uint64_t begin = cursor.position();
  const auto size =
      static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), remaining(cursor)));
  const Status status = run({begin, begin + size}, interrupt, [&](const auto& source) {
    return read_stream(*source.scheduler, *source.stream, begin, out.data(), size,
                       connector_->read_options(true), interrupt);
  });
  if (!status.is_ok()) return status;
  cursor.set_position(begin + size);
  return size;
}

Result<std::shared_ptr<ChunkView>> ObjectReader::next_chunk(CursorLock& cursor,
                                                            Interrupt& interrupt) {
  std::shared_ptr<ChunkView> view;
  ByteRange bytes{cursor.position(), cursor.position()};
  const Status status = run(bytes, interrupt, [&](const auto& source) {
    view = nullptr;  // of wrong bytes, when it runs again
    if (remaining(cursor) == 0) return Status::ok();
    Result<std::shared_ptr<Engine>> engine = connector_->engine();
    if (!engine.is_ok()) return engine.status();
    Result<PinnedBytes> pinned = pin_stream_chunk(*source.scheduler, *source.stream, bytes.begin,
                                                  connector_->read_options(true), interrupt);
    if (!pinned.is_ok()) return pinned.status();
    bytes.end = bytes.begin + pinned->bytes().size();
    view = std::make_shared<ChunkView>(std::move(engine).value(), std::move(pinned).value());
    return Status::ok();
  });
  if (!status.is_ok()) return status;
  if (view != nullptr) cursor.set_position(bytes.end);
  return view;
}

bool ObjectReader::read_if_ready(CursorLock& cursor, std::span<std::byte> out) {
  if (connector_->is_closed() || out.size() > remaining(cursor)) return false;
  if (!bytes_.read_if_ready(cursor.position(), out)) return false;
  cursor.set_position(cursor.position() + out.size());
  return true;
}

Result<std::uint64_t> ObjectReader::line_length(const CursorLock& cursor, std::uint64_t limit,
                                                Interrupt& interrupt) {
  std::uint64_t length = 0;
  const Status status = run({}, interrupt, [&](const auto& source) {
    const Result<std::uint64_t> found = find_byte(
        *source.scheduler, *source.stream, cursor.position(), std::min(limit, remaining(cursor)),
        std::byte{'\n'}, connector_->read_options(true), interrupt);
    if (found.is_ok()) length = *found;
    return found.status();
  });
  if (!status.is_ok()) return status;
  return length;
}

Status ObjectReader::peek(const CursorLock& cursor, std::span<std::byte> out,
                          Interrupt& interrupt) {
  const std::uint64_t begin = cursor.position();
  ReadOptions options = connector_->read_options(true);
  options.is_look = true;
  return run({begin, begin + out.size()}, interrupt, [&](const auto& source) {
    return read_stream(*source.scheduler, *source.stream, begin, out.data(), out.size(), options,
                       interrupt);
  });
}

std::size_t ObjectReader::peek_length(const CursorLock& cursor, std::size_t wanted) const {
  const std::uint64_t size = wanted == 0 ? kPeekBytes : wanted;
  return static_cast<std::size_t>(
      std::min({size, bytes_to_chunk_end(cursor.position(), *connector_), remaining(cursor)}));
}

Result<std::size_t> ObjectReader::read_at(std::uint64_t offset, std::span<std::byte> out,
                                          Interrupt& interrupt) {
  const std::uint64_t left = version_.size - std::min(offset, version_.size);
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left));
  const Status status = run({offset, offset + size}, interrupt, [&](const auto& source) {
    return read_stream(*source.scheduler, *source.stream, offset, out.data(), size,
                       connector_->read_options(false), interrupt);
  });
  if (!status.is_ok()) return status;
  return size;
}

Status ObjectReader::read_parts(const std::vector<StreamPart>& parts, Interrupt& interrupt) {
  ByteRange hull{version_.size, 0};
  for (const auto& [offset, out] : parts) {
    if (out.empty()) continue;
    hull.begin = std::min(hull.begin, offset);
    hull.end = std::max(hull.end, offset + out.size());
  }
  hull.begin = std::min(hull.begin, hull.end);
  return run(hull, interrupt, [&](const auto& source) {
    return read_stream_parts(*source.scheduler, *source.stream, parts,
                             connector_->read_options(false), interrupt);
  });
}

Result<std::shared_ptr<ObjectView>> ObjectReader::view(Interrupt& interrupt) {
  std::shared_ptr<ObjectView> view;
  const Status status = run({0, version_.size}, interrupt, [&](const auto& source) {
    Result<std::shared_ptr<Engine>> engine = connector_->engine();
    if (!engine.is_ok()) return engine.status();
    std::shared_ptr<ViewRegion> region;  // of an empty object: none
    if (version_.size > 0) {
      Result<std::shared_ptr<ViewRegion>> made = view_stream(
          *source.scheduler, *source.stream, connector_->read_options(false), interrupt);
      if (!made.is_ok()) return made.status();
      region = std::move(made).value();
    }
    view = std::make_shared<ObjectView>(std::move(engine).value(), std::move(region));
    return Status::ok();
  });
  if (!status.is_ok()) return status;
  return view;
}

void ObjectReader::after_fork_in_child() {
  cursor_.after_fork_in_child();
  bytes_.after_fork_in_child();
}

}  // namespace ossmc
