// What the process runs on, where that is libcurl's to tell.
#pragma once

#include <string>

namespace ossmc {

// Of what is loaded, which may be newer than what was compiled against.
struct LibraryVersions {
  std::string curl;  // "8.22.0"
  std::string tls;   // "OpenSSL/3.5.7"
};

LibraryVersions library_versions();

}  // namespace ossmc
