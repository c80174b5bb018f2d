// What the binding files share: one register function a topic, the GIL rules, and the one way an
// error becomes an exception.
//
// Rules: a call into the core that may block, or take a lock that is no leaf, releases the GIL and
// brings a PythonInterrupt (bindings/waiting.h); destructors that may join or free much run without
// the GIL; no logic.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "bindings/waiting.h"

namespace ossmc::bindings {

void register_errors(py::module_& module);
void register_base(py::module_& module);
void register_build_info(py::module_& module);
void register_credentials(py::module_& module);
void register_connector(py::module_& module);
void register_reader(py::module_& module);
void register_cursor(py::module_& module);
void register_listing(py::module_& module);
void register_object_row(py::module_& module);
void register_objects_read(py::module_& module);
void register_surroundings(py::module_& module);

// Raises the Python exception for `status`, made by the factory of the Python layer. kInterrupted:
// the one already set by a signal handler. REQUIRES: the GIL, !status.is_ok().
[[noreturn]] void raise(const Status& status);
// The same exception, not raised. REQUIRES: its code is not kInterrupted.
py::object exception_of(const Status& status);
inline void raise_unless_ok(const Status& status) {
  if (!status.is_ok()) raise(status);
}

template <typename T>
T value_or_raise(Result<T> result) {
  if (!result.is_ok()) raise(result.status());
  return std::move(result).value();
}

// For classes made by hand. Runs `call`, which returns a new reference, and makes Python exceptions
// of C++ ones. Not noexcept: CPython may end a daemon thread by unwinding its stack.
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
