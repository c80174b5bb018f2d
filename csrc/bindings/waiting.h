// Calls into the core without the GIL, and what a caller does in Python meanwhile.
//
// There is no thread of ours in Python. Whoever calls asks the connector's credentials provider,
// and hands the core's log records to `logging`: while it waits, and when its call ends.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "auth/credentials.h"
#include "base/clock.h"
#include "base/fork_guard.h"
#include "base/wait.h"

namespace ossmc::bindings {

namespace py = pybind11;

// Gives up the GIL while it lives, and is counted: at the interpreter's end somebody has to wait
// until no thread is left that will ask for the GIL again (_process.py). One that asks too late
// sleeps for good: CPython ends it by unwinding its stack, which C++ answers by std::terminate.
class GilReleased {
 public:
  GilReleased();
  ~GilReleased();
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;

  static int count() { return count_.load(std::memory_order_relaxed); }
  // In a forked child, whose other threads are not there.
  static void forget_all() { count_.store(0, std::memory_order_relaxed); }

 private:
  inline static std::atomic<int> count_{0};
  const std::uint64_t generation_;  // of forks
  PyThreadState* const state_;
};

// The keys of one connector, as its callers see to them. Shared by the connector and all that it
// has opened. Made, changed and destroyed with the GIL held.
class CallerDuties {
 public:
  // `renewal`: of the Python layer; has ask() and await_answer(bool). Weakly referred to: a cycle
  // through here would never be collected.
  CallerDuties(std::shared_ptr<CredentialsCache> cache, const py::object& renewal)
      : cache_(std::move(cache)), renewal_(renewal) {}

  // In a forked child, whose cache is another one.
  void after_fork_in_child(std::shared_ptr<CredentialsCache> cache) { cache_ = std::move(cache); }

  // --- without the GIL ---
  // What a caller who waits should do now, in this order of importance.
  bool should_ask() const { return cache_->wants_answer(); }
  bool should_await() const { return cache_->awaits_answer(); }
  bool is_asked_by_this_thread() const;

  // --- with the GIL; false: a Python exception is set ---
  // Asks the provider, unless another caller does.
  bool ask() const;
  // While another caller asks: an exception if that is this call's own provider; time for it if it
  // is a greenlet of this thread.
  bool await_answer() const;

  // Before a call that may do without new keys: asks, where they are to be renewed ahead of their
  // end. Throws error_already_set.
  void renew_ahead() const;

 private:
  bool call(const char* method, PyObject* argument) const;

  std::shared_ptr<CredentialsCache> cache_;
  const py::weakref renewal_;
  mutable std::atomic<long> asker_{0};  // the thread that asks
};

// The log records that wait, to `logging`.
class RecordHandler {
 public:
  // `hand_on`: takes some out of the ring and hands them on.
  static void set(const py::function& hand_on);
  // Whether records wait and nobody hands them on.
  static bool is_wanted();
  // With the GIL, unless another one is at it. False: a Python exception is set.
  static bool run();
  // Whether another thread is at it.
  static bool is_run_elsewhere();
  static void forget_all() { runner_.store(0); }  // in a forked child
  // When a call has ended. Throws error_already_set.
  static void run_after_call();

 private:
  inline static PyObject* hand_on_ = nullptr;
  inline static std::atomic<long> runner_{0};  // the thread that is at it
};

// What a call does between slices of its wait. Python's signal handlers run on the main thread
// only, as always; other threads ask for the GIL, which may be long in coming, when there is
// something to do. Made for one call.
class PythonInterrupt final : public Interrupt {
 public:
  explicit PythonInterrupt(const CallerDuties* duties)
      : duties_(duties), generation_(fork_generation()) {}
  bool pending() override;

  // At import, with threading.main_thread().ident.
  static void set_main_thread(unsigned long ident) { main_thread_ident_ = ident; }

 private:
  inline static unsigned long main_thread_ident_ = 0;
  static bool is_main_thread();

  const CallerDuties* const duties_;  // null: none
  const std::uint64_t generation_;    // of forks
  TimePoint look_due_{};
  bool has_awaited_ = false;
};

// Calls `work(interrupt)`, which returns a Status or a Result, without the GIL.
template <typename Work>
auto without_gil(const CallerDuties& duties, Work&& work) {
  duties.renew_ahead();
  auto result = [&] {
    PythonInterrupt interrupt(&duties);
    const GilReleased released;
    return std::forward<Work>(work)(interrupt);
  }();
  RecordHandler::run_after_call();
  return result;
}

// The same for work that sends no request.
template <typename Work>
auto without_gil(Work&& work) {
  PythonInterrupt interrupt(nullptr);
  const GilReleased released;
  return std::forward<Work>(work)(interrupt);
}

}  // namespace ossmc::bindings
