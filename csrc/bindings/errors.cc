// Errors: a Status becomes the exception that the Python layer's factory makes of it.
#include <string>

#include "bindings/bind.h"
#include "protocol/object_name.h"
#include "protocol/secrets.h"

namespace ossmc::bindings {

namespace {

// Owned for the life of the process: exceptions may be raised until the very end.
PyObject* error_factory = nullptr;

// What `change` makes of a text, which may hold whatever str holds, lone surrogates too.
py::str changed(const py::str& text, std::string (*change)(std::string_view)) {
  const auto bytes = py::reinterpret_steal<py::object>(
      PyUnicode_AsEncodedString(text.ptr(), "utf-8", "surrogatepass"));
  if (!bytes) throw py::error_already_set();
  const std::string shown = change(
      {PyBytes_AS_STRING(bytes.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr()))});
  auto made = py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(shown.data(), static_cast<Py_ssize_t>(shown.size()), "surrogatepass"));
  if (!made) throw py::error_already_set();
  return made;
}

}  // namespace

void raise(const Status& status) {
  if (status.code() == StatusCode::kInterrupted && PyErr_Occurred() != nullptr)
    throw py::error_already_set();
  const py::object error = exception_of(status);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  throw py::error_already_set();
}

py::object exception_of(const Status& status) {
  if (error_factory == nullptr) throw std::runtime_error(status.message());
  const ErrorDetail& detail = status.detail();
  const std::string name(status_code_name(status.code()));
  const std::string& message = status.message();
  const auto text = py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(message.data(), static_cast<Py_ssize_t>(message.size()), "replace"));
  if (!text) throw py::error_already_set();
  return py::reinterpret_borrow<py::object>(error_factory)(
      name, text, without_secrets(detail.uri), detail.http_status, header_text(detail.error_code),
      header_text(detail.ec), header_text(detail.request_id), detail.attempts, detail.os_errno);
}

py::str header_text(std::string_view text) {
  const auto size = static_cast<Py_ssize_t>(text.size());
  PyObject* made = PyUnicode_DecodeUTF8(text.data(), size, nullptr);
  if (made == nullptr) {
    PyErr_Clear();
    made = PyUnicode_DecodeLatin1(text.data(), size, nullptr);
  }
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(made);
}

void register_errors(py::module_& module) {
  module.def(
      "set_error_factory",
      [](const py::function& make) {
        Py_XDECREF(error_factory);
        error_factory = py::object(make).release().ptr();
      },
      py::arg("make"));
  module.def(
      "without_secrets", [](const py::str& text) { return changed(text, without_secrets); },
      py::arg("text"));
  module.def(
      "quoted_address", [](const py::str& text) { return changed(text, quoted_address); },
      py::arg("text"));
}

std::string utf8(const py::handle& text, const char* what) {
  if (!PyUnicode_Check(text.ptr())) {
    throw py::type_error(std::string(what) + " must be str, not " + Py_TYPE(text.ptr())->tp_name);
  }
  Py_ssize_t size = 0;
  const char* const data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data == nullptr) {
    PyErr_Clear();
    throw py::value_error(std::string(what) +
                          " holds a lone surrogate and cannot be encoded as UTF-8");
  }
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace ossmc::bindings
