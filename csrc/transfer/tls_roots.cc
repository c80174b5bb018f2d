#include "transfer/tls_roots.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/mutex.h"
#include "transfer/descriptor_limit.h"

namespace ossmc {
namespace {

constexpr const char* kKnownFiles[] = {
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Ubuntu, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",                   // Fedora, RHEL, Alibaba Cloud Linux
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // their newer releases
    "/etc/ssl/ca-bundle.pem",                             // SUSE
    "/etc/ssl/cert.pem",                                  // Alpine and others
};

// 0, or the errno that says why not.
int readable(const std::string& name, bool directory) {
  const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | (directory ? O_DIRECTORY : 0));
  if (fd < 0) return errno;
  struct stat info {};
  int error = ::fstat(fd, &info) == 0 ? 0 : errno;
  if (error == 0 && !directory && S_ISDIR(info.st_mode)) error = EISDIR;
  ::close(fd);
  return error;
}

Status unreadable(const char* what, const std::string& name, int error) {
  if (is_descriptor_shortage(error))
    return descriptor_shortage(std::string(what) + " \"" + name + "\"", error);
  return {StatusCode::kInvalidArgument, std::string(what) + " \"" + name + "\" cannot be read: " +
                                            std::system_category().message(error) +
                                            "; correct it, or leave it out to trust the system's"};
}

struct Certifi {
  Mutex mutex;
  std::string file OSSMC_GUARDED_BY(mutex);
};

Certifi& certifi() {
  static Certifi* const kCertifi = new Certifi;  // kept: other threads may run at exit
  return *kCertifi;
}

std::string certifi_file() {
  const MutexLock lock(certifi().mutex);
  return certifi().file;
}

TlsRoots in_file(const std::string& name) {
  return {name, {}, "trusted are the authorities in " + name};
}

TlsRoots in_path(const std::string& name) {
  return {{}, name, "trusted are the authorities in the folder " + name};
}

}  // namespace

void set_certifi_file(std::string name) {
  const MutexLock lock(certifi().mutex);
  certifi().file = std::move(name);
}

Result<TlsRoots> find_tls_roots(const std::string& ca_file, const std::string& ca_path) {
  if (!ca_file.empty()) {
    if (const int error = readable(ca_file, false)) return unreadable("CA file", ca_file, error);
    return in_file(ca_file);
  }
  if (!ca_path.empty()) {
    if (const int error = readable(ca_path, true)) return unreadable("CA path", ca_path, error);
    return in_path(ca_path);
  }
  // Not checked here: over http nobody needs them, and over https libcurl's error names the file.
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE"}) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): the header says so
    if (value != nullptr && *value != '\0') return in_file(value);
  }
  std::string looked = "SSL_CERT_FILE, CURL_CA_BUNDLE";
  const curl_version_info_data* curl = curl_version_info(CURLVERSION_NOW);
  int error = ENOENT;
  if (curl->cainfo != nullptr) {
    error = readable(curl->cainfo, false);
    if (error == 0) return in_file(curl->cainfo);
    looked.append(", ").append(curl->cainfo);
  }
  if (curl->capath != nullptr && !is_descriptor_shortage(error)) {
    error = readable(curl->capath, true);
    if (error == 0) return TlsRoots{{}, {}, in_path(curl->capath).told};
    looked.append(", ").append(curl->capath);
  }
  for (std::string_view name : kKnownFiles) {
    if (is_descriptor_shortage(error)) return unreadable("CA file", std::string(name), error);
    error = readable(std::string(name), false);
    if (error == 0) return in_file(std::string(name));
    looked.append(", ").append(name);
  }
  const std::string last = certifi_file();
  if (!last.empty() && readable(last, false) == 0) return in_file(last);
  looked.append(", the Python package certifi");
  return TlsRoots{{}, {}, "no authorities were found; looked in " + looked};
}

}  // namespace ossmc
