// CRC-64, the log ring, the fork counter.
#include <tuple>

#include <pybind11/stl.h>

#include "base/crc64.h"
#include "base/fork_guard.h"
#include "base/log.h"
#include "bindings/bind.h"
#include "connector/memory_arbiter.h"
#include "protocol/secrets.h"
#include "transfer/tls_roots.h"

namespace ossmc::bindings {

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
  module.def("fork_generation", &fork_generation);
  module.def("note_worker", &MemoryArbiter::note_worker);
  module.def("set_certifi_file", &set_certifi_file, py::arg("name"));
  module.def("calls_without_gil", &GilReleased::count);
  module.def("forget_calls_without_gil", &GilReleased::forget_all);
  module.def("log_event_fd", [] { return process_log().event_fd(); });
  module.def(
      "drain_log",
      [](std::size_t limit) {
        py::list result;
        for (const LogRecord& record : process_log().drain(limit)) {
          result.append(py::make_tuple(static_cast<int>(record.level), record.audit,
                                       record.unix_seconds, without_secrets(record.text)));
        }
        return result;
      },
      py::arg("limit"));
  module.def(
      "set_log",
      [](int level, bool audit) {
        if (level < 0 || level > 3) throw py::value_error("level must be 0 to 3");
        process_log().set_level(static_cast<LogLevel>(level));
        process_log().set_audit(audit);
      },
      py::arg("level"), py::arg("audit"));
}

}  // namespace ossmc::bindings
