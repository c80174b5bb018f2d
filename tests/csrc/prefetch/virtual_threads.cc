#include "csrc/prefetch/virtual_threads.h"

#include <dlfcn.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cassert>
#include <climits>
#include <ctime>
#include <utility>

#include "base/wait.h"

namespace ossmc {

namespace {

VirtualThreads* active = nullptr;

thread_local std::uint64_t taken = 0;
thread_local int held = 0;

// The same as in base/wait.cc, for who is no virtual thread.
void system_futex(const std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
                  const timespec* limit) {
  ::syscall(SYS_futex, reinterpret_cast<const std::uint32_t*>(&word), operation, value, limit,
            nullptr, 0);
}

class NoInterrupt final : public Interrupt {
 public:
  bool pending() override { return false; }
};

}  // namespace

std::uint64_t mutexes_taken() { return taken; }
int mutexes_held() { return held; }

Interrupt& no_interrupt() {
  static Interrupt& interrupt = *new NoInterrupt;
  return interrupt;
}

VirtualThreads::VirtualThreads(const FakeClock& clock) : clock_(clock) {
  assert(active == nullptr);
  active = this;
}

VirtualThreads::~VirtualThreads() { active = nullptr; }

void VirtualThreads::set_complain(std::function<void(const std::string&)> complain) {
  complain_ = std::move(complain);
}

void VirtualThreads::complain(const std::string& what) const {
  if (complain_) complain_(what);
}

std::size_t VirtualThreads::add(std::function<void()> body, bool may_wait) {
  threads_.push_back(std::make_unique<Thread>(std::move(body), may_wait));
  return threads_.size() - 1;
}

void VirtualThreads::run(std::size_t thread) {
  Thread& next = *threads_[thread];
  assert(next.word == nullptr && running_ == nullptr);
  running_ = &next;
  next.gave_way = false;
  next.fiber.resume();
  running_ = nullptr;
}

void VirtualThreads::time_out(std::size_t thread) {
  Thread& late = *threads_[thread];
  late.unwoken_word = late.limit > kLongestPoll && !late.runs_out ? late.word : nullptr;
  late.word = nullptr;
}

void VirtualThreads::end_all_waits() {
  no_waits_ = true;
  for (const auto& thread : threads_) thread->word = nullptr;
}

void VirtualThreads::let_waits_run_out() {
  for (const auto& thread : threads_) thread->runs_out = true;
}

bool VirtualThreads::take_unwoken() {
  return std::exchange(running_->unwoken_word, nullptr) != nullptr;
}

void VirtualThreads::wait_here(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                               Duration limit) {
  Thread& thread = *running_;
  if (!thread.may_wait) complain("an I/O thread waits");
  if (held > 0) complain("a thread waits with a mutex held");
  if (limit <= Duration::zero() || word.load() != expected) return;
  const auto* const timed_out_at = std::exchange(thread.unwoken_word, nullptr);
  // Of what counts down (PieceCall::missing), only the last step is told.
  const bool is_told = timed_out_at != &word || expected > thread.expected;
  if (timed_out_at != nullptr && is_told) {
    complain("a wake-up was lost: a thread went on because its time was up");
  }
  if (no_waits_) return;
  thread.word = &word;
  thread.expected = expected;
  thread.limit = limit;
  thread.runs_out = false;
  thread.deadline = clock_.now() + limit;
  Fiber::suspend();
}

void VirtualThreads::maybe_give_way() {
  if (held > 0 || no_waits_ || !gives_way_ || !gives_way_()) return;
  running_->gave_way = true;
  running_->unwoken_word = nullptr;  // what it sees next may have come in between
  Fiber::suspend();
}

bool VirtualThreads::wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                          Duration limit) {
  if (active == nullptr || active->running_ == nullptr) return false;
  active->wait_here(word, expected, limit);
  return true;
}

bool VirtualThreads::wake_all(const std::atomic<std::uint32_t>& word) {
  if (active == nullptr) return false;
  meeting_point("futex");
  for (const auto& thread : active->threads_) {
    if (thread->word == &word) thread->word = nullptr;
    if (thread->unwoken_word == &word) thread->unwoken_word = nullptr;
  }
  meeting_point(nullptr);
  return true;
}

void VirtualThreads::meeting_point(const char* system_call) {
  if (active == nullptr || active->running_ == nullptr) return;
  if (held > 0 && system_call != nullptr) {
    active->complain(std::string("a system call with a mutex held: ") + system_call);
  }
  active->maybe_give_way();
}

}  // namespace ossmc

// --- what stands in the place of base/wait.cc, and of two calls of the system ---

void ossmc::futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                       Duration limit) {
  if (VirtualThreads::wait(word, expected, limit) || limit <= Duration::zero()) return;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(limit);
  timespec relative{};
  relative.tv_sec = static_cast<std::time_t>(seconds.count());
  relative.tv_nsec = static_cast<long>((limit - seconds).count());
  system_futex(word, FUTEX_WAIT_PRIVATE, expected, &relative);
}

void ossmc::futex_wake_all(const std::atomic<std::uint32_t>& word) {
  if (VirtualThreads::wake_all(word)) return;
  system_futex(word, FUTEX_WAKE_PRIVATE, static_cast<std::uint32_t>(INT_MAX), nullptr);
}

#if defined(__SANITIZE_THREAD__)
// Its runtime wants to be the first to see these, and looks for their order itself.
const bool ossmc::kMutexesAreCounted = false;
#else
const bool ossmc::kMutexesAreCounted = true;

namespace {
using MutexCall = int (*)(pthread_mutex_t*);
MutexCall next_call(const char* name) {
  return reinterpret_cast<MutexCall>(::dlsym(RTLD_NEXT, name));
}
}  // namespace

extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) {
  static const MutexCall system_lock = next_call("pthread_mutex_lock");
  ossmc::VirtualThreads::meeting_point(nullptr);
  const int result = system_lock(mutex);
  ++ossmc::taken;
  ++ossmc::held;
  return result;
}

extern "C" int pthread_mutex_unlock(pthread_mutex_t* mutex) {
  static const MutexCall system_unlock = next_call("pthread_mutex_unlock");
  --ossmc::held;
  return system_unlock(mutex);
}
#endif
