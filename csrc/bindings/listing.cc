// A listing's columns: rows, slices, buffers, pickling.
#include <string>
#include <vector>

#include "bindings/handles.h"

namespace ossmc::bindings {

namespace {

// One column as a buffer without a copy; keeps the columns alive.
struct ColumnBuffer {
  Released<const ObjectColumns> columns;
  const void* data;
  std::size_t count;
  py::ssize_t item_bytes;
  const char* format;
};

std::unique_ptr<ColumnBuffer> buffer_of(const ColumnsHandle& handle,
                                        std::span<const std::int64_t> column) {
  return std::make_unique<ColumnBuffer>(Released<const ObjectColumns>(handle.columns.get()),
                                        column.data(), column.size(), 8, "q");
}

std::unique_ptr<ColumnsHandle> handle_of(const py::str& bucket, ObjectColumns columns) {
  return std::make_unique<ColumnsHandle>(
      utf8(bucket, "bucket"),
      Released<const ObjectColumns>(std::make_shared<const ObjectColumns>(std::move(columns))));
}

// What a Python range says of the rows.
RowRange rows_of(const ColumnsHandle& handle, const py::object& range) {
  if (PyRange_Check(range.ptr()) == 0) throw py::type_error("rows must be a range");
  RowRange rows;
  rows.count = py::len(range);
  if (rows.count > 0) rows.start = range.attr("start").cast<std::int64_t>();
  if (rows.count > 1) rows.step = range.attr("step").cast<std::int64_t>();
  if (!rows.is_within(handle.columns->size())) throw py::index_error("rows out of range");
  return rows;
}

py::bytes bytes_of(std::string_view memory) { return {memory.data(), memory.size()}; }

// Changes when the meaning of what parts_tuple() makes changes.
constexpr int kPickleVersion = 1;

py::tuple parts_tuple(const ObjectColumns& columns) {
  const ObjectColumns::Parts parts = columns.parts();
  py::tuple classes(parts.storage_classes.size());
  for (std::size_t i = 0; i < parts.storage_classes.size(); ++i)
    classes[i] = bytes_of(parts.storage_classes[i]);
  return py::make_tuple(kPickleVersion, bytes_of(parts.key_bytes), bytes_of(parts.key_offsets),
                        bytes_of(parts.sizes), bytes_of(parts.last_modified),
                        bytes_of(parts.etag_bytes), bytes_of(parts.etag_words),
                        bytes_of(parts.etag_arena), bytes_of(parts.storage_class_ids), classes);
}

std::string_view memory_of(const py::handle& bytes) {
  if (PyBytes_Check(bytes.ptr()) == 0) throw py::value_error("not the state of a listing");
  return {PyBytes_AS_STRING(bytes.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr()))};
}

// A pickle comes from anywhere: whatever is in it, this gives a listing or raises ValueError.
std::unique_ptr<ColumnsHandle> restore(const py::object& bucket, const py::object& state) {
  if (!py::isinstance<py::str>(bucket) || !py::isinstance<py::tuple>(state) ||
      py::len(state) != 10) {
    throw py::value_error("not the state of a listing");
  }
  const auto fields = py::reinterpret_borrow<py::tuple>(state);
  const py::object version = fields[0];
  if (PyLong_CheckExact(version.ptr()) == 0 || !version.equal(py::int_(kPickleVersion)))
    throw py::value_error("the state of a listing as another version of this library makes it");
  ObjectColumns::Parts parts;
  std::size_t next = 1;
  for (std::string_view* part :
       {&parts.key_bytes, &parts.key_offsets, &parts.sizes, &parts.last_modified, &parts.etag_bytes,
        &parts.etag_words, &parts.etag_arena, &parts.storage_class_ids}) {
    *part = memory_of(fields[next++]);
  }
  if (!py::isinstance<py::tuple>(fields[next])) throw py::value_error("not the state of a listing");
  for (const py::handle& name : py::reinterpret_borrow<py::tuple>(fields[next]))
    parts.storage_classes.emplace_back(memory_of(name));
  ObjectColumns columns = value_or_raise(
      without_gil([&](Interrupt& /*none*/) { return ObjectColumns::from_parts(parts); }));
  return handle_of(py::reinterpret_borrow<py::str>(bucket), std::move(columns));
}

}  // namespace

void register_listing(py::module_& module) {
  py::class_<ListingHandle>(module, "Listing", py::is_final(),
                            "A listing in progress; for one thread at a time.")
      .def("more",
           [](ListingHandle& self) {
             const ListingCall call(self);
             return value_or_raise(without_gil(*self.duties, [&](Interrupt& interrupt) {
               return self.listing->next_rows(self.rows, interrupt);
             }));
           })
      .def("__len__", [](const ListingHandle& self) { return self.rows.size(); })
      .def("common_prefixes",
           [](ListingHandle& self) {
             const ListingCall call(self);
             const std::vector<std::string> prefixes =
                 without_gil([&](Interrupt& /*none*/) { return self.listing->common_prefixes(); });
             py::tuple result(prefixes.size());
             for (std::size_t i = 0; i < prefixes.size(); ++i) result[i] = decoded(prefixes[i]);
             return result;
           })
      .def("take", [](ListingHandle& self) {
        const ListingCall call(self);
        self.rows.shrink_to_fit();
        // Last: whatever fails before leaves the rows where they are.
        auto taken = std::make_shared<ObjectColumns>();
        auto handle =
            std::make_unique<ColumnsHandle>(self.bucket, Released<const ObjectColumns>(taken));
        std::swap(*taken, self.rows);
        return handle;
      });
  py::class_<ColumnBuffer>(module, "ColumnBuffer", py::is_final(), py::buffer_protocol(),
                           "One column of a listing (buffer protocol), read-only, not copied.")
      .def("__len__", [](const ColumnBuffer& self) { return self.count; })
      .def_buffer([](const ColumnBuffer& self) {
        static const std::int64_t kNothing = 0;
        return py::buffer_info(const_cast<void*>(self.count > 0 ? self.data : &kNothing),
                               self.item_bytes, self.format, 1,
                               {static_cast<py::ssize_t>(self.count)}, {self.item_bytes},
                               /*readonly=*/true);
      });

  py::class_<ColumnsHandle>(module, "ListColumns", py::is_final(),
                            "The objects of one listing, in compact columns.")
      .def_property_readonly("bucket", [](const ColumnsHandle& self) { return self.bucket; })
      .def("__len__", [](const ColumnsHandle& self) { return self.columns->size(); })
      .def(
          "row",
          [](const ColumnsHandle& self, const py::type& type, std::size_t index) {
            if (index >= self.columns->size()) throw py::index_error("row index out of range");
            return object_row(self, type, index);
          },
          py::arg("type"), py::arg("index"))
      .def(
          "iterate",
          [](const py::object& self, const py::type& type, const py::object& rows) {
            return iterate_rows(self, type, rows_of(self.cast<const ColumnsHandle&>(), rows));
          },
          py::arg("type"), py::arg("rows"))
      .def(
          "key",
          [](const ColumnsHandle& self, std::size_t index) {
            if (index >= self.columns->size()) throw py::index_error("row index out of range");
            return decoded(self.columns->key(index));
          },
          py::arg("index"))
      .def(
          "iterate_keys",
          [](const py::object& self, const py::object& rows) {
            return iterate_keys(self, rows_of(self.cast<const ColumnsHandle&>(), rows));
          },
          py::arg("rows"))
      .def(
          "has_key",
          [](const ColumnsHandle& self, const py::str& key, const py::object& rows) {
            const RowRange range = rows_of(self, rows);
            Py_ssize_t size = 0;
            const char* const text = PyUnicode_AsUTF8AndSize(key.ptr(), &size);
            if (text == nullptr) {  // a lone surrogate, which no key has
              PyErr_Clear();
              return false;
            }
            return without_gil([&](Interrupt& /*none*/) {
              return self.columns->find(range, {text, static_cast<std::size_t>(size)}) <
                     range.count;
            });
          },
          py::arg("key"), py::arg("rows"))
      .def(
          "select",
          [](const ColumnsHandle& self, const py::object& rows) {
            const RowRange range = rows_of(self, rows);
            return handle_of(self.bucket, without_gil([&](Interrupt& /*none*/) {
                               return self.columns->select(range);
                             }));
          },
          py::arg("rows"))
      .def(
          "gather",
          [](const ColumnsHandle& self, const py::iterable& rows) {
            std::vector<std::size_t> order;
            for (const py::handle& row : rows) {
              order.push_back(row.cast<std::size_t>());
              if (order.back() >= self.columns->size()) {
                throw py::index_error("row index out of range");
              }
            }
            return handle_of(self.bucket, without_gil([&](Interrupt& /*none*/) {
                               return self.columns->gathered(order);
                             }));
          },
          py::arg("rows"))
      .def(
          "sorted",
          [](const ColumnsHandle& self, const py::object& rows) {
            const RowRange range = rows_of(self, rows);
            return handle_of(self.bucket, without_gil([&](Interrupt& /*none*/) {
                               return self.columns->sorted(range);
                             }));
          },
          py::arg("rows"))
      .def(
          "same_rows",
          [](const ColumnsHandle& self, const py::object& rows, const ColumnsHandle& other,
             const py::object& other_rows) {
            const RowRange mine = rows_of(self, rows);
            const RowRange theirs = rows_of(other, other_rows);
            if (mine.count != theirs.count) return false;
            if (mine.count > 0 && !self.bucket.equal(other.bucket)) return false;
            return without_gil([&](Interrupt& /*none*/) {
              return ObjectColumns::same_rows(*self.columns, mine, *other.columns, theirs);
            });
          },
          py::arg("rows"), py::arg("other"), py::arg("other_rows"))
      .def_property_readonly(
          "sizes", [](const ColumnsHandle& self) { return buffer_of(self, self.columns->sizes()); })
      .def_property_readonly(
          "key_offsets",
          [](const ColumnsHandle& self) { return buffer_of(self, self.columns->key_offsets()); })
      .def_property_readonly("key_bytes",
                             [](const ColumnsHandle& self) {
                               const std::string_view bytes = self.columns->key_bytes();
                               return std::make_unique<ColumnBuffer>(
                                   Released<const ObjectColumns>(self.columns.get()), bytes.data(),
                                   bytes.size(), 1, "B");
                             })
      .def("parts", [](const ColumnsHandle& self) { return parts_tuple(*self.columns); })
      .def_static("restore", &restore, py::arg("bucket"), py::arg("parts"));
}

}  // namespace ossmc::bindings
