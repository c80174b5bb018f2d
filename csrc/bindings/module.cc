// ossmodelconnector._core: a table of contents.
//
// The classes and the log are the process's, so one interpreter may have them: the main one. The
// entry is ours because pybind11's registers the classes again in each interpreter that imports
// them, over the first one's. The check stands in the first phase of initialization, which runs in
// the interpreter that imports; CPython 3.13 calls PyInit in the main one.
#include "bindings/bind.h"

namespace ossmc::bindings {

namespace {

// Made by the first import, owned, and as old as the process gets. A later import, after something
// has cleared sys.modules, gives it again.
PyObject* completed = nullptr;

PyObject* create(PyObject* spec, PyModuleDef* /*definition*/) {
  if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
    PyErr_SetString(PyExc_ImportError,
                    "ossmodelconnector works in the main interpreter of a process only, not in a "
                    "subinterpreter; under mod_wsgi set WSGIApplicationGroup %{GLOBAL}, elsewhere "
                    "use a process of its own");
    return nullptr;
  }
  if (completed != nullptr) {
    Py_INCREF(completed);
    return completed;
  }
  const auto name = py::reinterpret_steal<py::object>(PyObject_GetAttrString(spec, "name"));
  return name ? PyModule_NewObject(name.ptr()) : nullptr;
}

int execute(PyObject* module) {
  if (module == completed) return 0;
  try {
    auto m = py::reinterpret_borrow<py::module_>(module);
    m.doc() = "The compiled core of ossmodelconnector. Private: use the names of the package.";
    m.attr("__version__") = OSSMC_VERSION;
    register_errors(m);
    register_base(m);
    register_build_info(m);
    register_credentials(m);
    register_listing(m);
    register_object_row(m);
    register_reader(m);
    register_cursor(m);
    register_connector(m);
    register_objects_read(m);
    register_surroundings(m);
    completed = m.release().ptr();
    return 0;
  }
  PYBIND11_CATCH_INIT_EXCEPTIONS
  return -1;
}

PyModuleDef_Slot slots[] = {
    {Py_mod_create, reinterpret_cast<void*>(&create)},
    {Py_mod_exec, reinterpret_cast<void*>(&execute)},
#ifdef Py_mod_multiple_interpreters  // Python 3.12: refused even earlier where it is isolated
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, nullptr}};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_core", nullptr, 0, nullptr, slots, nullptr, nullptr, nullptr};

}  // namespace

}  // namespace ossmc::bindings

// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming): Python looks for it
extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
  return PyModuleDef_Init(&ossmc::bindings::definition);
}
