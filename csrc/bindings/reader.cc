// Readers and views.
#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "bindings/handles.h"

namespace ossmc::bindings {

namespace {

// Up to this size a read whose bytes are in memory is copied without releasing the GIL: giving it
// up and taking it again costs about as much as copying 64 KiB.
constexpr std::size_t kCopyUnderGilBytes = 64 * 1024;

ObjectReader::CursorLock lock_cursor(ObjectReader& reader) {
  ObjectReader::CursorLock lock = reader.try_lock_cursor();
  if (lock.owns_lock()) return lock;
  return value_or_raise(
      without_gil([&](Interrupt& interrupt) { return reader.lock_cursor(interrupt); }));
}

void require_open(const ObjectReader& reader) {
  if (reader.is_closed()) raise(closed_status());
}

// Fills `out` from the cursor; REQUIRES the cursor lock, out.size() <= remaining().
void fill(ObjectReader& reader, std::span<std::byte> out) {
  if (out.size() <= kCopyUnderGilBytes) {
    const ObjectReader::Ready ready = reader.read_if_ready(out);
    if (ready == ObjectReader::Ready::kDone) return;
    if (ready == ObjectReader::Ready::kNeedsVerdict) {
      raise_unless_ok(without_gil(
          [&](Interrupt& interrupt) { return reader.finish_read(out.size(), interrupt); }));
      return;
    }
  }
  raise_unless_ok(
      without_gil([&](Interrupt& interrupt) { return reader.read(out, interrupt).status(); }));
}

py::bytes make_bytes(std::uint64_t size) {
  if (size > static_cast<std::uint64_t>(std::numeric_limits<Py_ssize_t>::max()))
    throw py::value_error("the object is larger than bytes can be");
  PyObject* const bytes = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size));
  if (bytes == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::bytes>(bytes);
}

std::span<std::byte> span_of(const py::bytes& bytes) {
  return {reinterpret_cast<std::byte*>(PyBytes_AS_STRING(bytes.ptr())),
          static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr()))};
}

py::bytes read(ReaderHandle& self, Index size_index) {
  const std::int64_t size = size_index.value;
  ObjectReader& reader = *self.reader;
  require_open(reader);
  const ObjectReader::CursorLock lock = lock_cursor(reader);
  const std::uint64_t remaining = reader.remaining();
  py::bytes result = make_bytes(
      size < 0 ? remaining : std::min<std::uint64_t>(static_cast<std::uint64_t>(size), remaining));
  if (span_of(result).empty()) {
    require_open(reader);
  } else {
    fill(reader, span_of(result));
  }
  return result;
}

std::size_t readinto(ReaderHandle& self, const py::object& target) {
  ObjectReader& reader = *self.reader;
  require_open(reader);
  const WritableBuffer buffer(target);
  const ObjectReader::CursorLock lock = lock_cursor(reader);
  const auto size =
      static_cast<std::size_t>(std::min<std::uint64_t>(buffer.span().size(), reader.remaining()));
  if (size > 0) fill(reader, buffer.span().first(size));
  return size;
}

py::bytes readline(ReaderHandle& self, Index limit_index) {
  const std::int64_t limit = limit_index.value;
  ObjectReader& reader = *self.reader;
  require_open(reader);
  const ObjectReader::CursorLock lock = lock_cursor(reader);
  const std::uint64_t most =
      limit < 0 ? reader.remaining()
                : std::min<std::uint64_t>(static_cast<std::uint64_t>(limit), reader.remaining());
  if (most == 0) return make_bytes(0);
  const auto length = value_or_raise(
      without_gil([&](Interrupt& interrupt) { return reader.line_length(most, interrupt); }));
  py::bytes result = make_bytes(length);
  fill(reader, span_of(result));
  return result;
}

py::bytes peek(ReaderHandle& self, Index size_index) {
  const std::int64_t size = size_index.value;
  ObjectReader& reader = *self.reader;
  require_open(reader);
  const ObjectReader::CursorLock lock = lock_cursor(reader);
  py::bytes result = make_bytes(reader.peek_length(size > 0 ? static_cast<std::size_t>(size) : 0));
  const std::uint64_t position = reader.position();
  if (!span_of(result).empty()) fill(reader, span_of(result));
  reader.set_position(position);
  return result;
}

std::uint64_t seek(ReaderHandle& self, Index offset_index, int whence) {
  const std::int64_t offset = offset_index.value;
  ObjectReader& reader = *self.reader;
  require_open(reader);
  const ObjectReader::CursorLock lock = lock_cursor(reader);
  std::int64_t base = 0;
  switch (whence) {
    case 0:
      if (offset < 0) throw py::value_error("negative seek value " + std::to_string(offset));
      break;
    case 1:
      base = static_cast<std::int64_t>(reader.position());
      break;
    case 2:
      base = static_cast<std::int64_t>(reader.size());
      break;
    default:
      throw py::value_error("invalid whence (" + std::to_string(whence) + ", should be 0, 1 or 2)");
  }
  if (offset > std::numeric_limits<std::int64_t>::max() - base) {
    PyErr_SetString(PyExc_OverflowError, "new position too large");
    throw py::error_already_set();
  }
  // As io.BytesIO: a relative seek before the start stops there.
  reader.set_position(static_cast<std::uint64_t>(std::max<std::int64_t>(0, base + offset)));
  return reader.position();
}

std::uint64_t tell(ReaderHandle& self) {
  require_open(*self.reader);
  const ObjectReader::CursorLock lock = lock_cursor(*self.reader);
  return self.reader->position();
}

std::size_t read_at(ReaderHandle& self, Index offset_index, const py::object& target) {
  const std::int64_t offset = offset_index.value;
  require_open(*self.reader);
  if (offset < 0) throw py::value_error("offset must not be negative: " + std::to_string(offset));
  const WritableBuffer buffer(target);
  return value_or_raise(without_gil([&](Interrupt& interrupt) {
    return self.reader->read_at(static_cast<std::uint64_t>(offset), buffer.span(), interrupt);
  }));
}

std::pair<std::int64_t, std::int64_t> range_of(const py::handle& item) {
  const auto pair = py::isinstance<py::sequence>(item) ? py::reinterpret_borrow<py::sequence>(item)
                                                       : py::sequence();
  if (!pair || pair.size() != 2) throw py::type_error("a range is (offset, length), two integers");
  py::detail::make_caster<Index> offset;
  py::detail::make_caster<Index> length;
  if (!offset.load(pair[0], false) || !length.load(pair[1], false)) {
    throw py::type_error("a range is (offset, length), two integers");
  }
  return {static_cast<Index&>(offset).value, static_cast<Index&>(length).value};
}

py::list read_ranges(ReaderHandle& self, const py::sequence& ranges) {
  ObjectReader& reader = *self.reader;
  require_open(reader);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> wanted;
  for (const py::handle& item : ranges) {
    const auto pair = range_of(item);
    if (pair.first < 0 || pair.second < 0) {
      throw py::value_error("a range is (offset, length), neither negative: (" +
                            std::to_string(pair.first) + ", " + std::to_string(pair.second) + ")");
    }
    const auto offset = static_cast<std::uint64_t>(pair.first);
    const std::uint64_t room = offset < reader.size() ? reader.size() - offset : 0;
    wanted.emplace_back(offset, std::min(static_cast<std::uint64_t>(pair.second), room));
  }
  py::list result;
  std::vector<std::pair<std::uint64_t, std::span<std::byte>>> parts;
  for (const auto& [offset, length] : wanted) {
    py::bytes bytes = make_bytes(length);
    parts.emplace_back(offset, span_of(bytes));
    result.append(std::move(bytes));
  }
  raise_unless_ok(
      without_gil([&](Interrupt& interrupt) { return reader.read_parts(parts, interrupt); }));
  return result;
}

}  // namespace

void register_reader(py::module_& module) {
  py::class_<ViewHandle>(
      module, "View", py::is_final(), py::buffer_protocol(),
      "Read-only bytes of a whole object (buffer protocol); keeps its memory alive.")
      .def("__len__", [](const ViewHandle& self) { return self.view->size(); })
      .def_buffer([](const ViewHandle& self) {
        static const std::byte kNothing{};
        const std::byte* const data = self.view->size() > 0 ? self.view->data() : &kNothing;
        return py::buffer_info(
            const_cast<std::byte*>(data), 1, py::format_descriptor<std::uint8_t>::format(), 1,
            {static_cast<py::ssize_t>(self.view->size())}, {1}, /*readonly=*/true);
      });

  py::class_<ReaderHandle>(module, "Reader", py::is_final())
      .def_property_readonly("bucket",
                             [](const ReaderHandle& self) { return self.reader->name().bucket; })
      .def_property_readonly("key",
                             [](const ReaderHandle& self) { return self.reader->name().key; })
      .def_property_readonly("uri",
                             [](const ReaderHandle& self) { return self.reader->name().uri(); })
      .def_property_readonly("size", [](const ReaderHandle& self) { return self.reader->size(); })
      .def_property_readonly("etag", [](const ReaderHandle& self) { return self.reader->etag(); })
      .def_property_readonly("closed",
                             [](const ReaderHandle& self) { return self.reader->is_closed(); })
      .def("read", &read, py::arg("size") = Index{-1})
      .def("readinto", &readinto, py::arg("buffer"))
      .def("readline", &readline, py::arg("limit") = Index{-1})
      .def("peek", &peek, py::arg("size") = Index{0})
      .def("seek", &seek, py::arg("offset"), py::arg("whence") = 0)
      .def("tell", &tell)
      .def("read_at", &read_at, py::arg("offset"), py::arg("buffer"))
      .def("read_ranges", &read_ranges, py::arg("ranges"))
      .def("getbuffer",
           [](ReaderHandle& self) {
             require_open(*self.reader);
             return std::make_unique<ViewHandle>(Released<ObjectView>(value_or_raise(
                 without_gil([&](Interrupt& interrupt) { return self.reader->view(interrupt); }))));
           })
      .def("close",
           [](ReaderHandle& self) {
             const py::gil_scoped_release released;
             self.reader->close();
           })
      .def("after_fork_in_child", [](ReaderHandle& self) { self.reader->after_fork_in_child(); });
}

}  // namespace ossmc::bindings
