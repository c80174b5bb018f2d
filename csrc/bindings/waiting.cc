#include "bindings/waiting.h"

#include <cxxabi.h>
#include <unistd.h>

#include "base/log.h"

namespace ossmc::bindings {

namespace {

// A caller who waits looks so often whether there is something to do: Ctrl-C is felt within this
// time and a slice.
constexpr Duration kLookInterval = kWaitSlice / 2;

// Runs what takes the GIL. CPython before 3.14 ends a thread that does so while the interpreter
// ends; as 3.14 does, such a thread sleeps instead, with all that lies below on its stack. Objects
// whose destructors must not run then are not made in `work`. libc++ has no such exception: there
// third_party/bundled/forced_unwind.cc sees to it.
template <typename Work>
auto never_unwound(const Work& work) {
#ifdef _LIBCPP_VERSION
  return work();
#else
  try {
    return work();
  } catch (const abi::__forced_unwind&) {
    while (true) ::pause();
  }
#endif
}

// Calls `work`, which returns false where a Python exception is set, with the GIL.
template <typename Work>
bool with_gil(const Work& work) {
  return never_unwound([&] {
    const PyGILState_STATE state = PyGILState_Ensure();
    const bool is_good = work();
    PyGILState_Release(state);
    return is_good;
  });
}

}  // namespace

GilReleased::GilReleased()
    : generation_(fork_generation()),
      state_((count_.fetch_add(1, std::memory_order_relaxed), PyEval_SaveThread())) {}

GilReleased::~GilReleased() {
  never_unwound([this] {
    PyEval_RestoreThread(state_);
    return true;
  });
  if (fork_generation() == generation_) count_.fetch_sub(1, std::memory_order_relaxed);
}

bool CallerDuties::is_asked_by_this_thread() const {
  return asker_.load(std::memory_order_relaxed) == ::gettid();
}

bool CallerDuties::ask() const {
  const std::shared_ptr<CredentialsCache> cache = cache_;  // a fork replaces it
  const std::uint64_t question = cache->take_question();
  if (question == 0) return true;
  asker_.store(::gettid(), std::memory_order_relaxed);
  const bool is_good = call("ask", nullptr);
  asker_.store(0, std::memory_order_relaxed);
  cache->give_up(question);  // where it was not answered
  return is_good;
}

bool CallerDuties::await_answer() const {
  return call("await_answer", is_asked_by_this_thread() ? Py_True : Py_False);
}

void CallerDuties::renew_ahead() const {
  if (!cache_->wants_answer() || !cache_->holds_keys()) return;
  if (!never_unwound([this] { return ask(); })) throw py::error_already_set();
}

bool CallerDuties::call(const char* method, PyObject* argument) const {
  PyObject* const renewal = PyObject_CallObject(renewal_.ptr(), nullptr);
  if (renewal == nullptr) return false;
  bool is_good = true;
  if (renewal != Py_None) {  // else nobody is left who could be asked
    PyObject* const made =
        PyObject_CallMethod(renewal, method, argument != nullptr ? "O" : nullptr, argument);
    is_good = made != nullptr;
    Py_XDECREF(made);
  }
  Py_DECREF(renewal);
  return is_good;
}

void RecordHandler::set(const py::function& hand_on) {
  Py_XDECREF(hand_on_);
  hand_on_ = py::object(hand_on).release().ptr();
}

bool RecordHandler::is_wanted() {
  return process_log().has_records() && runner_.load(std::memory_order_relaxed) == 0;
}

bool RecordHandler::is_run_elsewhere() {
  const long runner = runner_.load();
  return runner != 0 && runner != ::gettid();
}

bool RecordHandler::run() {
  long nobody = 0;
  if (hand_on_ == nullptr || !process_log().has_records() ||
      !runner_.compare_exchange_strong(nobody, ::gettid()))
    return true;
  PyObject* const made = PyObject_CallObject(hand_on_, nullptr);
  runner_.store(0);
  Py_XDECREF(made);
  return made != nullptr;
}

void RecordHandler::run_after_call() {
  if (!is_wanted() || PyErr_Occurred() != nullptr) return;
  if (!never_unwound([] { return run(); })) throw py::error_already_set();
}

bool PythonInterrupt::is_main_thread() {
  // The first is wrong where a program started Python on another thread, the second in the child
  // of a thread that forked.
  return ::gettid() == ::getpid() || PyThread_get_thread_ident() == main_thread_ident_;
}

bool PythonInterrupt::pending() {
  const TimePoint now = system_clock().now();
  if (look_due_ == TimePoint{}) look_due_ = now + kLookInterval;
  const bool looks = now >= look_due_;
  if (looks) look_due_ = now + kLookInterval;
  const bool asks = duties_ != nullptr && duties_->should_ask();
  // Whose provider it is does not change while it is asked.
  const bool awaits = !asks && duties_ != nullptr && duties_->should_await() &&
                      (!has_awaited_ || duties_->is_asked_by_this_thread());
  has_awaited_ = has_awaited_ || awaits;
  const bool has_signals = looks && is_main_thread();
  const bool has_records = looks && duties_ != nullptr && RecordHandler::is_wanted();
  if (!asks && !awaits && !has_signals && !has_records) return false;
  return !with_gil([&] {
    if (has_signals && PyErr_CheckSignals() != 0) return false;
    if (asks && !duties_->ask()) return false;
    if (awaits && !duties_->await_answer()) return false;
    if (has_records && !RecordHandler::run()) return false;
    if (fork_generation() == generation_) return true;
    // The threads that would bring what this call waits for are the parent's.
    PyErr_SetString(PyExc_RuntimeError,
                    "a credentials provider, a log handler or a signal handler forked inside this "
                    "call and went on in the child: make the call again there");
    return false;
  });
}

}  // namespace ossmc::bindings
