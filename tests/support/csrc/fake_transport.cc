#include "support/csrc/fake_transport.h"

#include <strings.h>
#include <algorithm>
#include <cassert>
#include <cstdio>

#include "support/csrc/pattern.h"

namespace ossmc {

FakeReply& FakeReply::with_header(std::string name, std::string value) {
  headers.push_back({std::move(name), std::move(value)});
  return *this;
}

FakeReply& FakeReply::reset_after(std::size_t bytes) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i].size() > bytes - kept) {
      body[i].resize(bytes - kept);
      body.resize(i + (body[i].empty() ? 0 : 1));
      break;
    }
    kept += body[i].size();
  }
  error = TransportError::kReset;
  error_text = "connection reset by peer";
  return *this;
}

FakeReply fail_with(TransportError error, bool reused_connection) {
  FakeReply reply;
  reply.status = 0;
  reply.error = error;
  reply.error_text = "the fake transport failed";
  reply.reused_connection = reused_connection;
  return reply;
}

FakeReply oss_error(int status, std::string_view code, std::string_view more_xml) {
  FakeReply reply;
  reply.status = status;
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" +
                    std::string(code) + "</Code><Message>in words</Message><RequestId>REQ-" +
                    std::to_string(status) + "</RequestId>" + std::string(more_xml) + "</Error>";
  reply.with_header("x-oss-request-id", "REQ-" + std::to_string(status));
  reply.with_header("Content-Length", std::to_string(xml.size()));
  reply.body.push_back(std::move(xml));
  return reply;
}

std::string key_of(const HttpRequest& request) {
  const std::string path = request.url.substr(0, request.url.find('?'));
  return path.substr(path.rfind('/') + 1);
}

std::string header_of(const HttpRequest& request, std::string_view name) {
  for (const NameValue& header : request.headers) {
    if (header.name.size() == name.size() &&
        strncasecmp(header.name.data(), name.data(), name.size()) == 0) {
      return header.value;
    }
  }
  return {};
}

FakeReply serve(const FakeObject& object, const HttpRequest& request, std::size_t piece_bytes) {
  const std::string if_match = header_of(request, "If-Match");
  if (!if_match.empty() && if_match != "\"" + object.etag + "\"")
    return oss_error(412, "PreconditionFailed");
  std::uint64_t begin = 0;
  std::uint64_t end = object.size;
  FakeReply reply;
  reply.status = 200;
  const std::string range = header_of(request, "Range");
  if (!range.empty()) {
    unsigned long long first = 0;
    unsigned long long last = 0;
    const int read = std::sscanf(range.c_str(), "bytes=%llu-%llu", &first,
                                 &last);  // NOLINT(cert-err34-c): a test's
    assert(read == 2 && first <= last);
    static_cast<void>(read);
    if (first >= object.size) return oss_error(416, "InvalidRange");
    begin = first;
    end = std::min<std::uint64_t>(object.size, last + 1);
    reply.status = 206;
    reply.with_header("Content-Range", "bytes " + std::to_string(begin) + "-" +
                                           std::to_string(end - 1) + "/" +
                                           std::to_string(object.size));
  }
  reply.with_header("Content-Length", std::to_string(end - begin));
  reply.with_header("ETag", "\"" + object.etag + "\"");
  reply.with_header("x-oss-request-id", "REQ-" + std::to_string(reply.status));
  reply.with_header("x-oss-storage-class", "Standard");
  reply.with_header("Last-Modified", "Fri, 24 Feb 2012 06:07:48 GMT");
  if (request.method == Method::kHead) return reply;
  while (begin < end) {
    const std::size_t size =
        static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, end - begin));
    reply.body.push_back(pattern_string(object.seed, begin, size));
    begin += size;
  }
  return reply;
}

FakeReply serve_whole(const FakeObject& object, HttpRequest request, std::size_t piece_bytes) {
  std::erase_if(request.headers, [](const NameValue& header) { return header.name == "Range"; });
  return serve(object, request, piece_bytes);
}

FakeTransport::FakeTransport(WorkSource& source, FakeClock& clock, Script script,
                             std::uint64_t seed, int threads)
    : source_(source),
      clock_(clock),
      script_(std::move(script)),
      threads_(threads),
      random_(seed) {}

int FakeTransport::busy(int thread) const {
  return static_cast<int>(
      std::count_if(running_.begin(), running_.end(),
                    [&](const Running& running) { return running.thread == thread; }));
}

void FakeTransport::pull() {
  abort_cancelled();
  // Threads in turn, one exchange each, as idle threads that race for work would get them.
  for (bool got = true; got;) {
    got = false;
    for (int thread = 0; thread < threads_; ++thread) {
      const int running = busy(thread);
      const Occupancy occupancy = {.busy = running,
                                   .behind = behind_ && running > 0,
                                   .enough = enough_,
                                   .ramp = ramp_,
                                   .held_back = std::min(held_back_, running),
                                   .is_at_limit = held_back_ > 0};
      if (Exchange* exchange = source_.next(thread, occupancy)) {
        start(*exchange, thread);
        got = true;
      }
    }
  }
}

void FakeTransport::start(Exchange& exchange, int thread) {
  const HttpRequest& request = exchange.request();
  started_.push_back({request, clock_.now(), thread});
  Running& running = running_.emplace_back();
  running.exchange = &exchange;
  running.thread = thread;
  running.reply = script_(started_.back().request, started_.size() - 1);
  running.started = clock_.now();
  running.due = clock_.now() + running.reply.head_delay;
  if (running.reply.status == 0) running.next_part = 1 + running.reply.body.size();
  most_in_progress_ = std::max(most_in_progress_, in_progress());
}

void FakeTransport::abort_cancelled() {
  for (auto it = running_.begin(); it != running_.end();) {
    const auto running = it++;
    if (running->exchange->cancelled()) finish(running, TransportError::kCancelled);
  }
}

std::optional<TimePoint> FakeTransport::next_event(bool* is_reply) {
  std::optional<TimePoint> next;
  *is_reply = false;
  for (const Running& running : running_) {
    const bool waits = running.reply.hangs && running.next_part > running.reply.body.size();
    if (!waits && (!next || running.due < *next)) {
      next = running.due;
      *is_reply = true;
    }
  }
  // What is due by now and was not handed out waits for something else than time.
  const TimePoint asked = source_.next_due();
  if (asked != TimePoint::max() && asked > clock_.now() && (!next || asked < *next)) {
    next = asked;
    *is_reply = false;
  }
  return next;
}

bool FakeTransport::step() {
  pull();
  bool is_reply = false;
  const std::optional<TimePoint> next = next_event(&is_reply);
  if (!next) return false;
  if (*next > clock_.now()) clock_.advance(*next - clock_.now());
  if (is_reply) play_one();
  return true;
}

void FakeTransport::play_one() {
  std::vector<std::list<Running>::iterator> due;
  for (auto it = running_.begin(); it != running_.end(); ++it) {
    const bool waits = it->reply.hangs && it->next_part > it->reply.body.size();
    if (!waits && it->due <= clock_.now()) due.push_back(it);
  }
  assert(!due.empty());
  const auto running = due[random_() % due.size()];
  const FakeReply& reply = running->reply;
  const std::size_t part = running->next_part++;
  running->due += reply.piece_delay;
  if (part == 0) {
    if (!running->exchange->on_head(parse_response_head(reply.status, reply.headers))) {
      finish(running, TransportError::kAborted);
    }
  } else if (part <= reply.body.size()) {
    const std::string& piece = reply.body[part - 1];
    if (!running->exchange->on_body(reinterpret_cast<const std::byte*>(piece.data()),
                                    piece.size())) {
      finish(running, TransportError::kAborted);
    }
  } else {
    finish(running, reply.error);
  }
}

void FakeTransport::finish(std::list<Running>::iterator running, TransportError error) {
  ExchangeOutcome outcome;
  outcome.error = error;
  if (error == running->reply.error) outcome.text = running->reply.error_text;
  outcome.reused_connection = running->reply.reused_connection;
  outcome.any_reply_byte = running->reply.status != 0 && running->next_part > 0;
  outcome.elapsed = clock_.now() - running->started;
  if (outcome.any_reply_byte) outcome.first_byte = running->reply.head_delay;
  outcome.remote = "192.0.2.1:80";
  Exchange* exchange = running->exchange;
  running_.erase(running);  // first: on_done may hand the same exchange out again, or destroy it
  exchange->on_done(outcome);
}

void FakeTransport::run() {
  while (step()) {
  }
}

bool FakeTransport::run_until(const std::function<bool()>& done) {
  while (!done()) {
    if (!step()) return done();
  }
  return true;
}

void FakeTransport::run_for(Duration time) {
  const TimePoint end = clock_.now() + time;
  while (true) {
    pull();
    bool is_reply = false;
    const std::optional<TimePoint> next = next_event(&is_reply);
    if (!next || *next > end) break;
    step();
  }
  if (end > clock_.now()) clock_.advance(end - clock_.now());
}

void FakeTransport::stop() {
  while (!running_.empty()) finish(running_.begin(), TransportError::kCancelled);
}

}  // namespace ossmc
