#include "transfer/library_versions.h"

#include <curl/curl.h>

namespace ossmc {

LibraryVersions library_versions() {
  const curl_version_info_data* curl = curl_version_info(CURLVERSION_NOW);
  const auto text = [](const char* value) {
    return std::string(value != nullptr ? value : "none");
  };
  return {text(curl->version), text(curl->ssl_version)};
}

}  // namespace ossmc
