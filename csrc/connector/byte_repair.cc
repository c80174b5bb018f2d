#include "connector/byte_repair.h"

#include <string>
#include <utility>

#include "prefetch/stream_reader.h"

namespace ossmc {

namespace {
constexpr const char* kAdviceReadAgain = "are fetched again: read it again";
constexpr const char* kAdviceOpenAgain =
    "have been read already or came wrong twice: forget what was read, and open it again";
}  // namespace

ByteRepair::ByteRepair(const ObjectName& name, const ObjectVersion& version, Source source,
                       Duration progress_limit, FindScheduler find_scheduler)
    : name_(name),
      version_(version),
      prefetches_(source.stream->prefetches()),
      learnt_(source.stream->learnt()),
      progress_limit_(progress_limit),
      find_scheduler_(std::move(find_scheduler)),
      live_(std::make_unique<Live>()) {
  MutexLock lock(live_->mutex);
  live_->source = std::move(source);
}

ByteRepair::~ByteRepair() { close(); }

void ByteRepair::close() {
  if (closed_) return;  // without the lock, which in a forked child may be held for ever
  Source last;
  std::shared_ptr<ObjectStream> suspect;
  {
    MutexLock lock(live_->mutex);
    if (closed_) return;
    verified_ = is_verified_locked();
    closed_ = true;
    last = std::exchange(live_->source, {});
    suspect = std::move(live_->suspect);
  }
  if (last.stream != nullptr) last.scheduler->objects().close(*last.stream);
}

bool ByteRepair::is_verified() const {
  if (closed_) return verified_;  // as in close()
  MutexLock lock(live_->mutex);
  return closed_ ? verified_.load() : is_verified_locked();
}

bool ByteRepair::is_verified_locked() const {
  return state_ != State::kSpoiled && live_->suspect == nullptr &&
         live_->source.stream != nullptr &&
         live_->source.stream->verdict() == ObjectStream::Verdict::kGood &&
         !live_->source.stream->verification.has_unchecked();
}

bool ByteRepair::read_if_ready(std::uint64_t offset, std::span<std::byte> out) {
  // Held for the copy: to keep the stream by a pointer of its own would cost a small read a tenth
  // of its time.
  Live& live = *live_;
  MutexLock lock(live.mutex);
  if (live.source.stream == nullptr || live.suspect != nullptr || state_ == State::kSpoiled)
    return false;
  ObjectStream& stream = *live.source.stream;
  if (!read_stream_if_ready(*live.source.scheduler, stream, offset, out)) return false;
  given_.add({offset, offset + out.size()});
  return stream.verdict() != ObjectStream::Verdict::kBad;
}

void ByteRepair::after_fork_in_child() {
  // Leaked on purpose: the locks may be held by threads that stayed in the parent, as did those
  // that serve the stream.
  static_cast<void>(live_.release());
  live_ = std::make_unique<Live>();
}

Result<ByteRepair::Source> ByteRepair::source_to_read(Interrupt& interrupt) {
  while (true) {
    if (closed_) return closed_status();
    Source source;
    std::shared_ptr<ObjectStream> suspect;
    {
      MutexLock lock(live_->mutex);
      source = live_->source;
      suspect = live_->suspect;
    }
    if (state_ == State::kSpoiled) return mismatch(kAdviceOpenAgain);
    if (source.stream == nullptr) {
      const Status status = open_in_child();
      if (!status.is_ok()) return status;
      continue;
    }
    if (suspect == nullptr) return source;
    const Status status = judge(source, suspect, interrupt);
    if (!status.is_ok()) return status;
    return source;
  }
}

Status ByteRepair::open_in_child() {
  MutexLock opening(live_->opening);
  if (closed_ || current().stream != nullptr) return Status::ok();
  const Result<Scheduler*> scheduler = find_scheduler_();
  if (!scheduler.is_ok()) return scheduler.status();
  Result<std::shared_ptr<ObjectStream>> stream =
      (*scheduler)
          ->objects()
          .open_known(name_, version_, {.prefetches = prefetches_, .learnt = learnt_});
  if (!stream.is_ok()) return stream.status();
  {
    MutexLock lock(live_->mutex);
    if (!closed_) {
      live_->source = {*scheduler, std::move(stream).value()};
      return Status::ok();
    }
  }
  (*scheduler)->objects().close(**stream);
  return closed_status();
}

bool ByteRepair::is_over(const Source& source, ByteRange bytes, Status* status) {
  if (status->is_ok()) {
    given_.add(bytes);
    if (source.stream->verdict() != ObjectStream::Verdict::kBad) return true;
    *status = mismatch(kAdviceOpenAgain);
  }
  if (status->code() == StatusCode::kClosed) {
    const Source now = current();
    if (now.stream == nullptr || now.stream == source.stream) return true;
    *status = mismatch(kAdviceReadAgain);  // closed since it was replaced
    return false;
  }
  if (status->code() != StatusCode::kChecksum) return true;
  const Result<bool> replaced = replace(source);
  if (!replaced.is_ok()) *status = replaced.status();
  return !replaced.is_ok() || !*replaced;
}

Result<bool> ByteRepair::replace(const Source& source) {
  std::shared_ptr<ObjectStream> given_up = source.stream;
  {
    MutexLock opening(live_->opening);
    if (current().stream != source.stream) return true;
    if (state_ != State::kFirst) return false;
    Result<std::shared_ptr<ObjectStream>> second =
        source.scheduler->objects().open_again(*source.stream);
    if (!second.is_ok()) return second.status();
    MutexLock lock(live_->mutex);
    if (closed_) {
      given_up = std::move(second).value();
    } else {
      state_ = State::kSecond;
      live_->suspect = std::exchange(live_->source.stream, std::move(second).value());
    }
  }
  source.scheduler->objects().close(*given_up);  // the first one's memory serves the second
  return true;
}

Status ByteRepair::judge(const Source& source, const std::shared_ptr<ObjectStream>& suspect,
                         Interrupt& interrupt) {
  ObjectStream& second = *source.stream;
  Status verdict =
      wait_for_verdict(*source.scheduler, second,
                       {.progress_limit = progress_limit_, .sequential = false}, interrupt);
  if (!verdict.is_ok() && verdict.code() != StatusCode::kChecksum) return verdict;
  // Bytes of the first that were not compared may have been others.
  bool is_spoiled = !verdict.is_ok() || suspect->verification.has_unchecked();
  for (std::uint64_t i = 0; i < second.chunk_count() && !is_spoiled; ++i) {
    const std::uint64_t begin = second.chunk_begin(i);
    is_spoiled = given_.overlaps({begin, begin + second.chunk_length(i)}) &&
                 !source.scheduler->claims().is_same_chunk(*suspect, second, i);
  }
  {
    MutexLock lock(live_->mutex);
    if (live_->suspect == suspect) {
      live_->suspect = nullptr;
      if (is_spoiled) state_ = State::kSpoiled;
    }
  }
  return state_ == State::kSpoiled ? mismatch(kAdviceOpenAgain) : Status::ok();
}

ByteRepair::Source ByteRepair::current() const {
  MutexLock lock(live_->mutex);
  return live_->source;
}

Status ByteRepair::mismatch(const char* advice) const {
  ErrorDetail detail;
  detail.uri = name_.uri();
  const ObjectVersion* const told = learnt_->told();
  const std::uint64_t crc64 = told == nullptr ? 0 : told->crc64.value_or(0);
  return Status(StatusCode::kChecksum,
                "bytes of " + printable(name_.uri()) + " were wrong, by the object's CRC-64 (" +
                    std::to_string(crc64) + "), and " + advice,
                std::move(detail));
}

void ByteRepair::Given::add(ByteRange bytes) {
  if (bytes.begin == bytes.end) return;
  std::uint64_t old = begin_.load();
  while (bytes.begin < old && !begin_.compare_exchange_weak(old, bytes.begin)) {
  }
  old = end_.load();
  while (bytes.end > old && !end_.compare_exchange_weak(old, bytes.end)) {
  }
}

bool ByteRepair::Given::overlaps(ByteRange bytes) const {
  return bytes.begin < end_.load() && begin_.load() < bytes.end;
}

}  // namespace ossmc
