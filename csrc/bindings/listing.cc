// A listing's columns, a row at a time.
#include <string>

#include "bindings/handles.h"
#include "protocol/list_reply.h"

namespace ossmc::bindings {

namespace {

py::str decode(std::string_view text) {
  // Keys are UTF-8 by contract of the store; one that is not must still be listed.
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape"));
}

py::tuple row(const ObjectColumns& columns, std::size_t index) {
  return py::make_tuple(decode(columns.key(index)), columns.object_size(index), columns.etag(index),
                        columns.last_modified_unix(index), columns.storage_class(index));
}

}  // namespace

void register_listing(py::module_& module) {
  py::class_<ColumnsHandle>(module, "ListColumns", py::is_final(),
                            "The objects of one listing, in compact columns.")
      .def_property_readonly("bucket", [](const ColumnsHandle& self) { return self.bucket; })
      .def("__len__", [](const ColumnsHandle& self) { return self.columns->size(); })
      .def(
          "row",
          [](const ColumnsHandle& self, std::size_t index) {
            if (index >= self.columns->size()) throw py::index_error("row index out of range");
            return row(*self.columns, index);
          },
          py::arg("index"))
      .def(py::pickle(
          [](const ColumnsHandle& self) {
            py::list rows;
            for (std::size_t i = 0; i < self.columns->size(); ++i)
              rows.append(row(*self.columns, i));
            return py::make_tuple(self.bucket, rows);
          },
          [](const py::tuple& state) {
            ObjectColumns columns;
            for (const py::handle& item : state[1].cast<py::list>()) {
              const auto fields = item.cast<py::tuple>();
              ListedObject object;
              object.key = py::bytes(fields[0].attr("encode")("utf-8", "surrogateescape"))
                               .cast<std::string>();
              object.size = fields[1].cast<std::uint64_t>();
              object.etag = fields[2].cast<std::string>();
              object.last_modified_unix = fields[3].cast<double>();
              object.storage_class = fields[4].cast<std::string>();
              columns.append(object);
            }
            return std::make_unique<ColumnsHandle>(
                state[0].cast<std::string>(),
                Released<const ObjectColumns>(
                    std::make_shared<const ObjectColumns>(std::move(columns))));
          }));
}

}  // namespace ossmc::bindings
