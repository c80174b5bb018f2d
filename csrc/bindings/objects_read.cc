// Many objects, each of them whole: what iterates for OssModelConnector.read_objects.
#include <deque>
#include <string>
#include <utility>

#include "base/fork_guard.h"
#include "bindings/handles.h"
#include "connector/objects_read.h"

namespace ossmc::bindings {

namespace {

// What the caller gave, and the memory for it once it is asked for.
struct Given {
  py::object object;
  py::tuple to_open;
  py::object bytes;
};

// The objects that were given and not handed out yet. One thread at a time. In a forked child it asks
// for them anew.
class ObjectsReadHandle {
 public:
  ObjectsReadHandle(const ConnectorHandle& connector, ReadAhead ahead)
      : connector_(connector.connector.get()), duties_(connector.duties), ahead_(ahead) {
    make();
  }
  ~ObjectsReadHandle() { end(); }
  ObjectsReadHandle(const ObjectsReadHandle&) = delete;
  ObjectsReadHandle& operator=(const ObjectsReadHandle&) = delete;

  std::size_t size() const { return given_.size(); }
  std::size_t wants() { return reading().wants(); }
  bool is_ready() { return reading().is_ready(); }
  void add(py::object given, py::tuple to_open);
  void start();
  py::list take(const py::type& type);
  void end();

 private:
  void make();
  ObjectsRead& reading();
  py::object info(const Given& given, const py::type& type, const ObjectName& name,
                  const ObjectVersion& version) const;
  py::tuple outcome(const py::type& type);
  py::tuple read_alone(const py::type& type, const ObjectToOpen& object, const Given& given);

  const Released<Connector> connector_;
  const std::shared_ptr<const CallerDuties> duties_;
  const ReadAhead ahead_;
  std::unique_ptr<ObjectsRead> reading_;  // null: it has ended
  std::uint64_t generation_ = 0;          // of forks, when that was made
  std::deque<Given> given_;
  std::uint64_t first_number_ = 0;  // of given_, as reading_ counts
};

void ObjectsReadHandle::make() {
  generation_ = fork_generation();
  reading_ = value_or_raise(without_gil(
      *duties_, [&](Interrupt&) { return ObjectsRead::make(connector_.get(), ahead_); }));
}

ObjectsRead& ObjectsReadHandle::reading() {
  if (reading_ == nullptr) throw py::value_error("this iterator has ended");
  if (generation_ == fork_generation()) return *reading_;
  // What it is made of stayed in the parent.
  static_cast<void>(reading_.release());
  make();
  first_number_ = 0;
  for (Given& given : given_) {
    given.bytes = py::object();
    raise_unless_ok(reading_->add(object_of(given.to_open, false)));
  }
  return *reading_;
}

void ObjectsReadHandle::add(py::object given, py::tuple to_open) {
  raise_unless_ok(reading().add(object_of(to_open, false)));
  given_.push_back({std::move(given), std::move(to_open), {}});
}

void ObjectsReadHandle::end() {
  if (reading_ == nullptr) return;
  if (fork_generation() != generation_) {
    static_cast<void>(reading_.release());
  } else {
    const GilReleased released;
    reading_.reset();
  }
  given_.clear();
}

void ObjectsReadHandle::start() {
  reading().start([&](std::uint64_t number, std::uint64_t size) -> std::byte* {
    py::object bytes;
    if (size <= PY_SSIZE_T_MAX)
      bytes = py::reinterpret_steal<py::object>(
          PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size)));
    if (!bytes) {
      PyErr_Clear();
      return nullptr;
    }
    auto* const data = reinterpret_cast<std::byte*>(PyBytes_AS_STRING(bytes.ptr()));
    given_[static_cast<std::size_t>(number - first_number_)].bytes = std::move(bytes);
    return data;
  });
}

py::list ObjectsReadHandle::take(const py::type& type) {
  start();
  while (!reading_->is_ready()) {
    raise_unless_ok(without_gil(
        *duties_, [&](Interrupt& interrupt) { return reading_->wait(interrupt); }));
    start();
  }
  py::list result;
  while (reading_->is_ready()) result.append(outcome(type));
  return result;
}

py::tuple ObjectsReadHandle::outcome(const py::type& type) {
  TakenObject taken = reading_->take();
  const Given given = std::move(given_.front());
  given_.pop_front();
  ++first_number_;
  if (taken.is_alone) return read_alone(type, *taken.object, given);
  if (!taken.status.is_ok()) {
    if (taken.status.code() == StatusCode::kClosed) raise(taken.status);
    return py::make_tuple(given.object, exception_of(taken.status));
  }
  py::object bytes = given.bytes;
  if (!taken.is_in_place)
    bytes = py::bytes(reinterpret_cast<const char*>(taken.bytes.data()), taken.bytes.size());
  const ObjectVersion* const told = taken.stream->learnt()->told();
  return py::make_tuple(info(given, type, taken.stream->name(),
                             told != nullptr ? *told : taken.stream->version()),
                        std::move(bytes));
}

py::tuple ObjectsReadHandle::read_alone(const py::type& type, const ObjectToOpen& object,
                                        const Given& given) {
  const auto opened = without_gil(
      *duties_, [&](Interrupt& interrupt) { return connector_->open(object, interrupt); });
  Status status = opened.status();
  if (status.is_ok()) {
    const Released<ObjectReader> reader(*opened);
    const py::bytes bytes = make_bytes(reader->size());
    const auto read = without_gil(*duties_, [&](Interrupt& interrupt) {
      return reader->read_at(0, span_of(bytes), interrupt);
    });
    status = read.status();
    if (status.is_ok()) {
      ObjectVersion version;
      version.size = reader->size();
      version.etag = reader->etag();
      version.version_id = reader->version_id();
      return py::make_tuple(info(given, type, reader->name(), version), bytes);
    }
  }
  if (status.code() == StatusCode::kClosed || status.code() == StatusCode::kInterrupted)
    raise(status);
  return py::make_tuple(given.object, exception_of(status));
}

py::object ObjectsReadHandle::info(const Given& given, const py::type& type,
                                   const ObjectName& name, const ObjectVersion& version) const {
  if (py::isinstance(given.object, type)) return given.object;
  return object_row(type, name, version);
}

}  // namespace

void register_objects_read(py::module_& module) {
  py::class_<ObjectsReadHandle>(module, "ObjectsRead", py::is_final(),
                                "Whole objects in the order given; for one thread at a time.")
      .def(py::init([](const ConnectorHandle& connector, std::uint64_t bytes, std::size_t objects) {
             return std::make_unique<ObjectsReadHandle>(connector, ReadAhead{bytes, objects});
           }),
           py::arg("connector"), py::arg("ahead_bytes"), py::arg("ahead_objects"))
      .def("__len__", &ObjectsReadHandle::size)
      .def("wants", &ObjectsReadHandle::wants)
      .def("is_ready", &ObjectsReadHandle::is_ready)
      .def("add", &ObjectsReadHandle::add, py::arg("given"), py::arg("object"))
      .def("start", &ObjectsReadHandle::start)
      .def("take", &ObjectsReadHandle::take, py::arg("type"))
      .def("end", &ObjectsReadHandle::end);
}

}  // namespace ossmc::bindings
