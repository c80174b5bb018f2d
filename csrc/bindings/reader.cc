// Readers, but for their cursor (cursor.cc), and views.
#include <algorithm>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include <pybind11/stl.h>

#include "bindings/handles.h"

namespace ossmc::bindings {

namespace {

std::size_t read_at(ReaderHandle& self, Index offset_index, const py::object& target) {
  const std::int64_t offset = offset_index.value;
  ObjectReader& reader = self.open_reader();
  if (offset < 0) throw py::value_error("offset must not be negative: " + std::to_string(offset));
  const WritableBuffer buffer(target, "read_at");
  return value_or_raise(without_gil(*self.duties, [&](Interrupt& interrupt) {
    return reader.read_at(static_cast<std::uint64_t>(offset), buffer.span(), interrupt);
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
  ObjectReader& reader = self.open_reader();
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
  raise_unless_ok(without_gil(
      *self.duties, [&](Interrupt& interrupt) { return reader.read_parts(parts, interrupt); }));
  return result;
}

// Parts are (offset, buffer), each within the object.
void read_into(ReaderHandle& self, const py::sequence& parts) {
  ObjectReader& reader = self.open_reader();
  std::list<WritableBuffer> buffers;
  std::vector<std::pair<std::uint64_t, std::span<std::byte>>> wanted;
  for (const py::handle& item : parts) {
    const auto part = item.cast<std::pair<std::uint64_t, py::object>>();
    const std::span<std::byte> to = buffers.emplace_back(part.second, "read_into").span();
    if (part.first > reader.size() || to.size() > reader.size() - part.first)
      throw py::value_error("a part ends behind the object's end");
    wanted.emplace_back(part.first, to);
  }
  raise_unless_ok(without_gil(
      *self.duties, [&](Interrupt& interrupt) { return reader.read_parts(wanted, interrupt); }));
}

std::unique_ptr<ViewHandle> view_of(ReaderHandle& self) {
  ObjectReader& reader = self.open_reader();
  return std::make_unique<ViewHandle>(Released<ObjectView>(value_or_raise(
      without_gil(*self.duties, [&](Interrupt& interrupt) { return reader.view(interrupt); }))));
}

// The bytes from the cursor to the end of their chunk, and moves it behind them; None at the end.
py::object next_chunk(ReaderHandle& self) {
  ObjectReader& reader = self.open_reader();
  auto chunk = value_or_raise(
      without_gil(*self.duties, [&](Interrupt& interrupt) -> Result<std::shared_ptr<ChunkView>> {
        Result<CursorLock> cursor = reader.cursor().lock(interrupt);
        if (!cursor.is_ok()) return cursor.status();
        return reader.next_chunk(*cursor, interrupt);
      }));
  if (chunk == nullptr) return py::none();
  return py::cast(std::make_unique<ChunkHandle>(Released<ChunkView>(std::move(chunk))));
}

void close(ReaderHandle& self) {
  const GilReleased released;
  self.reader->close();
}

py::buffer_info buffer_of(std::span<const std::byte> bytes, bool is_readonly) {
  static const std::byte kNothing{};
  return py::buffer_info(const_cast<std::byte*>(bytes.empty() ? &kNothing : bytes.data()), 1,
                         py::format_descriptor<std::uint8_t>::format(), 1,
                         {static_cast<py::ssize_t>(bytes.size())}, {1}, is_readonly);
}

}  // namespace

void register_reader(py::module_& module) {
  py::class_<ViewHandle>(
      module, "View", py::is_final(), py::buffer_protocol(),
      "Bytes of a whole object (buffer protocol), read-only unless taken; keeps their memory.")
      .def("__len__", [](const ViewHandle& self) { return self.view->size(); })
      .def_buffer([](const ViewHandle& self) {
        return buffer_of({self.view->data(), self.view->size()}, !self.is_owner);
      });

  py::class_<ChunkHandle>(module, "ChunkView", py::is_final(), py::buffer_protocol(),
                          "Read-only bytes of one chunk (buffer protocol); keeps them in memory.")
      .def("__len__", [](const ChunkHandle& self) { return self.view->bytes().size(); })
      .def_buffer([](const ChunkHandle& self) { return buffer_of(self.view->bytes(), true); });

  py::class_<ReaderHandle>(module, "Reader", py::is_final())
      .def_property_readonly("bucket",
                             [](const ReaderHandle& self) { return self.reader->name().bucket; })
      .def_property_readonly("key",
                             [](const ReaderHandle& self) { return self.reader->name().key; })
      .def_property_readonly("uri",
                             [](const ReaderHandle& self) { return self.reader->name().uri(); })
      .def_property_readonly("size", [](const ReaderHandle& self) { return self.reader->size(); })
      .def_property_readonly(
          "etag", [](const ReaderHandle& self) { return header_text(self.reader->etag()); })
      .def_property_readonly("version_id",
                             [](const ReaderHandle& self) { return self.reader->version_id(); })
      .def_property_readonly("crc64", [](const ReaderHandle& self) { return self.reader->crc64(); })
      .def_property_readonly("verified",
                             [](const ReaderHandle& self) { return self.reader->verified(); })
      .def_property_readonly("closed",
                             [](const ReaderHandle& self) { return self.reader->is_closed(); })
      .def("read_at", &read_at, py::arg("offset"), py::arg("buffer"))
      .def("read_ranges", &read_ranges, py::arg("ranges"))
      .def("next_chunk", &next_chunk)
      .def("read_into", &read_into, py::arg("parts"))
      .def("getbuffer", &view_of)
      .def("take_buffer",
           [](ReaderHandle& self) {
             auto view = view_of(self);
             close(self);
             view->is_owner = true;
             return view;
           })
      .def("check_open", [](const ReaderHandle& self) { self.open_reader(); })
      .def("close", &close)
      .def("after_fork_in_child", [](ReaderHandle& self) { self.reader->after_fork_in_child(); });
}

}  // namespace ossmc::bindings
