// TlsRoots: which certificate authorities are trusted.
#pragma once

#include <string>

#include "base/status.h"

namespace ossmc {

// At most one of the two is set. Neither: libcurl's own default.
struct TlsRoots {
  std::string file;
  std::string path;
};

// In this order: the options; SSL_CERT_FILE and CURL_CA_BUNDLE of the environment, as they are;
// libcurl's default; the places where Linux distributions keep theirs (a libcurl that was built
// for another distribution looks in the wrong one). Reads the environment: not while another
// thread changes it.
// kInvalidArgument: `ca_file` or `ca_path` cannot be read. kConnect: for want of descriptors.
Result<TlsRoots> find_tls_roots(const std::string& ca_file, const std::string& ca_path);

}  // namespace ossmc
