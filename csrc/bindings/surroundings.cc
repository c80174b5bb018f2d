// What a connector finds around it: for `doctor`, which explains it.
#include <string>

#include "bindings/handles.h"
#include "connector/memory_limit.h"
#include "protocol/endpoint.h"
#include "transfer/proxies.h"
#include "transfer/tls_roots.h"

namespace ossmc::bindings {

namespace {

const char* name_of(Addressing addressing) {
  switch (addressing) {
    case Addressing::kPath:
      return "path";
    case Addressing::kVirtual:
      return "virtual";
    case Addressing::kCname:
      break;
  }
  return "cname";
}

py::dict surroundings(const ConnectorHandle& self) {
  const Config& config = self.connector->config();
  const std::string text = self.connector->endpoint_text();
  const Endpoint endpoint = value_or_raise(parse_endpoint(text));
  const Proxies proxies =
      value_or_raise(find_proxies(!config.proxy.has_value(), config.proxy.value_or("")));
  const TlsRoots roots = value_or_raise(find_tls_roots(config.tls_ca_file, config.tls_ca_path));
  py::dict found;
  found["host"] = endpoint.host;
  found["port"] = std::to_string(endpoint.port);
  found["addressing"] = name_of(config.addressing.value_or(default_addressing(endpoint)));
  found["proxy"] = header_text(proxies.for_url(text));
  found["proxy_is_configured"] = config.proxy ? "yes" : "";
  found["no_proxy"] = header_text(proxies.no_proxy);
  found["ca_file"] = header_text(roots.file);
  found["ca_path"] = header_text(roots.path);
  found["ca_told"] = header_text(roots.told);
  return found;
}

}  // namespace

void register_surroundings(py::module_& module) {
  module.def("surroundings", &surroundings, py::arg("connector"));
  module.def(
      "free_memory",
      [](const std::string& root) {
        const FreeMemory free = measure_free_memory(root);
        return py::make_tuple(free.bytes, header_text(free.source), free.room_bytes);
      },
      py::arg("root") = "/");
}

}  // namespace ossmc::bindings
