#include "transfer/io_thread.h"

#include <pthread.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "auth/digest.h"
#include "base/blocked_signals.h"
#include "base/fork_gate.h"
#include "transfer/descriptor_limit.h"

namespace ossmc {
namespace {

// A source that is due and yet has nothing to give (it counts us as busy enough) is not asked again
// before this time has passed: it must not keep the thread spinning.
constexpr Duration kAskAgain = std::chrono::milliseconds(10);

// So many exchanges when nothing has come yet, and one more with each so many bytes: twice as many
// after each round trip. For so long: then it is known whether the thread keeps up, and a store
// that takes its time shall not be asked for less.
constexpr int kRampStart = 4;
constexpr std::uint64_t kBytesToRamp = 64u << 10;
constexpr Duration kRamp = std::chrono::milliseconds(50);

// How often connections in the making are looked after; a connect timeout is shared by the
// addresses of a name.
constexpr Duration kNudgeInterval = std::chrono::milliseconds(250);

// Nobody can wake a thread whose descriptors were closed behind its back: so soon it sees that by
// itself. Waking up for nothing four times a second costs nothing that can be measured.
constexpr Duration kLongestSleep = std::chrono::milliseconds(250);

Status cannot_start(const char* what, int error) {
  if (is_descriptor_shortage(error)) return descriptor_shortage("I/O thread", error);
  // A thread without memory for its stack gets EAGAIN.
  const bool is_memory = error == ENOMEM || error == EAGAIN;
  return {is_memory ? StatusCode::kMemoryBudget : StatusCode::kInternal,
          std::string("I/O thread: ") + what + ": " + std::system_category().message(error)};
}

void name_this_thread(const std::string& name, int number) {
  const std::string digits = std::to_string(number);
  const std::size_t room = 15 - std::min<std::size_t>(digits.size(), 15);  // the kernel's limit
  pthread_setname_np(pthread_self(), (name.substr(0, room) + digits).c_str());
}

// With the type asynchronous, which means nothing while cancelling is off: otherwise glibc before
// 2.41 sets and resets it around each recv() and poll(), by two locked instructions.
void never_cancel_this_thread() {
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
}

}  // namespace

IoThread::IoThread(int number, const TransferSettings& settings, WorkSource& source,
                   const Clock& clock, Counters& counters)
    : number_(number),
      settings_(settings),
      source_(source),
      clock_(clock),
      counters_(counters),
      stall_watch_(settings.options.stall_timeout),
      limit_(settings.options.rate_limit),
      waker_(std::make_shared<Waker>()),
      open_sockets_(counters, watch_),
      share_(open_sockets_.shared()),
      multi_({socket_callback, timer_callback, this}, settings.options.max_connections_per_thread),
      turn_order_(TurnOrder::interval_for(settings.options.stall_timeout)) {}

IoThread::~IoThread() = default;

Status IoThread::start() {
  if (!watch_.is_open() || waker_->fd() < 0) {
    const int error = find_descriptor_shortage(1);
    return cannot_start("no descriptor", error != 0 ? error : EMFILE);
  }
  if (!watch_.watch(waker_->fd(), EPOLLIN)) return cannot_start("epoll", errno);
  if (!multi_.open()) {
    // A newer libcurl's multi handle has descriptors of its own.
    const int refused = find_descriptor_shortage();
    return cannot_start("libcurl", refused != 0 ? refused : ENOMEM);
  }
  const BlockedSignals blocked;  // the new thread starts with this thread's mask
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return cannot_start("no thread", error.code().value());
  }
  open_sockets_.shared().join(waker_);
  return {};
}

void IoThread::request_stop() noexcept {
  stopping_.store(true);
  wake();
}

void IoThread::join() {
  if (thread_.joinable()) thread_.join();
  open_sockets_.shared().leave(*waker_);
  watch_.close();
  waker_->close();
}

void IoThread::run() noexcept {
  name_this_thread(settings_.options.thread_name, number_);
  never_cancel_this_thread();
  const ForkGate::Inside inside(fork_gate());
  while (!stopping_.load()) {
    if (!multi_.is_good()) renew_multi();
    if (busy_.empty() && ask_ && !descriptors_are_ours()) renew_descriptors();
    if (ask_) ask_source();
    give_way();
    act_on_time();
    wait_and_act();
    let_go_on();
    if (std::exchange(woken_, false)) {
      ask_ = true;
      abort_cancelled();
    }
    if (ask_when_not_behind_ && !turn_order_.is_behind()) ask_ = true;
    if (ask_above_ramp_ != Occupancy::kNotKnown && ask_above_ramp_ < ramp()) ask_ = true;
    abort_stalled();
    nudge_connecting();
  }
  if (!descriptors_are_ours()) renew_descriptors();
  close_multi(TransportError::kCancelled, "stopped");
  release_thread_state();
}

void IoThread::wait_and_act() {
  std::array<ReadySocket, SocketWatch::kEventsPerWait> ready;
  const bool was_woken = waker_->begin_sleep();
  // Of what was left behind all may be gone meanwhile.
  const bool awake = ask_ || ask_when_not_behind_ || was_woken;
  const int timeout_ms = awake ? 0 : sleep_ms(clock_.now());
  std::span<const SocketEvent> events;
  {
    const ForkGate::Outside outside(fork_gate());
    events = watch_.wait(timeout_ms);
  }
  waker_->end_sleep();
  if (watch_.is_lost()) return renew_descriptors();

  std::size_t others = 0;  // than event_
  for (const SocketEvent& event : events) {
    if (event.socket == waker_->fd()) {
      waker_->clear_event();
    } else {
      ready[others++] = describe(event);
    }
  }
  const std::size_t served = turn_order_.choose(std::span(ready).first(others), clock_.now());
  for (const ReadySocket& one : std::span(ready).first(served)) {
    if (!multi_.is_good()) break;
    int what = 0;
    if (one.events & (EPOLLIN | EPOLLHUP)) what |= CURL_CSELECT_IN;
    if (one.events & EPOLLOUT) what |= CURL_CSELECT_OUT;
    if (one.events & EPOLLERR) what |= CURL_CSELECT_ERR;
    act(one.socket, what);
    // A slot that became free is used before the next socket is served.
    if (ask_) ask_source();
    fork_gate().let_fork();
  }
  woken_ = waker_->take();
}

ReadySocket IoThread::describe(const SocketEvent& event) const {
  ReadySocket result{.socket = event.socket, .events = event.events};
  const auto owner = std::find_if(busy_.begin(), busy_.end(), [&event](const auto& slot) {
    return slot->socket() == event.socket;
  });
  if (owner == busy_.end()) return result;
  const Slot& slot = **owner;
  result.at_once = slot.exchange().is_awaited() || slot.is_connecting();
  result.sequence = slot.sequence();
  return result;
}

int IoThread::sleep_ms(TimePoint now) const {
  TimePoint due = std::min({ask_due_, curl_due_, nudge_due_});
  if (!busy_.empty()) due = std::min(due, sample_due_);
  if (!multi_.is_good()) due = std::min(due, renew_due_);
  if (limit_ != nullptr) due = std::min(due, limit_due_);
  if (due <= now) return 0;
  if (due - now > kLongestSleep) due = now + kLongestSleep;
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(due - now).count());
}

void IoThread::act_on_time() {
  const TimePoint now = clock_.now();
  if (ask_due_ <= now) ask_ = true;
  if (curl_due_ > now) return;
  curl_due_ = TimePoint::max();  // libcurl sets the next one
  act(CURL_SOCKET_TIMEOUT, 0);
}

void IoThread::act(curl_socket_t socket, int events) {
  if (!multi_.is_good()) return;
  multi_.act(socket, events);
  // Not only an exchange that has just begun connects: libcurl replaces a dead connection by
  // itself.
  if (open_sockets_.take_any_opened()) {
    nudge_due_ = std::min(nudge_due_, clock_.now() + kNudgeInterval);
  }
  hand_out_completed();
  if (share_.has_turn() && !busy_.empty() && !busy_.front()->is_connecting())
    share_.on_connected(clock_.now());
}

void IoThread::ask_source() {
  ask_ = false;
  if (stopping_.load(std::memory_order_relaxed) || !multi_.is_good()) return;
  if (!share_.may_begin(static_cast<int>(busy_.size()), clock_.now())) {
    ask_when_not_behind_ = false;
    ask_above_ramp_ = Occupancy::kNotKnown;
    ask_due_ = std::max(share_.due(), clock_.now() + kAskAgain);
    return;
  }
  multi_.keep_connections(share_.limit());
  const Occupancy occupancy = {.busy = static_cast<int>(busy_.size()),
                               .behind = turn_order_.is_behind(),
                               .enough = enough_.count(),
                               .ramp = ramp(),
                               .held_back = count_held_back(),
                               .is_at_limit = limit_ != nullptr && limit_->is_limiting()};
  Exchange* exchange = source_.next(number_, occupancy);
  if (exchange != nullptr) {
    begin(*exchange);
    ask_ = true;  // after a look at the sockets: whether it is behind now
    return;
  }
  share_.on_nothing();
  ask_when_not_behind_ = occupancy.behind;
  ask_when_not_held_back_ = occupancy.held_back >= Occupancy::kEnoughHeldBack;
  ask_above_ramp_ = occupancy.busy >= occupancy.ramp ? occupancy.busy : Occupancy::kNotKnown;
  ask_due_ = source_.next_due();
  if (ask_above_ramp_ < Occupancy::kNotKnown) ask_due_ = std::min(ask_due_, ramp_end_);
  if (ask_due_ != TimePoint::max()) ask_due_ = std::max(ask_due_, clock_.now() + kAskAgain);
}

int IoThread::ramp() const {
  if (clock_.now() >= ramp_end_) return Occupancy::kNotKnown;
  const std::uint64_t more = (received_ + body_bytes_) / kBytesToRamp;
  return more < Occupancy::kNotKnown - kRampStart ? kRampStart + static_cast<int>(more)
                                                  : Occupancy::kNotKnown;
}

void IoThread::begin(Exchange& exchange) {
  std::unique_ptr<Slot> owned;
  if (idle_.empty()) {
    owned = std::make_unique<Slot>(settings_, open_sockets_, clock_, body_bytes_);
  } else {
    owned = std::move(idle_.back());
    idle_.pop_back();
  }
  Slot& slot = *owned;
  const TimePoint now = clock_.now();
  if (busy_.empty()) sample_due_ = now + stall_watch_.period();
  if (begun_ == 0) ramp_end_ = now + kRamp;
  nudge_due_ = std::min(nudge_due_, now + kNudgeInterval);
  const bool armed = slot.arm(exchange, now, ++begun_);
  // Here too, since the wake that tells of it may have come before the source gave it to us.
  share_.on_begin();
  if (exchange.cancelled())
    return end(std::move(owned), slot.finish_aborted(TransportError::kCancelled, "cancelled", now),
               now);
  add(counters_.requests);
  if (!armed) return end(std::move(owned), slot.finish(CURLE_FAILED_INIT, now), now);
  if (!multi_.add(slot.easy()))
    return end(std::move(owned),
               slot.finish_aborted(TransportError::kOther, multi_.error_text(), now), now);
  slot.index = busy_.size();
  busy_.push_back(std::move(owned));
  if (busy_.size() == 1) note_oldest(now);  // else it is the youngest
}

std::unique_ptr<Slot> IoThread::take_out(Slot& slot) {
  multi_.remove(slot.easy());
  const std::size_t index = slot.index;
  std::unique_ptr<Slot> owned = std::move(busy_[index]);
  if (index + 1 != busy_.size()) {
    busy_[index] = std::move(busy_.back());
    busy_[index]->index = index;
  }
  busy_.pop_back();
  return owned;
}

void IoThread::note_oldest(TimePoint now) {
  const auto oldest =
      std::min_element(busy_.begin(), busy_.end(),
                       [](const auto& a, const auto& b) { return a->sequence() < b->sequence(); });
  if (oldest == busy_.end()) return;
  enough_.on_oldest((*oldest)->sequence(), (*oldest)->body_bytes(), received_, now);
}

void IoThread::hand_out_completed() {
  if (body_bytes_ > 0) {
    received_ += body_bytes_;
    add(counters_.bytes_received, std::exchange(body_bytes_, 0));
  }
  while (const CURLMsg* message = multi_.next_message()) {
    if (message->msg != CURLMSG_DONE) continue;
    if (Slot* const slot = Slot::of(message->easy_handle); slot != nullptr) {
      complete(*slot, message->data.result);
    }
  }
}

void IoThread::complete(Slot& slot, CURLcode code) {
  std::unique_ptr<Slot> owned = take_out(slot);
  const TimePoint now = clock_.now();
  end(std::move(owned), slot.finish(code, now, share_.is_alone()), now);
}

void IoThread::end(std::unique_ptr<Slot> owned, ExchangeOutcome outcome, TimePoint now) {
  Slot& slot = *owned;
  Exchange& exchange = slot.exchange();
  // A handle whose transfer failed is not used again.
  if (outcome.error == TransportError::kNone) {
    enough_.on_whole(slot.sequence(), slot.body_bytes(), outcome.first_byte, received_, now);
    idle_.push_back(std::move(owned));
  } else {
    open_sockets_.forget_closed();
  }
  note_oldest(now);
  ask_ = true;
  share_.on_end(&outcome, static_cast<int>(busy_.size()), now);
  exchange.on_done(outcome);
  if (!share_.take_needs_others()) return;
  // Who is idle finds this exchange at its source now, and may have a connection for it.
  open_sockets_.shared().ask_to_give_way();
}

void IoThread::abort(Slot& slot, TransportError error, const std::string& text) {
  std::unique_ptr<Slot> owned = take_out(slot);  // and closes its connection
  const TimePoint now = clock_.now();
  end(std::move(owned), slot.finish_aborted(error, text, now), now);
}

void IoThread::give_way() {
  const std::uint64_t asked = open_sockets_.shared().times_asked();
  if (std::exchange(asked_to_give_way_, asked) == asked || !multi_.is_good()) return;
  if (!busy_.empty()) {
    share_.give_up_one(static_cast<int>(busy_.size()), clock_.now());
    multi_.keep_connections(share_.limit());
  } else if (!open_sockets_.empty()) {
    // Kept for nothing, as far as the source has just said.
    close_multi(TransportError::kOther, "");
    curl_due_ = TimePoint::max();
    if (!multi_.open()) renew_due_ = clock_.now();
  }
}

void IoThread::abort_cancelled() {
  doomed_.clear();
  for (const auto& slot : busy_) {
    if (slot->exchange().cancelled()) doomed_.push_back(slot.get());
  }
  for (Slot* slot : doomed_) abort(*slot, TransportError::kCancelled, "cancelled");
}

void IoThread::abort_stalled() {
  if (busy_.empty()) return;
  const TimePoint now = clock_.now();
  if (now < sample_due_) return;
  const bool late = now - sample_due_ > stall_watch_.late();
  sample_due_ = now + stall_watch_.period();

  tracks_.clear();
  watched_.clear();
  for (const auto& slot : busy_) {
    // What the limit held back has not stalled.
    if (slot->take_was_held_back() || late) {
      slot->progress().restart(now, slot->bytes());
    } else {
      slot->progress().sample(now, slot->bytes());
    }
    if (slot->exchange().may_be_slow()) continue;
    tracks_.push_back(&slot->progress());
    watched_.push_back(slot.get());
  }
  stall_watch_.find(tracks_, stalled_);
  doomed_.clear();
  for (const std::size_t index : stalled_) doomed_.push_back(watched_[index]);
  for (Slot* slot : doomed_) abort(*slot, TransportError::kStalled, "no progress");
}

int IoThread::count_held_back() const {
  if (limit_ == nullptr) return 0;
  return static_cast<int>(std::count_if(busy_.begin(), busy_.end(),
                                        [](const auto& slot) { return slot->is_held_back(); }));
}

void IoThread::let_go_on() {
  if (limit_ == nullptr) return;
  const TimePoint now = clock_.now();
  if (limit_due_ <= now) {
    for (const auto& slot : busy_) {
      if (slot->is_held_back()) static_cast<void>(slot->may_go_on());
    }
    limit_->give_out();
    free_.clear();
    for (const auto& slot : busy_) {
      if (slot->is_held_back() && slot->may_go_on()) free_.push_back(slot.get());
    }
    for (Slot* slot : free_) {
      if (!multi_.is_good()) break;
      if (const CURLcode code = slot->go_on(now); code != CURLE_OK) complete(*slot, code);
    }
    hand_out_completed();
    limit_due_ = TimePoint::max();
    if (ask_when_not_held_back_ && count_held_back() < Occupancy::kEnoughHeldBack) ask_ = true;
  }
  if (limit_due_ == TimePoint::max() && count_held_back() > 0) limit_due_ = now + limit_->wait();
}

void IoThread::nudge_connecting() {
  const TimePoint now = clock_.now();
  if (now < nudge_due_) return;
  const bool any = std::any_of(busy_.begin(), busy_.end(),
                               [](const auto& slot) { return slot->is_connecting(); });
  nudge_due_ = any ? now + kNudgeInterval : TimePoint::max();
  if (!any || !multi_.is_good()) return;
  multi_.act_on_all();
  hand_out_completed();
}

bool IoThread::descriptors_are_ours() const {
  return waker_->is_open() && watch_.holds(waker_->fd());
}

void IoThread::renew_descriptors() {
  // libcurl must not learn of it: it would say goodbye to its peers, and close its own.
  while (!busy_.empty()) {
    std::unique_ptr<Slot> owned = std::move(busy_.back());
    busy_.pop_back();
    const TimePoint now = clock_.now();
    ExchangeOutcome outcome = owned->finish_aborted(
        TransportError::kReset, "the connection was closed by the process itself", now);
    owned->abandon();
    end(std::move(owned), std::move(outcome), now);
  }
  idle_.clear();
  multi_.abandon();
  const bool has_waker = waker_->is_open();
  open_sockets_.close_all();
  const bool is_whole = watch_.begin_anew(has_waker && watch_.holds(waker_->fd())) &&
                        (has_waker || waker_->reopen()) && watch_.watch(waker_->fd(), EPOLLIN);
  curl_due_ = nudge_due_ = ask_due_ = TimePoint::max();
  ask_when_not_behind_ = false;
  ask_above_ramp_ = Occupancy::kNotKnown;
  ask_ = multi_.open();
  if (!ask_) renew_due_ = clock_.now();
  if (is_whole) return;
  const ForkGate::Outside outside(fork_gate());  // there are none to be had: not at once again
  std::this_thread::sleep_for(kAskAgain);
}

void IoThread::close_multi(TransportError error, const std::string& text) {
  while (!busy_.empty()) abort(*busy_.back(), error, text);
  idle_.clear();
  multi_.close();
  open_sockets_.forget_all();
}

void IoThread::renew_multi() {
  const TimePoint now = clock_.now();
  if (now < renew_due_) return;
  close_multi(TransportError::kOther, multi_.error_text());
  curl_due_ = nudge_due_ = ask_due_ = TimePoint::max();
  ask_when_not_behind_ = false;
  ask_above_ramp_ = Occupancy::kNotKnown;
  ask_ = multi_.open();
  renew_due_ = ask_ ? TimePoint{} : now + kAskAgain;
}

int IoThread::socket_callback(CURL* easy, curl_socket_t socket, int what, void* thread,
                              void* /*known*/) noexcept {
  auto* const self = static_cast<IoThread*>(thread);
  if (what == CURL_POLL_REMOVE) {
    self->watch_.forget(socket);
    return 0;
  }
  if (Slot* const slot = Slot::of(easy); slot != nullptr) slot->set_socket(socket);
  std::uint32_t events = 0;
  if (what & CURL_POLL_IN) events |= EPOLLIN;
  if (what & CURL_POLL_OUT) events |= EPOLLOUT;
  if (self->watch_.watch(socket, events)) return 0;
  self->multi_.set_cause(errno);
  return -1;
}

int IoThread::timer_callback(CURLM*, long timeout_ms, void* thread) noexcept {
  auto* self = static_cast<IoThread*>(thread);
  self->curl_due_ = timeout_ms < 0 ? TimePoint::max()
                                   : self->clock_.now() + std::chrono::milliseconds(timeout_ms);
  return 0;
}

}  // namespace ossmc
