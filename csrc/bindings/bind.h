// What the binding files share: one register function a topic, the GIL rules, and the one way an
// error becomes an exception.
//
// Rules: a call into the core that may block, or take a lock that is no leaf, releases the GIL and
// brings a PythonInterrupt; destructors that may join or free much run without the GIL; no logic.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "base/wait.h"

namespace ossmc::bindings {

namespace py = pybind11;

void register_errors(py::module_& module);
void register_base(py::module_& module);
void register_build_info(py::module_& module);
void register_credentials(py::module_& module);
void register_connector(py::module_& module);
void register_reader(py::module_& module);
void register_cursor(py::module_& module);
void register_listing(py::module_& module);
void register_object_row(py::module_& module);

// Raises the Python exception for `status`, made by the factory of the Python layer. kInterrupted:
// the one already set by a signal handler. REQUIRES: the GIL, !status.is_ok().
[[noreturn]] void raise(const Status& status);
inline void raise_unless_ok(const Status& status) {
  if (!status.is_ok()) raise(status);
}

// Lets Python's signal handlers run between slices of a wait. They do so on the main thread only,
// as always: other threads do not ask for the GIL, which may be long in coming, and the main thread
// asks for it when it has waited for a while. Made for one call.
class PythonInterrupt final : public Interrupt {
 public:
  bool pending() override {
    const TimePoint now = system_clock().now();
    if (look_due_ == TimePoint{}) look_due_ = now + kLookInterval;
    if (now < look_due_) return false;
    look_due_ = now + kLookInterval;
    if (!is_main_thread()) return false;
    const py::gil_scoped_acquire gil;
    return PyErr_CheckSignals() != 0;
  }

  // At import, with threading.main_thread().ident.
  static void set_main_thread(unsigned long ident) { main_thread_ident_ = ident; }

 private:
  // Ctrl-C is felt within this time and a slice.
  static constexpr Duration kLookInterval = kWaitSlice / 2;

  // The first is wrong where a program started Python on another thread, the second in the child
  // of a thread that forked.
  static bool is_main_thread() {
    return ::gettid() == ::getpid() || PyThread_get_thread_ident() == main_thread_ident_;
  }

  inline static unsigned long main_thread_ident_ = 0;
  TimePoint look_due_{};
};

// Gives up the GIL while it lives, and is counted: at the interpreter's end somebody has to wait
// until no thread is left that will ask for the GIL again (_process.py).
class GilReleased {
 public:
  static int count() { return count_.load(std::memory_order_relaxed); }
  // In a forked child, whose other threads are not there.
  static void forget_all() { count_.store(0, std::memory_order_relaxed); }

 private:
  struct Counted {
    Counted() { count_.fetch_add(1, std::memory_order_relaxed); }
    ~Counted() { count_.fetch_sub(1, std::memory_order_relaxed); }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
  };
  inline static std::atomic<int> count_{0};
  const Counted counted_;  // goes last, with the GIL held again
  const py::gil_scoped_release released_;
};

// Calls `work(interrupt)`, which returns a Status or a Result, without the GIL.
template <typename Work>
auto without_gil(Work&& work) {
  PythonInterrupt interrupt;
  const GilReleased released;
  return std::forward<Work>(work)(interrupt);
}

template <typename T>
T value_or_raise(Result<T> result) {
  if (!result.is_ok()) raise(result.status());
  return std::move(result).value();
}

// For classes made by hand. Runs `call`, which returns a new reference, and makes Python exceptions
// of C++ ones. Not noexcept: CPython ends a daemon thread that asks for the GIL too late by
// unwinding its stack.
template <typename Call>
PyObject* guarded(Call&& call) {
  try {
    return std::forward<Call>(call)();
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

// A shared_ptr whose last release happens without the GIL: the destructor may wait for threads or
// unmap gigabytes.
template <typename T>
class Released {
 public:
  explicit Released(std::shared_ptr<T> held) : held_(std::move(held)) {}
  ~Released() {
    if (held_ == nullptr) return;
    const GilReleased released;
    held_.reset();
  }
  Released(Released&&) noexcept = default;
  Released& operator=(Released&&) = delete;
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;
  T* operator->() const { return held_.get(); }
  T& operator*() const { return *held_; }
  const std::shared_ptr<T>& get() const { return held_; }

 private:
  std::shared_ptr<T> held_;
};

// A writable, C-contiguous buffer of any object that offers one, held as long as this lives. Else
// TypeError naming the `call`, whatever the object says: as the io module has it.
class WritableBuffer {
 public:
  WritableBuffer(const py::handle& object, const char* call) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) == 0) return;
    const bool is_its_own = PyErr_ExceptionMatches(PyExc_Exception) != 0 &&
                            PyErr_ExceptionMatches(PyExc_MemoryError) == 0;
    if (is_its_own) {
      PyErr_Clear();
      PyErr_Format(PyExc_TypeError,
                   "%s() argument must be read-write bytes-like object, not %.200s", call,
                   Py_TYPE(object.ptr())->tp_name);
    }
    throw py::error_already_set();
  }
  ~WritableBuffer() { PyBuffer_Release(&view_); }
  WritableBuffer(const WritableBuffer&) = delete;
  WritableBuffer& operator=(const WritableBuffer&) = delete;
  std::span<std::byte> span() const {
    return {static_cast<std::byte*>(view_.buf), static_cast<std::size_t>(view_.len)};
  }

 private:
  Py_buffer view_{};
};

// A text of the store as a str.
py::str decoded(std::string_view text);
// The value of a header: UTF-8, or else Latin-1, which HTTP has it.
py::str header_text(std::string_view text);

// A new bytes object, its content not set yet.
py::bytes make_bytes(std::uint64_t size);
std::span<std::byte> span_of(const py::bytes& bytes);

// An integer argument as the io module takes it: whatever has __index__ (so no float); beyond 64
// bits OverflowError.
struct Index {
  std::int64_t value = 0;
};

// A str as UTF-8. ValueError naming `what` for text that has no UTF-8 (lone surrogates); TypeError
// for other types.
std::string utf8(const py::handle& text, const char* what);

}  // namespace ossmc::bindings

template <>
struct pybind11::detail::type_caster<ossmc::bindings::Index> {
  PYBIND11_TYPE_CASTER(ossmc::bindings::Index, const_name("int"));

  bool load(handle source, bool /*convert*/) {
    if (PyIndex_Check(source.ptr()) == 0) return false;
    value.value = PyNumber_AsSsize_t(source.ptr(), PyExc_OverflowError);
    if (value.value == -1 && PyErr_Occurred() != nullptr) throw error_already_set();
    return true;
  }
  static handle cast(ossmc::bindings::Index index, return_value_policy /*policy*/,
                     handle /*parent*/) {
    return PyLong_FromLongLong(index.value);
  }
};
