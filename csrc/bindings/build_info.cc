// What this module is made of. The texts that only the build knows come from
// csrc/bindings/CMakeLists.txt.
#include "bindings/bind.h"
#include "transfer/library_versions.h"

namespace ossmc::bindings {

namespace {

py::dict build_info() {
  const LibraryVersions loaded = library_versions();
  py::dict info;
  info["ossmodelconnector"] = OSSMC_VERSION;
  info["libcurl"] = loaded.curl;
  info["tls"] = loaded.tls;
  info["isa-l"] = OSSMC_ISAL_VERSION;
  info["pugixml"] = OSSMC_PUGIXML_VERSION;
  info["nlohmann-json"] = OSSMC_JSON_VERSION;
  info["pybind11"] = OSSMC_PYBIND11_VERSION;
  info["compiler"] = OSSMC_COMPILER;
  info["libraries"] = OSSMC_LIBRARIES;
  return info;
}

}  // namespace

void register_build_info(py::module_& module) { module.def("build_info", &build_info); }

}  // namespace ossmc::bindings
