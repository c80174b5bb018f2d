// Cursor: base class of the Python layer's ObjectReader with the calls that move its cursor.
//
// torch.load and its like make thousands of tiny reads and seeks. A class made by hand, with
// methods of the vectorcall kind, costs 50 ns a call where a Python method over a pybind11 one
// costs 250.
//
// The class has no destructor of its own. What it adds to its base is one member, the Reader that
// owns the C++ reader, and CPython drops members by itself.
#include <algorithm>
#include <limits>

#include "bindings/handles.h"
#include "memory/new_pages.h"

#include <structmember.h>  // wants Python.h before it

namespace ossmc::bindings {

namespace {

// Up to this size a read whose bytes are in memory is copied without releasing the GIL: giving it
// up and taking it again costs about as much as copying 64 KiB.
constexpr std::size_t kCopyUnderGilBytes = 64 * 1024;

// Where an instance has its Reader, behind the base's own fields. Constant after registration.
Py_ssize_t core_offset = 0;

// The instance's Reader. ValueError for an instance that never got one.
ReaderHandle& handle_of(PyObject* self) {
  PyObject* const core = *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(self) + core_offset);
  if (core == nullptr) throw py::value_error("I/O operation on uninitialized object");
  return py::handle(core).cast<ReaderHandle&>();
}

void require_arguments(const char* name, Py_ssize_t count, Py_ssize_t least, Py_ssize_t most) {
  if (count >= least && count <= most) return;
  PyErr_Format(PyExc_TypeError, "%s() takes %s %zd argument%s (%zd given)", name,
               least == most ? "exactly" : (count < least ? "at least" : "at most"),
               count < least ? least : most, (count < least ? least : most) == 1 ? "" : "s", count);
  throw py::error_already_set();
}

std::int64_t integer(PyObject* argument) {
  const Py_ssize_t value = PyNumber_AsSsize_t(argument, PyExc_OverflowError);
  if (value == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return value;
}

// The one argument of many calls: how many bytes at most; none, None or negative: no limit.
std::int64_t size_argument(const char* name, PyObject* const* arguments, Py_ssize_t count) {
  require_arguments(name, count, 0, 1);
  if (count == 0 || arguments[0] == Py_None) return -1;
  if (PyIndex_Check(arguments[0]) == 0) {
    PyErr_Format(PyExc_TypeError, "argument should be integer or None, not '%.200s'",
                 Py_TYPE(arguments[0])->tp_name);
    throw py::error_already_set();
  }
  return integer(arguments[0]);
}

CursorLock lock_cursor(const ReaderHandle& handle, ObjectReader& reader) {
  CursorLock lock = reader.cursor().try_lock();
  if (lock.owns_lock()) return lock;
  return value_or_raise(without_gil(
      *handle.duties, [&](Interrupt& interrupt) { return reader.cursor().lock(interrupt); }));
}

// Fills `out` from the cursor. REQUIRES: out.size() <= remaining().
void fill(const ReaderHandle& handle, ObjectReader& reader, CursorLock& cursor,
          std::span<std::byte> out) {
  if (out.size() <= kCopyUnderGilBytes && reader.read_if_ready(cursor, out)) return;
  raise_unless_ok(without_gil(*handle.duties, [&](Interrupt& interrupt) {
    return reader.read(cursor, out, interrupt).status();
  }));
}

PyObject* read(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&] {
    const std::int64_t size = size_argument("read", arguments, count);
    const ReaderHandle& handle = handle_of(self);
    ObjectReader& reader = handle.open_reader();
    CursorLock cursor = lock_cursor(handle, reader);
    const std::uint64_t remaining = reader.remaining(cursor);
    py::bytes result =
        make_bytes(size < 0 ? remaining
                            : std::min<std::uint64_t>(static_cast<std::uint64_t>(size), remaining));
    if (!span_of(result).empty()) fill(handle, reader, cursor, span_of(result));
    return result.release().ptr();
  });
}

// Seeks and reads as one call that nobody comes between: a seek and a read of their own are two
// turns. Where it has to wait it does so without the cursor, so that such reads of several threads
// are under way at a time.
PyObject* read_from(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&] {
    require_arguments("_read_from", count, 2, 2);
    const std::int64_t begin = integer(arguments[0]);
    const std::int64_t size = size_argument("_read_from", arguments + 1, 1);
    if (begin < 0) throw py::value_error("negative position " + std::to_string(begin));
    const ReaderHandle& handle = handle_of(self);
    ObjectReader& reader = handle.open_reader();
    py::bytes result;
    std::uint64_t end = 0;
    {
      CursorLock cursor = lock_cursor(handle, reader);
      cursor.set_position(static_cast<std::uint64_t>(begin));
      const std::uint64_t remaining = reader.remaining(cursor);
      result = make_bytes(
          size < 0 ? remaining
                   : std::min<std::uint64_t>(static_cast<std::uint64_t>(size), remaining));
      const std::span<std::byte> out = span_of(result);
      if (out.empty() || (out.size() <= kCopyUnderGilBytes && reader.read_if_ready(cursor, out)))
        return result.release().ptr();
      end = static_cast<std::uint64_t>(begin) + out.size();
      cursor.set_position(end);
    }
    const Result<std::size_t> read = without_gil(*handle.duties, [&](Interrupt& interrupt) {
      return reader.read_at(static_cast<std::uint64_t>(begin), span_of(result), interrupt);
    });
    if (!read.is_ok()) {  // moves no cursor
      CursorLock cursor = lock_cursor(handle, reader);
      if (cursor.position() == end) cursor.set_position(static_cast<std::uint64_t>(begin));
    }
    raise_unless_ok(read.status());
    return result.release().ptr();
  });
}

PyObject* readinto(PyObject* self, PyObject* target) {
  return guarded([&] {
    const ReaderHandle& handle = handle_of(self);
    ObjectReader& reader = handle.open_reader();
    const WritableBuffer buffer(target, "readinto");
    CursorLock cursor = lock_cursor(handle, reader);
    const auto size = static_cast<std::size_t>(
        std::min<std::uint64_t>(buffer.span().size(), reader.remaining(cursor)));
    if (size > 0) fill(handle, reader, cursor, buffer.span().first(size));
    return PyLong_FromSize_t(size);
  });
}

PyObject* readline(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&] {
    const std::int64_t limit = size_argument("readline", arguments, count);
    const ReaderHandle& handle = handle_of(self);
    ObjectReader& reader = handle.open_reader();
    CursorLock cursor = lock_cursor(handle, reader);
    const std::uint64_t most =
        limit < 0
            ? reader.remaining(cursor)
            : std::min<std::uint64_t>(static_cast<std::uint64_t>(limit), reader.remaining(cursor));
    if (most == 0) return make_bytes(0).release().ptr();
    const std::uint64_t position = cursor.position();
    while (true) {
      const bool was_repaired = reader.was_repaired();
      const auto length = value_or_raise(without_gil(*handle.duties, [&](Interrupt& interrupt) {
        return reader.line_length(cursor, most, interrupt);
      }));
      py::bytes result = make_bytes(length);
      fill(handle, reader, cursor, span_of(result));
      if (reader.was_repaired() == was_repaired) return result.release().ptr();
      cursor.set_position(position);  // what looked like the line's end may have been wrong
    }
  });
}

PyObject* peek(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&] {
    require_arguments("peek", count, 0, 1);
    const std::int64_t size = count == 0 ? 0 : integer(arguments[0]);
    const ReaderHandle& handle = handle_of(self);
    ObjectReader& reader = handle.open_reader();
    CursorLock cursor = lock_cursor(handle, reader);
    py::bytes result =
        make_bytes(reader.peek_length(cursor, size > 0 ? static_cast<std::size_t>(size) : 0));
    const std::span<std::byte> out = span_of(result);
    const std::uint64_t position = cursor.position();
    const bool is_ready =
        out.empty() || (out.size() <= kCopyUnderGilBytes && reader.read_if_ready(cursor, out));
    cursor.set_position(position);
    if (!is_ready) {
      raise_unless_ok(without_gil(*handle.duties, [&](Interrupt& interrupt) {
        return reader.peek(cursor, out, interrupt);
      }));
    }
    return result.release().ptr();
  });
}

PyObject* seek(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&] {
    require_arguments("seek", count, 1, 2);
    const std::int64_t offset = integer(arguments[0]);
    const std::int64_t whence = count == 2 ? integer(arguments[1]) : 0;
    const ReaderHandle& handle = handle_of(self);
    ObjectReader& reader = handle.open_reader();
    CursorLock cursor = lock_cursor(handle, reader);
    std::int64_t base = 0;
    switch (whence) {
      case 0:
        if (offset < 0) throw py::value_error("negative seek value " + std::to_string(offset));
        break;
      case 1:
        base = static_cast<std::int64_t>(cursor.position());
        break;
      case 2:
        base = static_cast<std::int64_t>(reader.size());
        break;
      default:
        throw py::value_error("invalid whence (" + std::to_string(whence) +
                              ", should be 0, 1 or 2)");
    }
    if (offset > std::numeric_limits<std::int64_t>::max() - base) {
      PyErr_SetString(PyExc_OverflowError, "new position too large");
      throw py::error_already_set();
    }
    // As io.BytesIO: a relative seek before the start stops there.
    cursor.set_position(static_cast<std::uint64_t>(std::max<std::int64_t>(0, base + offset)));
    return PyLong_FromUnsignedLongLong(cursor.position());
  });
}

PyObject* tell(PyObject* self, PyObject* /*none*/) {
  return guarded([&] {
    const ReaderHandle& handle = handle_of(self);
    ObjectReader& reader = handle.open_reader();
    const CursorLock cursor = lock_cursor(handle, reader);
    return PyLong_FromUnsignedLongLong(cursor.position());
  });
}

constexpr const char* kRead =
    "read($self, size=-1, /)\n--\n\n"
    "Reads up to `size` bytes from the cursor on.\n\n"
    "Args:\n"
    "    size: how many bytes; negative or None: all that are left.\n\n"
    "Returns:\n"
    "    The bytes: fewer than `size` only at the end of the object, where they are ``b\"\"``.\n\n"
    "Example:\n"
    "    >>> data = reader.read(4 * 1024 * 1024)\n";
constexpr const char* kRead1 =
    "read1($self, size=-1, /)\n--\n\n"
    "The same as `read`: it waits for all `size` bytes, as `io.BytesIO.read1` gives them.";
constexpr const char* kReadFrom =
    "_read_from($self, position, size, /)\n--\n\n"
    "Seeks and reads in one turn; several threads' are under way at a time.";
constexpr const char* kReadinto =
    "readinto($self, buffer, /)\n--\n\n"
    "Reads into a buffer, without a copy in between: the fastest way to read.\n\n"
    "Args:\n"
    "    buffer: anything writable and contiguous, such as a bytearray or a numpy array.\n\n"
    "Returns:\n"
    "    The number of bytes read: less than fits only at the end of the object, where it is 0.\n\n"
    "Example:\n"
    "    >>> buffer = bytearray(4 * 1024 * 1024)\n"
    "    >>> count = reader.readinto(buffer)\n";
constexpr const char* kReadinto1 =
    "readinto1($self, buffer, /)\n--\n\n"
    "The same as `readinto`.";
constexpr const char* kReadline =
    "readline($self, size=-1, /)\n--\n\n"
    "Reads a line with its ``b\"\\n\"``, at most `size` bytes; negative or None: no limit.";
constexpr const char* kPeek =
    "peek($self, size=0, /)\n--\n\n"
    "Returns bytes from the cursor on without moving it: at least one, unless at the end.\n\n"
    "Args:\n"
    "    size: how many bytes are wanted; more or fewer may come.\n";
constexpr const char* kSeek =
    "seek($self, offset, whence=0, /)\n--\n\n"
    "Moves the cursor, which costs nothing by itself; beyond the end is allowed.\n\n"
    "Args:\n"
    "    offset: in bytes.\n"
    "    whence: `io.SEEK_SET` (from the start), `io.SEEK_CUR` or `io.SEEK_END`.\n\n"
    "Returns:\n"
    "    The new position. Before the start: ValueError with SEEK_SET, else 0 is taken.\n";
constexpr const char* kTell =
    "tell($self, /)\n--\n\n"
    "Returns the cursor's position in bytes.";

using FastCall = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t);

PyMethodDef method(const char* name, FastCall call, const char* doc) {
  // By way of void(*)(): the table has one type for functions of several kinds.
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call)), METH_FASTCALL,
          doc};
}

}  // namespace

py::bytes make_bytes(std::uint64_t size) {
  if (size > static_cast<std::uint64_t>(std::numeric_limits<Py_ssize_t>::max()))
    throw py::value_error("the object is larger than bytes can be");
  PyObject* const bytes = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size));
  if (bytes == nullptr) throw py::error_already_set();
  // Half of what a read of a whole object costs is the first touch of these.
  prefer_cheap_pages(reinterpret_cast<std::byte*>(PyBytes_AS_STRING(bytes)), size);
  return py::reinterpret_steal<py::bytes>(bytes);
}

std::span<std::byte> span_of(const py::bytes& bytes) {
  return {reinterpret_cast<std::byte*>(PyBytes_AS_STRING(bytes.ptr())),
          static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr()))};
}

void register_cursor(py::module_& module) {
  // Python keeps the address of the table.
  static PyMethodDef methods[] = {method("read", read, kRead),
                                  method("read1", read, kRead1),
                                  method("_read_from", read_from, kReadFrom),
                                  {"readinto", readinto, METH_O, kReadinto},
                                  {"readinto1", readinto, METH_O, kReadinto1},
                                  method("readline", readline, kReadline),
                                  method("peek", peek, kPeek),
                                  method("seek", seek, kSeek),
                                  {"tell", tell, METH_NOARGS, kTell},
                                  {nullptr, nullptr, 0, nullptr}};
  py::object base = py::module_::import("_io").attr("_BufferedIOBase");
  const Py_ssize_t base_size = reinterpret_cast<PyTypeObject*>(base.ptr())->tp_basicsize;
  constexpr auto kAlign = static_cast<Py_ssize_t>(alignof(PyObject*));
  core_offset = (base_size + kAlign - 1) / kAlign * kAlign;
  static PyMemberDef members[] = {{"_core", T_OBJECT_EX, core_offset, 0, nullptr},
                                  {nullptr, 0, 0, 0, nullptr}};
  static PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>("The calls of ObjectReader that move its cursor.")},
      {Py_tp_methods, static_cast<void*>(methods)},
      {Py_tp_members, static_cast<void*>(members)},
      {0, nullptr}};
  PyType_Spec spec{"ossmodelconnector._core.Cursor",
                   static_cast<int>(core_offset + static_cast<Py_ssize_t>(sizeof(PyObject*))), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  PyObject* const type = PyType_FromSpecWithBases(&spec, py::make_tuple(base).ptr());
  if (type == nullptr) throw py::error_already_set();
  module.attr("Cursor") = py::reinterpret_steal<py::object>(type);
}

}  // namespace ossmc::bindings
