#include "csrc/prefetch/random_schedule.h"

#include <algorithm>
#include <cassert>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "base/crc64.h"
#include "csrc/prefetch/invariant_watch.h"
#include "csrc/prefetch/shuffled_transport.h"
#include "csrc/prefetch/virtual_threads.h"
#include "prefetch/object_view.h"
#include "prefetch/stream_reader.h"
#include "support/csrc/fetch_parts.h"
#include "support/csrc/pattern.h"

namespace ossmc {

namespace {

// Longer than all attempts of a chunk take, hanging ones too: a read that gets no byte for so long
// waits for something that does not come.
constexpr Duration kProgressLimit = std::chrono::hours(1);
constexpr Duration kSoon = std::chrono::milliseconds(10);
constexpr Duration kStall = std::chrono::seconds(30);
constexpr Duration kHeldUp = std::chrono::milliseconds(150);
// Far more than any run takes.
constexpr std::uint64_t kMostSteps = 1'000'000;
constexpr Duration kLongestRun = std::chrono::hours(24 * 30);
constexpr std::size_t kTraceLines = 120;

// What may go wrong in a run, each with the errors that it may end in.
enum Fault : unsigned {
  kResets = 1u << 0,
  kCutOff = 1u << 1,
  kShortBody = 1u << 2,
  kThrottling = 1u << 3,
  kServerErrors = 1u << 4,
  kStalls = 1u << 5,
  kLongBody = 1u << 6,
  kNotFound = 1u << 7,
  kOverwritten = 1u << 8,
  kWrongCrc = 1u << 9,
  kInterrupts = 1u << 10,
};
constexpr unsigned kFaultKinds = 11;

struct StoredObject {
  std::string key;
  FakeObject fake;
  std::optional<std::uint64_t> crc;
  bool is_missing = false;
  std::string etag_at_first;
};

struct Handle {
  std::shared_ptr<ObjectStream> stream;
  const StoredObject* object = nullptr;
  std::uint64_t cursor = 0;
};

std::unique_ptr<CredentialsCache> anonymous() {
  Credentials nobody;
  nobody.anonymous = true;  // signatures are not what is looked at here, and cost the most
  return CredentialsCache::make_fixed(system_clock(), nobody);
}

class Schedule {
 public:
  Schedule(std::uint64_t seed, ScheduleKind kind, bool with_trace);
  ScheduleResult run();

 private:
  struct Caller {
    std::size_t thread = 0;
    int actions_left = 0;
    bool asks_for_view = false;
    bool was_interrupted = false;
    struct View {
      const StoredObject* object;
      std::uint64_t sequence;
      std::shared_ptr<ViewRegion> region;
    };
    std::vector<View> views;
  };
  struct IoJob {
    enum class Kind { kNone, kAsk, kPlay, kStop } kind = Kind::kNone;
    std::size_t exchange = 0;
  };
  struct Io {
    std::size_t thread = 0;
    IoJob job;
    bool is_idle() const { return job.kind == IoJob::Kind::kNone; }
  };
  // The user's Ctrl-C, and the end of a run that has failed.
  class CallerInterrupt final : public Interrupt {
   public:
    CallerInterrupt(Schedule& schedule, Caller& caller) : schedule_(schedule), caller_(caller) {}
    bool pending() override {
      if (!schedule_.complaint_.empty()) return true;
      if (!schedule_.has(kInterrupts) || !schedule_.one_in(40)) return false;
      caller_.was_interrupted = true;
      schedule_.virtual_threads_.take_unwoken();
      return true;
    }

   private:
    Schedule& schedule_;
    Caller& caller_;
  };

  // --- chance ---
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  bool has(Fault fault) const { return (faults_ & fault) != 0; }

  // --- setting up ---
  static std::uint64_t seed_of(std::uint64_t seed, ScheduleKind kind) {
    return seed * 2 + (kind == ScheduleKind::kGivingWay ? 1 : 0);
  }
  std::uint64_t some_size();
  std::uint32_t some_chunk_bytes();
  void make_objects();
  FakeReply answer(const HttpRequest& request);
  FakeReply fault(Fault fault, const StoredObject& object, const HttpRequest& request);

  // --- callers ---
  void call(Caller& caller);
  void act(Caller& caller);
  void open(Caller& caller);
  void open_known();
  Status wait_until_open(Caller& caller, ObjectStream& stream);
  Result<ObjectVersion> head(Caller& caller, const ObjectName& name);
  void close_one();
  void read_on(Caller& caller, Handle& handle);
  void read_at(Caller& caller, Handle& handle);
  void read_ranges(Caller& caller, Handle& handle);
  void read_line(Caller& caller, Handle& handle);
  void copy_slowly(Handle& handle);
  void view(Caller& caller, Handle& handle);
  void drop_view(Caller& caller);
  bool check_ready_read(Handle& handle, std::span<std::byte> out);
  bool outcome(Caller& caller, const char* what, const ObjectStream& stream,
               const StoredObject& object, const Status& status);
  bool is_explained(const Caller& caller, const ObjectStream& stream, const StoredObject& object,
                    const Status& status) const;
  bool may_lack_memory_for_views(const StoredObject& object) const;
  void compare(const char* what, const Handle& handle, std::uint64_t offset, const void* bytes,
               std::size_t size);

  // --- the run ---
  void serve(int io);
  bool step();
  bool pass_time();
  void run_caller(std::size_t caller);
  void run_io(int io, IoJob job);
  void after_step();
  void finish_all();
  bool all_callers_finished() const;
  bool is_too_long() const;
  void complain(const std::string& what);
  void note(const std::string& what);

  std::mt19937_64 random_;
  const ScheduleKind kind_;
  const bool with_trace_;
  std::deque<std::string> trace_;
  std::string complaint_;
  ScheduleCounts counts_;

  const std::uint32_t chunk_bytes_;
  const std::uint64_t budget_bytes_;
  const int threads_;
  const int slots_per_thread_;
  const int most_slots_per_thread_;  // more: the scheduler finds its level
  unsigned faults_ = 0;
  std::uint64_t one_fault_in_ = 1;
  std::uint64_t gives_way_one_in_ = 0;
  std::uint64_t time_passes_one_in_ = 0;
  std::uint64_t is_behind_one_in_ = 0;
  // Slow replies, in a connector that has seen enough of the others to know that they are.
  std::uint64_t slow_one_in_ = 0;
  std::uint64_t requests_before_ = 0;
  std::uint64_t weights_[4] = {};  // callers, threads that gave way, asks, the store
  bool views_are_asked_for_ = false;
  std::vector<StoredObject> objects_;
  bool is_ending_ = false;
  bool stops_early_ = false;
  bool has_stood_still_for_views_ = false;

  FetchParts parts_;
  const TimePoint start_ = parts_.clock.now();
  std::shared_ptr<Budget> budget_;
  std::shared_ptr<PagePool> pool_;
  std::vector<std::shared_ptr<Handle>> handles_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<InvariantWatch> watch_;
  std::unique_ptr<ShuffledTransport> transport_;
  std::vector<std::unique_ptr<Caller>> callers_;
  std::vector<Io> io_;
  std::set<std::size_t> looked_;  // callers whose time was up since something last happened
  VirtualThreads virtual_threads_;
};

// --- setting up ---

std::uint32_t Schedule::some_chunk_bytes() {
  constexpr std::uint32_t kSizes[] = {16, 48, 64, 200, 512};
  return kSizes[below(std::size(kSizes))];
}

std::uint64_t Schedule::some_size() {
  const std::uint64_t chunk = chunk_bytes_;
  const std::uint64_t chunks = one_in(8) ? 1 + below(40) : 1 + below(6);
  switch (below(8)) {
    case 0:
      return below(3);  // empty, or next to it
    case 1:
      return chunks * chunk - 1;
    case 2:
      return chunks * chunk;
    case 3:
      return chunks * chunk + 1;
    case 4:
      return 1 + below(chunk);
    default:
      return 1 + below(chunks * chunk);
  }
}

Schedule::Schedule(std::uint64_t seed, ScheduleKind kind, bool with_trace)
    : random_(seed_of(seed, kind)),
      kind_(kind),
      with_trace_(with_trace),
      chunk_bytes_(some_chunk_bytes()),
      budget_bytes_((one_in(4) ? 40 + below(200) : 4 + below(12)) * chunk_bytes_ +
                    (one_in(3) ? below(chunk_bytes_) : 0)),
      threads_(1 + static_cast<int>(below(3))),
      slots_per_thread_(1 + static_cast<int>(one_in(4) ? below(16) : below(4))),
      most_slots_per_thread_(one_in(6) ? slots_per_thread_ * 4 : slots_per_thread_),
      parts_(anonymous()),
      budget_(std::make_shared<Budget>(budget_bytes_)),
      pool_(PagePool::make({.slot_bytes = chunk_bytes_, .keep_bytes = 0}, parts_.clock)),
      scheduler_(std::make_unique<Scheduler>(
          SchedulerOptions{.chunk_bytes = chunk_bytes_,
                           .slots = {.threads = threads_,
                                     .start_per_thread = slots_per_thread_,
                                     .most_per_thread = most_slots_per_thread_}},
          parts_.context, budget_, pool_)),
      virtual_threads_(parts_.clock) {
  if (!one_in(3)) {
    faults_ = static_cast<unsigned>(below(1u << kFaultKinds));
    if (one_in(2)) faults_ &= static_cast<unsigned>(below(1u << kFaultKinds));
    one_fault_in_ = one_in(3) ? 2 + below(4) : 8 + below(40);
  }
  for (std::uint64_t i = below(8); i > 0; --i) parts_.random.uniform();
  parts_.context.verify_crc64 = !one_in(8);
  for (std::uint64_t& weight : weights_) weight = std::uint64_t{1} << below(6);
  time_passes_one_in_ = one_in(2) ? 0 : 8 + below(100);
  is_behind_one_in_ = one_in(2) ? 0 : 2 + below(4);
  views_are_asked_for_ = one_in(3);
  if (one_in(4)) {
    slow_one_in_ = 2 + below(8);
    requests_before_ = HedgeRule::kRequestsPerHedge * (1 + below(10));
    add(parts_.counters.requests, requests_before_);
    for (std::uint64_t i = 0; i < requests_before_; ++i)
      parts_.counters.chunk_whole_us.record(1000);
  }
  const auto complain_to = [this](const std::string& what) { complain(what); };
  watch_ = std::make_unique<InvariantWatch>(
      InvariantWatch::Options{
          .chunk_bytes = chunk_bytes_,
          // A level that is found may be as low as one a thread.
          .least_slots = most_slots_per_thread_ > slots_per_thread_ ? 1 : slots_per_thread_,
          .most_slots = most_slots_per_thread_,
          .around_questions = kind == ScheduleKind::kOneAtATime},
      *scheduler_, budget_, parts_.counters, complain_to,
      with_trace ? [this](const std::string& what) { note(what); }
                 : std::function<void(const std::string&)>());
  transport_ = std::make_unique<ShuffledTransport>(
      *scheduler_, parts_.clock, parts_.counters,
      [this](const HttpRequest& request) { return answer(request); }, threads_, *watch_);
  scheduler_->set_transport(transport_.get());
  virtual_threads_.set_complain(complain_to);
  if (kind == ScheduleKind::kGivingWay) {
    gives_way_one_in_ = 2 + below(12);
    virtual_threads_.set_gives_way([this] {
      if (!one_in(gives_way_one_in_)) return false;
      ++counts_.gave_way;
      // It does not get the processor back at once: others may find what it has begun slow.
      if (slow_one_in_ != 0 && one_in(8)) parts_.clock.advance(kHeldUp);
      return true;
    });
  }
  make_objects();
  io_.resize(static_cast<std::size_t>(threads_));
  for (int i = 0; i < threads_; ++i)
    io_[static_cast<std::size_t>(i)].thread =
        virtual_threads_.add([this, i] { serve(i); }, /*may_wait=*/false);
  const std::size_t callers = 1 + below(4);
  for (std::size_t i = 0; i < callers; ++i) {
    Caller& caller = *callers_.emplace_back(std::make_unique<Caller>());
    caller.actions_left = 3 + static_cast<int>(below(12));
    caller.thread = virtual_threads_.add([this, &caller] { call(caller); }, /*may_wait=*/true);
  }
}

void Schedule::make_objects() {
  const std::uint64_t count = 1 + below(one_in(4) ? 12 : 4);
  for (std::uint64_t i = 0; i < count; ++i) {
    StoredObject& object = objects_.emplace_back();
    object.key = "o" + std::to_string(i);
    object.fake = {.size = some_size(), .seed = i + 1, .etag = "E" + std::to_string(i)};
    object.etag_at_first = object.fake.etag;
    object.is_missing = has(kNotFound) && one_in(6);
    if (!one_in(3)) {
      const std::string bytes = pattern_string(object.fake.seed, 0, object.fake.size);
      object.crc = crc64_update(0, bytes.data(), bytes.size());
      if (has(kWrongCrc) && one_in(3)) *object.crc ^= 1;
    }
  }
}

FakeReply Schedule::answer(const HttpRequest& request) {
  const std::string key = key_of(request);
  StoredObject& object = objects_[std::stoul(key.substr(1))];
  if (object.is_missing) return oss_error(404, "NoSuchKey");
  if (has(kOverwritten) && one_in(60)) object.fake.etag += "x";
  if (faults_ != 0 && one_in(one_fault_in_)) {
    const unsigned kind = 1u << below(kFaultKinds);
    if (has(static_cast<Fault>(kind))) return fault(static_cast<Fault>(kind), object, request);
  }
  FakeReply reply = ossmc::serve(object.fake, request, chunk_bytes_ / (1 + below(3)));
  if (slow_one_in_ != 0 && one_in(slow_one_in_))
    reply.piece_delay = std::chrono::milliseconds(50 + below(500));
  if (object.crc && (reply.status == 200 || reply.status == 206))
    reply.with_header("x-oss-hash-crc64ecma", std::to_string(*object.crc));
  return reply;
}

FakeReply Schedule::fault(Fault fault, const StoredObject& object, const HttpRequest& request) {
  FakeReply reply = ossmc::serve(object.fake, request, 1 + chunk_bytes_ / 3);
  const bool has_body = !reply.body.empty() && reply.status < 300;
  switch (fault) {
    case kResets:
      return fail_with(TransportError::kReset, one_in(2));
    case kThrottling:
      return oss_error(503, "SlowDown");
    case kServerErrors:
      return oss_error(500, "InternalError");
    case kNotFound:
      return one_in(4) ? oss_error(404, "NoSuchKey") : reply;
    case kCutOff:
      if (has_body) reply.reset_after(below(chunk_bytes_));
      return reply;
    case kShortBody:
      if (has_body && one_in(2)) reply.body.pop_back();
      return reply;
    case kLongBody:
      if (has_body && one_in(3)) reply.body.emplace_back("too much");
      return reply;
    case kStalls:
      if (one_in(2)) reply.body.clear();
      reply.hangs = true;
      reply.head_delay = kStall;
      reply.error = TransportError::kStalled;
      return reply;
    case kOverwritten:
    case kWrongCrc:
    case kInterrupts:
      return reply;
  }
  return reply;
}

// --- callers ---

void Schedule::call(Caller& caller) {
  while (caller.actions_left-- > 0 && complaint_.empty()) {
    act(caller);
    if (virtual_threads_.take_unwoken())
      complain("a wake-up was lost: a caller went on because its time was up");
    for (std::uint64_t turns = one_in(3) ? below(6) : 0; turns > 0; --turns)
      VirtualThreads::pause();
  }
  while (!caller.views.empty()) drop_view(caller);
}

void Schedule::act(Caller& caller) {
  caller.was_interrupted = false;
  if (handles_.empty() || (handles_.size() < 8 && one_in(4))) {
    if (one_in(8)) {
      open_known();
    } else {
      open(caller);
    }
    return;
  }
  const std::shared_ptr<Handle> handle = handles_[below(handles_.size())];
  switch (below(16)) {
    case 0:
      return close_one();
    case 1:
    case 2:
    case 3:
      return read_at(caller, *handle);
    case 4:
    case 5:
      return read_ranges(caller, *handle);
    case 6:
      return read_line(caller, *handle);
    case 7:
      return copy_slowly(*handle);
    case 8:
    case 9:
      if (views_are_asked_for_) return view(caller, *handle);
      return read_on(caller, *handle);
    case 10:
      if (!caller.views.empty()) return drop_view(caller);
      [[fallthrough]];
    default:
      for (std::uint64_t times = 1 + below(4); times > 0 && complaint_.empty(); --times)
        read_on(caller, *handle);
  }
}

// As Connector::open_many does it.
void Schedule::open(Caller& caller) {
  std::vector<std::shared_ptr<Handle>> opened;
  for (std::uint64_t count = one_in(3) ? 1 + below(5) : 1; count > 0; --count) {
    const StoredObject& object = objects_[below(objects_.size())];
    watch_->will_open(object.key);
    auto stream = scheduler_->open({"bucket", object.key});
    watch_->opened(stream, true);
    note("open " + InvariantWatch::name_of(*stream, 0));
    opened.push_back(std::make_shared<Handle>(Handle{std::move(stream), &object}));
  }
  bool all_open = true;
  for (const auto& handle : opened) {
    const Status status = wait_until_open(caller, *handle->stream);
    all_open = all_open && outcome(caller, "open", *handle->stream, *handle->object, status);
    if (!all_open) break;
  }
  for (const auto& handle : opened) {
    if (!all_open || is_ending_) {
      scheduler_->close(*handle->stream);
    } else {
      if (handle->stream->size() != handle->object->fake.size)
        complain("open of " + handle->object->key + " tells a wrong size");
      handles_.push_back(handle);
    }
  }
}

void Schedule::open_known() {
  const StoredObject& object = objects_[below(objects_.size())];
  if (object.is_missing) return;
  ObjectVersion version;
  version.size = object.fake.size;
  version.etag = object.etag_at_first;
  version.crc64 = object.crc;
  watch_->will_open(object.key);
  auto stream = scheduler_->open_known({"bucket", object.key}, version);
  if (!stream.is_ok()) return complain("open_known: " + stream.status().message());
  watch_->opened(*stream, false);
  note("open_known " + InvariantWatch::name_of(**stream, 0));
  handles_.push_back(std::make_shared<Handle>(Handle{*stream, &object}));
}

// As Connector::wait_until_open and Connector::head do it.
Status Schedule::wait_until_open(Caller& caller, ObjectStream& stream) {
  CallerInterrupt interrupt(*this, caller);
  const TimePoint deadline = parts_.clock.now() + kProgressLimit;
  while (true) {
    switch (stream.state()) {
      case StreamState::kOpen:
        return Status::ok();
      case StreamState::kFailed:
        return stream.failure();
      case StreamState::kClosed:
        return closed_status();
      case StreamState::kNeedsHead: {
        const Result<ObjectVersion> version = head(caller, stream.name());
        if (version.status().code() == StatusCode::kInterrupted) return version.status();
        scheduler_->complete_open(stream, version);
        continue;
      }
      case StreamState::kOpening:
        break;
    }
    if (interrupt.pending()) return Status(StatusCode::kInterrupted, "interrupted");
    if (parts_.clock.now() >= deadline)
      return Status(StatusCode::kTransferTimeout, "open had no reply");
    stream.wait_while_opening(kWaitSlice);
  }
}

Result<ObjectVersion> Schedule::head(Caller& caller, const ObjectName& name) {
  ++counts_.heads;
  CallerInterrupt interrupt(*this, caller);
  const auto pending = scheduler_->small_requests().submit(
      Operation::kHeadObject, head_request(name.bucket, name.key), "HEAD " + name.uri(), name.uri(),
      64 * 1024);
  const Status status = pending->wait(interrupt, parts_.clock, kProgressLimit);
  if (!status.is_ok()) return status;
  CheckedReply checked = check_head_reply(pending->head());
  if (checked.failure.has_value()) return checked.failure->status;
  return std::move(checked.version);
}

void Schedule::close_one() {
  const std::size_t victim = below(handles_.size());
  const std::shared_ptr<Handle> handle = handles_[victim];
  handles_.erase(handles_.begin() + static_cast<std::ptrdiff_t>(victim));
  note("close " + InvariantWatch::name_of(*handle->stream, 0));
  scheduler_->close(*handle->stream);
}

bool Schedule::outcome(Caller& caller, const char* what, const ObjectStream& stream,
                       const StoredObject& object, const Status& status) {
  note(std::string(what) + " of " + InvariantWatch::name_of(stream, 0) + ": " +
       (status.is_ok() ? "done" : status.message()));
  if (status.is_ok()) return true;
  ++counts_.errors;
  if (!is_explained(caller, stream, object, status) && complaint_.empty())
    complain(std::string(what) + " of " + object.key + " failed for no reason: " +
             std::string(status_code_name(status.code())) + ", " + status.message());
  return false;
}

bool Schedule::is_explained(const Caller& caller, const ObjectStream& stream,
                            const StoredObject& object, const Status& status) const {
  switch (status.code()) {
    case StatusCode::kClosed:
      return stream.is_closed();
    case StatusCode::kInterrupted:
      return caller.was_interrupted;
    case StatusCode::kConnect:
      return (faults_ & (kResets | kCutOff | kShortBody | kLongBody)) != 0;
    case StatusCode::kThrottled:
      return has(kThrottling);
    case StatusCode::kServer:
      return has(kServerErrors);
    case StatusCode::kTransferTimeout:
      return has(kStalls) || has_stood_still_for_views_;
    case StatusCode::kProtocol:
      return has(kLongBody);
    case StatusCode::kObjectNotFound:
      return has(kNotFound);
    case StatusCode::kObjectChanged:
      return object.fake.etag != object.etag_at_first;
    case StatusCode::kChecksum:
      return has(kWrongCrc);
    case StatusCode::kMemoryBudget:
      return caller.asks_for_view && may_lack_memory_for_views(object);
    default:
      return false;
  }
}

bool Schedule::may_lack_memory_for_views(const StoredObject& object) const {
  // Where threads give way, the views that stood in the way may be gone by now.
  if (kind_ == ScheduleKind::kGivingWay) return true;
  const auto asking = std::count_if(callers_.begin(), callers_.end(),
                                    [](const auto& caller) { return caller->asks_for_view; });
  return object.fake.size > budget_bytes_ || watch_->any_view() || asking > 1;
}

void Schedule::compare(const char* what, const Handle& handle, std::uint64_t offset,
                       const void* bytes, std::size_t size) {
  ++counts_.reads;
  if (!matches_pattern(bytes, handle.object->fake.seed, offset, size))
    complain(std::string(what) + " of " + handle.object->key + " at " + std::to_string(offset) +
             " gave wrong bytes");
}

// Ready bytes first, as the Python layer asks for them; then the read that waits.
void Schedule::read_on(Caller& caller, Handle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  const std::uint64_t size = stream->size();
  if (handle.cursor >= size) {
    handle.cursor = one_in(3) ? 0 : below(size + 1);
    if (handle.cursor >= size) return;
  }
  const std::uint64_t offset = handle.cursor;
  const std::uint64_t left = size - offset;
  std::uint64_t wanted = 1 + below(left);
  if (one_in(2)) wanted = std::min<std::uint64_t>(left, 1 + below(2 * chunk_bytes_));
  if (one_in(4)) wanted = std::min<std::uint64_t>(left, 1 + below(16));
  watch_->read_through(*stream, std::nullopt);
  std::vector<std::byte> out(wanted);
  const bool ready = check_ready_read(handle, out);
  Status status;
  CallerInterrupt interrupt(*this, caller);
  const ReadOptions options{.progress_limit = kProgressLimit, .sequential = true};
  if (!ready) {
    note("read of " + InvariantWatch::name_of(*stream, offset / chunk_bytes_) + " at " +
         std::to_string(offset) + ", " + std::to_string(wanted) + " bytes");
    status = read_stream(*scheduler_, *stream, offset, out.data(), wanted, options, interrupt);
  }
  if (!outcome(caller, "read", *stream, *handle.object, status)) return;
  compare("read", handle, offset, out.data(), wanted);
  handle.cursor = offset + wanted;
  if (handle.cursor % chunk_bytes_ == 0 || handle.cursor == size)
    watch_->read_through(*stream, (handle.cursor - 1) / chunk_bytes_);
}

// A read of what is there takes no mutex, wakes nobody and waits for nobody, unless it ends a
// chunk.
bool Schedule::check_ready_read(Handle& handle, std::span<std::byte> out) {
  ObjectStream& stream = *handle.stream;
  const std::uint64_t index = handle.cursor / chunk_bytes_;
  const Chunk& chunk = stream.slot(index).chunk;
  const bool was_whole = chunk.handed_out_whole();
  const std::uint64_t mutexes = mutexes_taken();
  const bool ready = read_stream_if_ready(*scheduler_, stream, handle.cursor, out);
  const std::uint64_t taken = mutexes_taken() - mutexes;
  const bool ends_chunk =
      handle.cursor + out.size() == stream.chunk_begin(index) + stream.chunk_length(index);
  // After the last copy from a closed object its memory goes.
  if (ends_chunk || chunk.handed_out_whole() != was_whole || stream.is_closed()) return ready;
  // Nobody else ran, or it may have been another's doing.
  if (kind_ == ScheduleKind::kOneAtATime && taken != 0)
    complain("a read of ready bytes took a mutex");
  return ready;
}

void Schedule::read_at(Caller& caller, Handle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->size() == 0) return;
  const std::uint64_t offset = below(stream->size());
  const std::uint64_t left = stream->size() - offset;
  const std::uint64_t wanted =
      one_in(2) ? 1 + below(left) : std::min<std::uint64_t>(left, 1 + below(32));
  note("read_at of " + InvariantWatch::name_of(*stream, offset / chunk_bytes_) + " at " +
       std::to_string(offset) + ", " + std::to_string(wanted) + " bytes");
  std::vector<std::byte> out(wanted);
  CallerInterrupt interrupt(*this, caller);
  const Status status = read_stream(*scheduler_, *stream, offset, out.data(), wanted,
                                    {.progress_limit = kProgressLimit}, interrupt);
  if (outcome(caller, "read_at", *stream, *handle.object, status))
    compare("read_at", handle, offset, out.data(), wanted);
}

void Schedule::read_ranges(Caller& caller, Handle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->size() == 0) return;
  std::vector<std::vector<std::byte>> outs;
  std::vector<StreamPart> parts;
  std::string text;
  for (std::uint64_t count = 1 + below(6); count > 0; --count) {
    const std::uint64_t offset = below(stream->size());
    const std::uint64_t left = stream->size() - offset;
    const std::uint64_t size = std::min<std::uint64_t>(left, below(2 * chunk_bytes_));
    parts.emplace_back(offset, outs.emplace_back(size));
    text += " " + std::to_string(offset) + "+" + std::to_string(size);
  }
  note("read_ranges of " + InvariantWatch::name_of(*stream, 0) + ":" + text);
  CallerInterrupt interrupt(*this, caller);
  const Status status =
      read_stream_parts(*scheduler_, *stream, parts, {.progress_limit = kProgressLimit}, interrupt);
  if (!outcome(caller, "read_ranges", *stream, *handle.object, status)) return;
  for (const StreamPart& part : parts)
    compare("read_ranges", handle, part.first, part.second.data(), part.second.size());
}

void Schedule::read_line(Caller& caller, Handle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->size() == 0) return;
  const std::uint64_t offset = below(stream->size());
  const std::uint64_t limit = 1 + below(stream->size() - offset);
  note("line of " + InvariantWatch::name_of(*stream, offset / chunk_bytes_) + " at " +
       std::to_string(offset) + ", at most " + std::to_string(limit) + " bytes");
  CallerInterrupt interrupt(*this, caller);
  const Result<std::uint64_t> length =
      find_byte(*scheduler_, *stream, offset, limit, std::byte{'\n'},
                {.progress_limit = kProgressLimit}, interrupt);
  if (!outcome(caller, "line", *stream, *handle.object, length.status())) return;
  const std::string bytes = pattern_string(handle.object->fake.seed, offset, limit);
  const std::size_t found = bytes.find('\n');
  if (*length != (found == bytes.npos ? limit : found + 1))
    complain("a line of " + handle.object->key + " has a wrong length");
}

// A reader that is in the middle of its copy, or of its search for a byte, while others go on.
void Schedule::copy_slowly(Handle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->chunk_count() == 0) return;
  const std::uint64_t index = below(stream->chunk_count());
  Chunk& chunk = stream->slot(index).chunk;
  const std::uint32_t end = chunk.view().filled;
  if (end == 0 || !chunk.try_pin(end)) return;
  note("slow copy of " + InvariantWatch::name_of(*stream, index));
  for (std::uint64_t turns = 1 + below(20); turns > 0; --turns) VirtualThreads::pause();
  compare("slow copy", handle, stream->chunk_begin(index), chunk.data(), end);
  chunk.unpin();
  note("end of the slow copy of " + InvariantWatch::name_of(*stream, index));
}

void Schedule::view(Caller& caller, Handle& handle) {
  const std::shared_ptr<ObjectStream> stream = handle.stream;
  if (stream->size() == 0) return;
  note("view of " + InvariantWatch::name_of(*stream, 0));
  CallerInterrupt interrupt(*this, caller);
  caller.asks_for_view = true;
  Result<std::shared_ptr<ViewRegion>> region =
      view_stream(*scheduler_, *stream, {.progress_limit = kProgressLimit}, interrupt);
  if (outcome(caller, "view", *stream, *handle.object, region.status())) {
    ++counts_.views;
    watch_->view_made(stream->sequence(), *region);
    compare("view", handle, 0, (*region)->data(), (*region)->size());
    caller.views.push_back({handle.object, stream->sequence(), std::move(region).value()});
  }
  caller.asks_for_view = false;
}

void Schedule::drop_view(Caller& caller) {
  const auto& [object, sequence, region] = caller.views.back();
  if (!matches_pattern(region->data(), object->fake.seed, 0, region->size()))
    complain("the bytes of a view of " + object->key + " changed");
  note("end of a view of " + object->key);
  watch_->view_dropped(sequence);
  caller.views.pop_back();
  scheduler_->note_memory_released();
}

// --- the run ---

void Schedule::serve(int io) {
  while (true) {
    IoJob& job = io_[static_cast<std::size_t>(io)].job;
    switch (job.kind) {
      case IoJob::Kind::kAsk:
        transport_->ask(
            io, is_behind_one_in_ > 0 && transport_->busy(io) > 0 && one_in(is_behind_one_in_));
        break;
      case IoJob::Kind::kPlay:
        transport_->play(io, job.exchange);
        break;
      case IoJob::Kind::kStop:
        transport_->stop(io);
        job = {};
        return;
      case IoJob::Kind::kNone:
        break;
    }
    job = {};
    VirtualThreads::pause();
  }
}

void Schedule::run_caller(std::size_t caller) {
  looked_.clear();
  virtual_threads_.run(callers_[caller]->thread);
  after_step();
}

void Schedule::run_io(int io, IoJob job) {
  looked_.clear();
  Io& self = io_[static_cast<std::size_t>(io)];
  if (self.is_idle()) self.job = job;
  virtual_threads_.run(self.thread);
  after_step();
}

bool Schedule::all_callers_finished() const {
  return std::all_of(callers_.begin(), callers_.end(), [this](const auto& caller) {
    return virtual_threads_.finished(caller->thread);
  });
}

// One thing that can happen, happens. False: nothing can by itself.
bool Schedule::step() {
  struct Choice {
    int io;  // negative: a caller
    std::size_t caller;
    IoJob job;
  };
  std::vector<Choice> choices[4];
  for (std::size_t i = 0; i < callers_.size(); ++i) {
    const std::size_t thread = callers_[i]->thread;
    if (virtual_threads_.finished(thread) || virtual_threads_.waits(thread)) continue;
    choices[virtual_threads_.gave_way(thread) ? 1 : 0].push_back({-1, i, {}});
  }
  for (int io = 0; io < threads_; ++io) {
    const Io& self = io_[static_cast<std::size_t>(io)];
    if (virtual_threads_.finished(self.thread)) continue;
    if (!self.is_idle()) {
      choices[1].push_back({io, 0, {}});
      continue;
    }
    if (transport_->has_reason_to_ask(io)) choices[2].push_back({io, 0, {IoJob::Kind::kAsk, 0}});
    for (std::size_t i = 0; i < transport_->exchanges(io); ++i) {
      if (transport_->can_play(io, i)) choices[3].push_back({io, 0, {IoJob::Kind::kPlay, i}});
    }
  }
  std::uint64_t total = 0;
  for (int i = 0; i < 4; ++i) total += choices[i].empty() ? 0 : weights_[i];
  if (total == 0) return false;
  std::uint64_t at = below(total);
  int group = 0;
  for (;; ++group) {
    if (choices[group].empty()) continue;
    if (at < weights_[group]) break;
    at -= weights_[group];
  }
  // Nobody is in the middle of something: time may pass while the store takes its own.
  if (choices[0].empty() && choices[1].empty() && choices[2].empty() && time_passes_one_in_ != 0 &&
      one_in(time_passes_one_in_) && pass_time())
    return true;
  const Choice choice = choices[group][below(choices[group].size())];
  if (choice.io < 0) {
    run_caller(choice.caller);
  } else {
    run_io(choice.io, choice.job);
  }
  return true;
}

// The next moment at which something has waited long enough. False: there is none that changes
// anything, for every caller has looked since something last happened.
bool Schedule::pass_time() {
  TimePoint due = TimePoint::max();
  for (int io = 0; io < threads_; ++io) {
    if (transport_->next_due(io) > parts_.clock.now())
      due = std::min(due, transport_->next_due(io));
    for (std::size_t i = 0; i < transport_->exchanges(io); ++i) {
      if (!transport_->can_play(io, i)) due = std::min(due, transport_->next_part_at(io, i));
    }
  }
  std::optional<std::size_t> late;
  for (std::size_t i = 0; i < callers_.size(); ++i) {
    const std::size_t thread = callers_[i]->thread;
    if (virtual_threads_.finished(thread) || !virtual_threads_.waits(thread) ||
        looked_.contains(i) || virtual_threads_.deadline(thread) > due)
      continue;
    due = virtual_threads_.deadline(thread);
    late = i;
  }
  if (due == TimePoint::max()) return false;
  if (due > parts_.clock.now()) parts_.clock.advance(due - parts_.clock.now());
  if (late.has_value()) {
    // It looks again; what it then does, it does with the others as they are.
    if (with_trace_)
      note("the time of caller " + std::to_string(*late) + " is up, " +
           watch_->where(virtual_threads_.waits_on(callers_[*late]->thread)));
    const std::set<std::size_t> looked = looked_;
    virtual_threads_.time_out(callers_[*late]->thread);
    run_caller(*late);
    looked_ = looked;
    looked_.insert(*late);
  }
  return true;
}

void Schedule::after_step() {
  ++counts_.steps;
  watch_->after_step();
  std::vector<const void*> waiting;
  bool view_waits = false;
  for (const auto& caller : callers_) {
    view_waits |= caller->asks_for_view;
    if (virtual_threads_.waits(caller->thread))
      waiting.push_back(virtual_threads_.waits_on(caller->thread));
    if (virtual_threads_.gave_way(caller->thread)) return;
  }
  for (int io = 0; io < threads_; ++io) {
    if (!io_[static_cast<std::size_t>(io)].is_idle() || transport_->has_reason_to_ask(io)) return;
    // It looks again very soon: that is how it learns that somebody has copied his bytes.
    if (transport_->next_due(io) <= parts_.clock.now() + kSoon) return;
  }
  watch_->after_turn(*transport_, waiting, view_waits);
}

bool Schedule::is_too_long() const {
  return counts_.steps > kMostSteps || parts_.clock.now() - start_ > kLongestRun;
}

void Schedule::complain(const std::string& what) {
  if (!complaint_.empty()) return;
  note("COMPLAINT: " + what);
  complaint_ = what;
  virtual_threads_.end_all_waits();
}

void Schedule::note(const std::string& what) {
  if (!with_trace_ || !complaint_.empty()) return;
  trace_.push_back(std::to_string(counts_.steps) + ": " + what + ", " +
                   std::to_string(budget_->free_bytes()) + " free");
  if (trace_.size() > kTraceLines) trace_.pop_front();
}

// All is closed, by a caller of its own; then the store has its say on what is in flight, or not.
void Schedule::finish_all() {
  is_ending_ = true;
  Caller& closer = *callers_.emplace_back(std::make_unique<Caller>());
  closer.thread = virtual_threads_.add(
      [this] {
        while (!handles_.empty() && !one_in(6)) close_one();
        if (!handles_.empty()) {
          scheduler_->close_all();
          handles_.clear();
        }
        if (kind_ == ScheduleKind::kOneAtATime && scheduler_->memory_bytes() != 0)
          complain("memory_bytes() is not 0 with all closed");
      },
      /*may_wait=*/true);
  while (!all_callers_finished()) step();
  stops_early_ = one_in(4);
  while (!stops_early_ && complaint_.empty() && (step() || pass_time())) {
    if (is_too_long()) complain("the I/O threads do not come to rest with all closed");
  }
  if (stops_early_) scheduler_->close_all();
  for (int io = 0; io < threads_; ++io) {
    Io& self = io_[static_cast<std::size_t>(io)];
    while (!self.is_idle()) run_io(io, {});
    if (complaint_.empty() && !stops_early_) {
      if (transport_->exchanges(io) != 0) complain("an exchange did not end");
      transport_->ask(io, false);
      if (transport_->exchanges(io) != 0) complain("something was started with all closed");
      if (transport_->next_due(io) != TimePoint::max())
        complain("something is due with all closed");
    }
    while (!virtual_threads_.finished(self.thread)) run_io(io, {IoJob::Kind::kStop, 0});
  }
}

ScheduleResult Schedule::run() {
  note("chunks of " + std::to_string(chunk_bytes_) + " bytes, budget of " +
       std::to_string(budget_bytes_) + ", " + std::to_string(threads_) + " x " +
       std::to_string(slots_per_thread_) + " slots");
  for (const StoredObject& object : objects_)
    note(object.key + " has " + std::to_string(object.fake.size) + " bytes");
  while (!all_callers_finished()) {
    if (!step() && !pass_time()) {
      // Everybody has looked, nothing is in flight, nothing is due.
      std::string who;
      for (const auto& caller : callers_) {
        if (virtual_threads_.waits(caller->thread))
          who +=
              (who.empty() ? "" : "; ") + watch_->where(virtual_threads_.waits_on(caller->thread));
      }
      if (watch_->is_for_views_to_end()) {
        note("all wait for memory that views hold: " + who);
        ++counts_.waited_for_views;
        has_stood_still_for_views_ = true;
        parts_.clock.advance(kProgressLimit);
        virtual_threads_.let_waits_run_out();
        looked_.clear();
      } else {
        complain("everything stands still, and somebody waits: " + who);
      }
    }
    if (is_too_long()) complain("the run does not end");
  }
  assert(all_callers_finished());
  finish_all();
  callers_.clear();
  handles_.clear();
  if (complaint_.empty()) {
    watch_->at_end(stops_early_);
    if (pool_.use_count() != 2)
      complain(std::to_string(pool_.use_count() - 2) + " buffers of the pool did not come back");
  }
  counts_.requests = load(parts_.counters.requests) - requests_before_;
  counts_.hedges = load(parts_.counters.hedges);
  counts_.with_hedges = counts_.hedges > 0 ? 1 : 0;
  counts_.retries = load(parts_.counters.retries);
  counts_.refetches = load(parts_.counters.refetches);
  counts_.evicted_unread = watch_->evicted_unread();
  counts_.evicted_consumed = watch_->evicted_consumed();
  return {complaint_, {trace_.begin(), trace_.end()}, counts_};
}

}  // namespace

ScheduleResult run_schedule(std::uint64_t seed, ScheduleKind kind, bool with_trace) {
  return Schedule(seed, kind, with_trace).run();
}

}  // namespace ossmc
