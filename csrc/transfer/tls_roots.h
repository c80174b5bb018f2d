// TlsRoots: which certificate authorities are trusted.
#pragma once

#include <string>

#include "base/status.h"

namespace ossmc {

// At most one of the two is set. Neither: libcurl's own default, which may be nothing.
struct TlsRoots {
  std::string file;
  std::string path;
  std::string told;  // for errors: which those are, or where there were none
};

// In this order: the options; SSL_CERT_FILE and CURL_CA_BUNDLE of the environment, as they are;
// libcurl's default; the places where Linux distributions keep theirs (a libcurl that was built
// for another distribution looks in the wrong one, a self-contained one in none); certifi's. Reads
// the environment: not while another thread changes it.
// kInvalidArgument: `ca_file` or `ca_path` cannot be read. kConnect: for want of descriptors.
Result<TlsRoots> find_tls_roots(const std::string& ca_file, const std::string& ca_path);

// The authorities of the Python package certifi, for a system without any. The Python layer knows
// where they are. Thread-safe; threads of I/O that were started before do not notice.
void set_certifi_file(std::string name);

}  // namespace ossmc
