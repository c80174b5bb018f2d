// ossmodelconnector._core: a table of contents.
#include "bindings/bind.h"

PYBIND11_MODULE(_core, m) {
  using namespace ossmc::bindings;
  m.doc() = "The compiled core of ossmodelconnector. Private: use the names of the package.";
  m.attr("__version__") = OSSMC_VERSION;
  register_errors(m);
  register_base(m);
  register_credentials(m);
  register_listing(m);
  register_object_row(m);
  register_reader(m);
  register_cursor(m);
  register_connector(m);
}
