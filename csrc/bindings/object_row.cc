// ObjectRow: base class of the Python layer's ObjectInfo, and the iterators over a listing.
//
// Listings have millions of objects, and making a Python object of each by way of a Python class
// costs microseconds. A class made by hand costs a tenth of that, and most programs never look at
// most fields: ETag and time are kept as the columns have them and become Python objects when asked
// for.
//
// A row is a copy and holds no columns: one ObjectInfo that is kept does not keep a listing of
// millions in memory.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "bindings/handles.h"
#include "protocol/any_date.h"

namespace ossmc::bindings {

namespace {

// All zero when an instance is made. Not known to Python's cycle collector: strings, an int and a
// datetime are what belongs here.
struct Row {
  PyObject_HEAD PyObject* bucket;
  PyObject* key;
  PyObject* size;
  PyObject* storage_class;
  PyObject* version_id;     // null: None
  PyObject* etag;           // null: not made yet, from packed_etag
  PyObject* last_modified;  // null: not made yet, from last_modified_unix
  ObjectColumns::PackedEtag packed_etag;
  double last_modified_unix;
};

// As long as the process lives.
PyObject* row_type = nullptr;
PyObject* iterator_type = nullptr;
PyObject* datetime_from_timestamp = nullptr;
PyObject* utc = nullptr;

PyObject* new_ref(PyObject* object) {  // Py_NewRef() is newer than Python 3.9
  Py_INCREF(object);
  return object;
}

Row& row_of(PyObject* self) { return *reinterpret_cast<Row*>(self); }

PyObject* new_row(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"bucket",        "key",           "size",       "etag",
                                "last_modified", "storage_class", "version_id", nullptr};
  PyObject* bucket = nullptr;
  PyObject* key = nullptr;
  PyObject* size = nullptr;
  PyObject* etag = nullptr;
  PyObject* last_modified = nullptr;
  PyObject* storage_class = nullptr;
  PyObject* version_id = Py_None;
  if (PyArg_ParseTupleAndKeywords(arguments, keywords, "OOOOOO|$O:ObjectInfo",
                                  const_cast<char**>(names), &bucket, &key, &size, &etag,
                                  &last_modified, &storage_class, &version_id) == 0) {
    return nullptr;
  }
  PyObject* const self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  Row& row = row_of(self);
  row.bucket = new_ref(bucket);
  row.key = new_ref(key);
  row.size = new_ref(size);
  row.etag = new_ref(etag);
  row.last_modified = new_ref(last_modified);
  row.storage_class = new_ref(storage_class);
  row.version_id = new_ref(version_id);
  return self;
}

void dealloc_row(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  Row& row = row_of(self);
  for (PyObject* field : {row.bucket, row.key, row.size, row.storage_class, row.version_id,
                          row.etag, row.last_modified}) {
    Py_XDECREF(field);
  }
  type->tp_free(self);
  Py_DECREF(type);
}

template <PyObject* Row::*Field>
PyObject* get(PyObject* self, void* /*closure*/) {
  return new_ref(row_of(self).*Field);
}

PyObject* get_version_id(PyObject* self, void* /*closure*/) {
  PyObject* const version_id = row_of(self).version_id;
  return new_ref(version_id != nullptr ? version_id : Py_None);
}

PyObject* get_etag(PyObject* self, void* /*closure*/) {
  return guarded([&] {
    Row& row = row_of(self);
    if (row.etag == nullptr) row.etag = decoded(row.packed_etag.text()).release().ptr();
    return new_ref(row.etag);
  });
}

PyObject* get_last_modified(PyObject* self, void* /*closure*/) {
  Row& row = row_of(self);
  if (row.last_modified == nullptr) {
    PyObject* const seconds = PyFloat_FromDouble(row.last_modified_unix);
    if (seconds == nullptr) return nullptr;
    PyObject* const made =
        PyObject_CallFunctionObjArgs(datetime_from_timestamp, seconds, utc, nullptr);
    Py_DECREF(seconds);
    if (made == nullptr) return nullptr;
    Py_XSETREF(row.last_modified, made);  // the call may have let another thread make it
  }
  return new_ref(row.last_modified);
}

PyObject* make_row(PyTypeObject* type, const ColumnsHandle& handle, std::size_t i) {
  const ObjectColumns& columns = *handle.columns;
  const py::object key = decoded(columns.key(i));
  const py::object storage_class = handle.storage_class(columns.storage_class_id(i));
  const py::object bucket = handle.bucket;
  auto size =
      py::reinterpret_steal<py::object>(PyLong_FromUnsignedLongLong(columns.object_size(i)));
  if (!size) throw py::error_already_set();
  const ObjectColumns::PackedEtag packed = columns.packed_etag(i);
  py::object etag;
  if (!packed.is_whole()) etag = decoded(columns.etag(i));
  PyObject* const self = type->tp_alloc(type, 0);
  if (self == nullptr) throw py::error_already_set();
  Row& row = row_of(self);
  row.bucket = new_ref(bucket.ptr());
  row.key = new_ref(key.ptr());
  row.size = size.release().ptr();
  row.storage_class = new_ref(storage_class.ptr());
  row.etag = etag.release().ptr();
  row.packed_etag = packed;
  row.last_modified_unix = columns.last_modified_unix(i);
  return self;
}

// The text of a str that has one.
std::optional<std::string_view> utf8_if_any(PyObject* text) {
  Py_ssize_t size = 0;
  const char* const data =
      PyUnicode_Check(text) != 0 ? PyUnicode_AsUTF8AndSize(text, &size) : nullptr;
  if (data == nullptr) {
    PyErr_Clear();
    return std::nullopt;
  }
  return std::string_view(data, static_cast<std::size_t>(size));
}

// Some gateways list a word in place of each object's ETag. One that tells versions apart is
// longer.
bool tells_versions(std::string_view etag) {
  constexpr std::size_t kLeastCharacters = 8;
  const bool is_ascii = std::ranges::all_of(etag, [](char c) { return c >= 0; });
  return is_ascii && etag.size() >= kLeastCharacters;
}

PyTypeObject* checked_row_type(const py::handle& type) {
  if (PyType_Check(type.ptr()) == 0 ||
      PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type.ptr()),
                       reinterpret_cast<PyTypeObject*>(row_type)) == 0) {
    throw py::type_error("a class derived from ObjectRow is wanted");
  }
  return reinterpret_cast<PyTypeObject*>(type.ptr());
}

// Over the rows, or over their keys alone. All zero when an instance is made.
struct Iterator {
  PyObject_HEAD PyObject* columns;  // a ListColumns
  PyTypeObject* type;               // of the rows; null: keys
  const ColumnsHandle* handle;      // in `columns`
  RowRange rows;
  std::size_t position;
};

PyObject* iterate(const py::object& columns, PyTypeObject* type, const RowRange& rows) {
  auto* const made = reinterpret_cast<PyTypeObject*>(iterator_type);
  PyObject* const self = made->tp_alloc(made, 0);
  if (self == nullptr) throw py::error_already_set();
  auto& iterator = *reinterpret_cast<Iterator*>(self);
  iterator.handle = &columns.cast<const ColumnsHandle&>();
  iterator.columns = new_ref(columns.ptr());
  Py_XINCREF(reinterpret_cast<PyObject*>(type));
  iterator.type = type;
  iterator.rows = rows;
  return self;
}

PyObject* next_item(PyObject* self) {
  auto& iterator = *reinterpret_cast<Iterator*>(self);
  if (iterator.position == iterator.rows.count) return nullptr;
  return guarded([&] {
    const std::size_t row = iterator.rows.row(iterator.position);
    PyObject* const item = iterator.type != nullptr
                               ? make_row(iterator.type, *iterator.handle, row)
                               : decoded(iterator.handle->columns->key(row)).release().ptr();
    ++iterator.position;
    return item;
  });
}

void dealloc_iterator(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  auto& iterator = *reinterpret_cast<Iterator*>(self);
  Py_XDECREF(iterator.columns);
  Py_XDECREF(reinterpret_cast<PyObject*>(iterator.type));
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* make_type(PyType_Spec* spec) {
  PyObject* const type = PyType_FromSpec(spec);
  if (type == nullptr) throw py::error_already_set();
  return type;
}

PyGetSetDef attribute(const char* name, getter get) {
  return {name, get, nullptr, nullptr, nullptr};
}

}  // namespace

py::str decoded(std::string_view text) {
  // The store's texts are UTF-8; of those that listings do not check, one that is not must not hide
  // an object.
  PyObject* const made =
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape");
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(made);
}

py::object ColumnsHandle::storage_class(std::uint32_t id) const {
  if (id >= storage_classes.size()) storage_classes.resize(id + std::size_t{1});
  if (!storage_classes[id]) storage_classes[id] = decoded(columns->storage_class_name(id));
  return storage_classes[id];
}

py::object object_row(const ColumnsHandle& handle, const py::handle& type, std::size_t i) {
  return py::reinterpret_steal<py::object>(make_row(checked_row_type(type), handle, i));
}

std::optional<ObjectToOpen> object_of_row(const py::handle& object, const py::handle& type) {
  if (Py_TYPE(object.ptr()) != checked_row_type(type)) return std::nullopt;
  const Row& row = row_of(object.ptr());
  const bool has_version = row.version_id != nullptr && row.version_id != Py_None;
  if (has_version || row.last_modified != nullptr || PyLong_CheckExact(row.size) == 0)
    return std::nullopt;
  const auto bucket = utf8_if_any(row.bucket);
  const auto key = utf8_if_any(row.key);
  std::optional<std::string_view> etag;
  if (row.etag != nullptr) etag = utf8_if_any(row.etag);
  const std::string packed = row.etag == nullptr ? row.packed_etag.text() : std::string();
  if (row.etag == nullptr) etag = packed;
  const long long size = PyLong_AsLongLong(row.size);
  if (!bucket || !key || !etag || size < 0) {
    PyErr_Clear();
    return std::nullopt;
  }
  ObjectToOpen wanted;
  wanted.uri.reserve(bucket->size() + key->size() + 7);
  wanted.uri.append("oss://").append(*bucket).append("/").append(*key);
  wanted.prefetches = false;
  if (tells_versions(*etag))
    wanted.listed =
        ListedVersion{static_cast<std::uint64_t>(size), std::string(*etag), row.last_modified_unix};
  return wanted;
}

py::object object_row(const py::handle& type, const ObjectName& name,
                      const ObjectVersion& version) {
  PyTypeObject* const row_class = checked_row_type(type);
  const py::object bucket = decoded(name.bucket);
  const py::object key = decoded(name.key);
  auto size = py::reinterpret_steal<py::object>(PyLong_FromUnsignedLongLong(version.size));
  if (!size) throw py::error_already_set();
  const py::object etag = header_text(version.etag);
  const py::object storage_class =
      header_text(version.storage_class.empty() ? "Standard" : version.storage_class);
  py::object version_id;
  if (!version.version_id.empty()) version_id = decoded(version.version_id);
  PyObject* const self = row_class->tp_alloc(row_class, 0);
  if (self == nullptr) throw py::error_already_set();
  Row& row = row_of(self);
  row.bucket = new_ref(bucket.ptr());
  row.key = new_ref(key.ptr());
  row.size = size.release().ptr();
  row.etag = new_ref(etag.ptr());
  row.storage_class = new_ref(storage_class.ptr());
  row.version_id = version_id.release().ptr();
  row.last_modified_unix = parse_any_date(version.last_modified).value_or(0.0);
  return py::reinterpret_steal<py::object>(self);
}

py::object iterate_rows(const py::object& columns, const py::handle& type, const RowRange& rows) {
  return py::reinterpret_steal<py::object>(iterate(columns, checked_row_type(type), rows));
}

py::object iterate_keys(const py::object& columns, const RowRange& rows) {
  return py::reinterpret_steal<py::object>(iterate(columns, nullptr, rows));
}

void register_object_row(py::module_& module) {
  const py::module_ datetime = py::module_::import("datetime");
  datetime_from_timestamp =
      py::object(datetime.attr("datetime").attr("fromtimestamp")).release().ptr();
  utc = py::object(datetime.attr("timezone").attr("utc")).release().ptr();

  module.def(
      "tells_versions",
      [](const py::str& etag) {
        const auto text = utf8_if_any(etag.ptr());
        return text && tells_versions(*text);
      },
      py::arg("etag"));

  // Python keeps the address of the table.
  static PyGetSetDef attributes[] = {attribute("bucket", get<&Row::bucket>),
                                     attribute("key", get<&Row::key>),
                                     attribute("size", get<&Row::size>),
                                     attribute("etag", get_etag),
                                     attribute("last_modified", get_last_modified),
                                     attribute("storage_class", get<&Row::storage_class>),
                                     attribute("version_id", get_version_id),
                                     {nullptr, nullptr, nullptr, nullptr, nullptr}};
  static PyType_Slot row_slots[] = {
      {Py_tp_doc,
       const_cast<char*>("ObjectRow(bucket, key, size, etag, last_modified, storage_class, *, "
                         "version_id=None)\n--\n\n"
                         "What a listing says about an object.")},
      {Py_tp_new, reinterpret_cast<void*>(&new_row)},
      {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc_row)},
      {Py_tp_getset, static_cast<void*>(attributes)},
      {0, nullptr}};
  static PyType_Spec row_spec{"ossmodelconnector._core.ObjectRow", static_cast<int>(sizeof(Row)), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, row_slots};
  row_type = make_type(&row_spec);
  module.attr("ObjectRow") = py::handle(row_type);

  static PyType_Slot iterator_slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc_iterator)},
      {Py_tp_iter, reinterpret_cast<void*>(&PyObject_SelfIter)},
      {Py_tp_iternext, reinterpret_cast<void*>(&next_item)},
      {0, nullptr}};
  static PyType_Spec iterator_spec{"ossmodelconnector._core._ListIterator",
                                   static_cast<int>(sizeof(Iterator)), 0, Py_TPFLAGS_DEFAULT,
                                   iterator_slots};
  iterator_type = make_type(&iterator_spec);
}

}  // namespace ossmc::bindings
