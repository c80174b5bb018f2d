// Many objects, each of them whole: what iterates for OssModelConnector.read_objects.
#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "base/fork_guard.h"
#include "bindings/handles.h"
#include "connector/object_flow.h"

namespace ossmc::bindings {

namespace {

// What the caller gave, and the memory for it once it is asked for.
struct Given {
  py::object object;
  py::object bytes;
};

// The objects that were given and not handed out yet. One thread at a time. In a forked child it asks
// for them anew.
class ObjectsReadHandle {
 public:
  // `type`: of the rows that are given and handed out. `to_open`: what else may be given, as a tuple
  // for object_of().
  ObjectsReadHandle(const ConnectorHandle& connector, ReadAhead ahead, py::object type,
                    py::object to_open)
      : connector_(connector.connector.get()),
        duties_(connector.duties),
        ahead_(ahead),
        type_(std::move(type)),
        to_open_(std::move(to_open)) {
    make();
  }
  ~ObjectsReadHandle() { end(); }
  ObjectsReadHandle(const ObjectsReadHandle&) = delete;
  ObjectsReadHandle& operator=(const ObjectsReadHandle&) = delete;

  std::size_t size() const { return given_.size(); }
  std::size_t wants() { return reading().wants(); }
  bool is_ready() { return reading().is_ready(); }
  // From an iterator, as many as there is room for before the first one is ready, but no more than
  // `most`. False: it has no more.
  bool add_from(const py::object& iterator, std::size_t most);
  void start();
  py::list take();
  void end();

 private:
  void make();
  ObjectFlow& flow();
  ObjectsRead& reading() { return flow().read(); }
  ObjectToOpen object_to_open(const py::object& given) const;
  py::object info(const Given& given, const ObjectName& name, const ObjectVersion& version) const;
  py::tuple outcome();
  py::tuple read_alone(const Given& given);

  const Released<Connector> connector_;
  const std::shared_ptr<const CallerDuties> duties_;
  const ReadAhead ahead_;
  const py::object type_;
  const py::object to_open_;
  std::unique_ptr<ObjectFlow> flow_;  // null: it has ended
  std::uint64_t generation_ = 0;          // of forks, when that was made
  std::deque<Given> given_;
  std::uint64_t first_number_ = 0;  // of given_, as the flow counts
};

void ObjectsReadHandle::make() {
  generation_ = fork_generation();
  flow_ = value_or_raise(without_gil(
      *duties_, [&](Interrupt&) { return ObjectFlow::make(*connector_, ahead_); }));
}

ObjectFlow& ObjectsReadHandle::flow() {
  if (flow_ == nullptr) throw py::value_error("this iterator has ended");
  if (generation_ == fork_generation()) return *flow_;
  // What it is made of stayed in the parent.
  static_cast<void>(flow_.release());
  make();
  first_number_ = 0;
  for (Given& given : given_) {
    given.bytes = py::object();
    raise_unless_ok(flow_->add(object_to_open(given.object)));
  }
  return *flow_;
}

ObjectToOpen ObjectsReadHandle::object_to_open(const py::object& given) const {
  std::optional<ObjectToOpen> object = object_of_row(given, type_);
  return object ? std::move(*object) : object_of(py::tuple(to_open_(given)), false);
}

bool ObjectsReadHandle::add_from(const py::object& iterator, std::size_t most) {
  const std::size_t count = std::min(most, reading().wants());
  for (std::size_t i = 0; i < count; ++i) {
    auto given = py::reinterpret_steal<py::object>(PyIter_Next(iterator.ptr()));
    if (!given && PyErr_Occurred() != nullptr) throw py::error_already_set();
    if (!given) return false;
    const ObjectToOpen object = object_to_open(given);
    // The iterator's code may have forked, and go on in the child.
    raise_unless_ok(flow().add(object));
    given_.push_back({std::move(given), {}});
    // The iterator may be slow.
    if (reading().is_ready()) break;
  }
  return true;
}

void ObjectsReadHandle::end() {
  if (flow_ == nullptr) return;
  if (fork_generation() != generation_) {
    static_cast<void>(flow_.release());
  } else {
    const GilReleased released;
    flow_.reset();
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

py::list ObjectsReadHandle::take() {
  start();
  while (!flow_->read().is_ready()) {
    raise_unless_ok(without_gil(
        *duties_, [&](Interrupt& interrupt) { return flow_->read().wait(interrupt); }));
    start();
  }
  py::list result;
  while (flow_->read().is_ready()) result.append(outcome());
  return result;
}

py::tuple ObjectsReadHandle::outcome() {
  TakenObject taken = flow_->read().take();
  const Given given = std::move(given_.front());
  given_.pop_front();
  ++first_number_;
  if (taken.is_alone) return read_alone(given);
  if (!taken.status.is_ok()) {
    if (taken.status.code() == StatusCode::kClosed) raise(taken.status);
    return py::make_tuple(given.object, exception_of(taken.status));
  }
  py::object bytes = given.bytes;
  if (!taken.is_in_place)
    bytes = py::bytes(reinterpret_cast<const char*>(taken.bytes.data()), taken.bytes.size());
  const ObjectVersion* const told = taken.stream->learnt()->told();
  return py::make_tuple(info(given, taken.stream->name(),
                             told != nullptr ? *told : taken.stream->version()),
                        std::move(bytes));
}

py::tuple ObjectsReadHandle::read_alone(const Given& given) {
  const ObjectToOpen object = object_to_open(given.object);
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
      return py::make_tuple(info(given, reader->name(), version), bytes);
    }
  }
  if (status.code() == StatusCode::kClosed || status.code() == StatusCode::kInterrupted)
    raise(status);
  return py::make_tuple(given.object, exception_of(status));
}

py::object ObjectsReadHandle::info(const Given& given, const ObjectName& name,
                                   const ObjectVersion& version) const {
  if (py::isinstance(given.object, type_)) return given.object;
  return object_row(type_, name, version);
}

}  // namespace

void register_objects_read(py::module_& module) {
  py::class_<ObjectsReadHandle>(module, "ObjectsRead", py::is_final(),
                                "Whole objects in the order given; for one thread at a time.")
      .def(py::init([](const ConnectorHandle& connector, std::uint64_t bytes, std::size_t objects,
                       py::object type, py::object to_open) {
             return std::make_unique<ObjectsReadHandle>(
                 connector, ReadAhead{bytes, objects}, std::move(type), std::move(to_open));
           }),
           py::arg("connector"), py::arg("ahead_bytes"), py::arg("ahead_objects"),
           py::arg("type"), py::arg("to_open"))
      .def("__len__", &ObjectsReadHandle::size)
      .def("wants", &ObjectsReadHandle::wants)
      .def("is_ready", &ObjectsReadHandle::is_ready)
      .def("add_from", &ObjectsReadHandle::add_from, py::arg("iterator"), py::arg("most"))
      .def("start", &ObjectsReadHandle::start)
      .def("take", &ObjectsReadHandle::take)
      .def("end", &ObjectsReadHandle::end);
}

}  // namespace ossmc::bindings
