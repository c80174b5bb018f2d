// CRC-64, the log, the fork counter.
#include <cerrno>

#include "base/crc64.h"
#include "base/fork_guard.h"
#include "base/log.h"
#include "bindings/bind.h"
#include "connector/log_files.h"
#include "connector/memory_arbiter.h"
#include "protocol/secrets.h"
#include "transfer/tls_roots.h"

namespace ossmc::bindings {

namespace {

// Raises OSError with the file's name.
void raise_unless_open(const FileFault& fault) {
  if (fault.error == 0) return;
  errno = fault.error;
  PyErr_SetFromErrnoWithFilename(PyExc_OSError, fault.path.c_str());
  throw py::error_already_set();
}

LogLevel level_of(int level) {
  if (level < 0 || level > 3) throw py::value_error("level must be 0 to 3");
  return static_cast<LogLevel>(level);
}

void register_log(py::module_& module) {
  module.def("set_record_handler", &RecordHandler::set, py::arg("hand_on"));
  module.def("hand_on_records", [] {
    if (!RecordHandler::run()) throw py::error_already_set();
    return !RecordHandler::is_run_elsewhere();
  });
  module.def("waiting_records", [] { return process_log().size(); });
  module.def(
      "drain_log",
      [](std::size_t limit) {
        py::list result;
        for (const LogRecord& record : process_log().drain(limit)) {
          result.append(py::make_tuple(static_cast<int>(record.level), record.unix_seconds,
                                       without_secrets(record.text)));
        }
        return result;
      },
      py::arg("limit"));
  module.def(
      "write_log",
      [](int level, const py::str& text) {
        process_log().write(level_of(level), utf8(text, "text"));
      },
      py::arg("level"), py::arg("text"));
  module.def(
      "attach_log",
      [](std::uint64_t key, int level, const py::bytes& log_path, const py::bytes& audit_path,
         bool late) {
        LogSettings settings{
            .level = level_of(level), .log_path = log_path, .audit_path = audit_path};
        const FileFault fault = [&] {
          const GilReleased released;
          return LogFiles::of_process().attach(key, std::move(settings), late);
        }();
        raise_unless_open(fault);
      },
      py::arg("key"), py::arg("level"), py::arg("log_path"), py::arg("audit_path"),
      py::arg("late"));
  module.def(
      "detach_log",
      [](std::uint64_t key) {
        const GilReleased released;
        LogFiles::of_process().detach(key);
      },
      py::arg("key"));
}

}  // namespace

void register_base(py::module_& module) {
  PythonInterrupt::set_main_thread(
      py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>());
  module.def(
      "crc64",
      [](const py::buffer& data, std::uint64_t value) {
        Py_buffer view;
        if (PyObject_GetBuffer(data.ptr(), &view, PyBUF_C_CONTIGUOUS) != 0)
          throw py::error_already_set();
        std::uint64_t crc = 0;
        {
          const GilReleased released;
          crc = crc64_update(value, view.buf, static_cast<std::size_t>(view.len));
        }
        PyBuffer_Release(&view);
        return crc;
      },
      py::arg("data"), py::arg("value") = 0);
  module.def("crc64_combine", &crc64_combine, py::arg("first"), py::arg("second"),
             py::arg("second_size"));
  module.def("fork_generation", &fork_generation);
  module.def("note_worker", &MemoryArbiter::note_worker);
  module.def("set_certifi_file", &set_certifi_file, py::arg("name"));
  module.def("calls_without_gil", &GilReleased::count);
  module.def("forget_threads", [] {
    GilReleased::forget_all();
    RecordHandler::forget_all();
  });
  register_log(module);
}

}  // namespace ossmc::bindings
