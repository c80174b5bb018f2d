// The Python layer's end of the credentials cache.
#include <optional>

#include <pybind11/stl.h>

#include "bindings/handles.h"

namespace ossmc::bindings {

void register_credentials(py::module_& module) {
  py::class_<CredentialsFeed>(module, "CredentialsFeed", py::is_final(),
                              "The Python layer's end of the core's credentials cache.")
      .def(py::init([] {
        return CredentialsFeed{
            std::make_shared<CredentialsCache>(system_clock(), CredentialsCache::Options{})};
      }))
      .def_static("anonymous",
                  [] {
                    Credentials credentials;
                    credentials.anonymous = true;
                    return CredentialsFeed{
                        CredentialsCache::make_fixed(system_clock(), std::move(credentials))};
                  })
      .def("awaits_answer", [](const CredentialsFeed& feed) { return feed.cache->awaits_answer(); })
      .def(
          "put",
          [](const CredentialsFeed& feed, std::string id, std::string secret, std::string token,
             std::optional<double> expires) {
            Credentials credentials;
            credentials.access_key_id = std::move(id);
            credentials.access_key_secret = std::move(secret);
            credentials.security_token = std::move(token);
            credentials.expires_unix_seconds = expires;
            credentials.anonymous =
                credentials.access_key_id.empty() && credentials.access_key_secret.empty();
            const GilReleased released;
            feed.cache->put(std::move(credentials));
          },
          py::arg("access_key_id"), py::arg("access_key_secret"), py::arg("security_token"),
          py::arg("expires_unix_seconds"))
      .def(
          "put_failure",
          [](const CredentialsFeed& feed, std::string message) {
            const GilReleased released;
            feed.cache->put_failure(std::move(message));
          },
          py::arg("message"));
}

}  // namespace ossmc::bindings
