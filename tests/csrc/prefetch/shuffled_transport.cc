#include "csrc/prefetch/shuffled_transport.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "csrc/prefetch/virtual_threads.h"

namespace ossmc {

namespace {
// As the real threads: what is due and yet not given is not asked for sooner.
constexpr Duration kAskAgain = std::chrono::milliseconds(10);
}  // namespace

ShuffledTransport::ShuffledTransport(WorkSource& source, const FakeClock& clock, Counters& counters,
                                     Store store, int threads, Observer& observer)
    : source_(source),
      clock_(clock),
      counters_(counters),
      store_(std::move(store)),
      observer_(observer),
      threads_(static_cast<std::size_t>(threads)) {}

void ShuffledTransport::wake() noexcept {
  VirtualThreads::meeting_point("the wake of the I/O threads");
  for (IoThread& thread : threads_) thread.asks = thread.woken = true;
  VirtualThreads::meeting_point(nullptr);
}

int ShuffledTransport::in_progress() const {
  int sum = 0;
  for (const IoThread& thread : threads_) sum += static_cast<int>(thread.running.size());
  return sum;
}

bool ShuffledTransport::has_reason_to_ask(int thread) const {
  return at(thread).asks || at(thread).ask_due <= clock_.now();
}

void ShuffledTransport::ask(int thread, bool behind) {
  IoThread& self = at(thread);
  if (std::exchange(self.woken, false)) {
    for (auto it = self.running.begin(); it != self.running.end();) {
      const auto running = it++;
      if (running->exchange->cancelled()) finish(self, running, TransportError::kCancelled);
    }
  }
  self.asks = behind;
  observer_.before_ask(busy(thread), behind);
  Exchange* const exchange = source_.next(thread, {.busy = busy(thread), .behind = behind});
  observer_.after_ask(exchange);
  if (exchange != nullptr) {
    self.asks = true;
    begin(self, *exchange);
  } else {
    self.ask_due = source_.next_due();
    if (self.ask_due != TimePoint::max())
      self.ask_due = std::max(self.ask_due, clock_.now() + kAskAgain);
  }
}

void ShuffledTransport::begin(IoThread& thread, Exchange& exchange) {
  Running& running = thread.running.emplace_back();
  const auto self = std::prev(thread.running.end());
  running.exchange = &exchange;
  running.started = clock_.now();
  const HttpRequest& request = exchange.request();
  if (exchange.cancelled()) {
    finish(thread, self, TransportError::kCancelled);
    return;
  }
  add(counters_.requests);
  running.reply = store_(request);
  if (running.reply.status == 0) running.next_part = 1 + running.reply.body.size();
  // A reply that hangs does so before its end; `head_delay` tells for how long until it is given
  // up.
  if (running.reply.hangs) running.hangs_until = clock_.now() + running.reply.head_delay;
}

const ShuffledTransport::Running& ShuffledTransport::running(int thread,
                                                             std::size_t exchange) const {
  return *std::next(at(thread).running.begin(), static_cast<std::ptrdiff_t>(exchange));
}

TimePoint ShuffledTransport::next_part_at(int thread, std::size_t exchange) const {
  const Running& it = running(thread, exchange);
  const bool hangs = it.reply.hangs && it.next_part > it.reply.body.size();
  return hangs ? it.hangs_until : it.piece_at;
}

bool ShuffledTransport::can_play(int thread, std::size_t exchange) const {
  return next_part_at(thread, exchange) <= clock_.now();
}

void ShuffledTransport::play(int thread, std::size_t exchange) {
  assert(can_play(thread, exchange));
  IoThread& self = at(thread);
  const auto running = std::next(self.running.begin(), static_cast<std::ptrdiff_t>(exchange));
  const FakeReply& reply = running->reply;
  const std::size_t part = running->next_part++;
  running->piece_at = clock_.now() + reply.piece_delay;
  if (part == 0) {
    if (!running->exchange->on_head(parse_response_head(reply.status, reply.headers)))
      finish(self, running, TransportError::kAborted);
  } else if (part <= reply.body.size()) {
    const std::string& piece = reply.body[part - 1];
    add(counters_.bytes_received, piece.size());
    if (!running->exchange->on_body(reinterpret_cast<const std::byte*>(piece.data()), piece.size()))
      finish(self, running, TransportError::kAborted);
  } else {
    finish(self, running, reply.error);
  }
}

void ShuffledTransport::finish(IoThread& thread, std::list<Running>::iterator running,
                               TransportError error) {
  ExchangeOutcome outcome;
  outcome.error = error;
  outcome.reused_connection = running->reply.reused_connection;
  outcome.any_reply_byte = running->reply.status != 0 && running->next_part > 0;
  outcome.elapsed = clock_.now() - running->started;
  Exchange* const exchange = running->exchange;
  thread.running.erase(running);
  thread.asks = true;
  observer_.before_end(*exchange, outcome);
  exchange->on_done(outcome);
  observer_.after_end();
}

void ShuffledTransport::stop(int thread) {
  while (!at(thread).running.empty())
    finish(at(thread), at(thread).running.begin(), TransportError::kCancelled);
}

}  // namespace ossmc
