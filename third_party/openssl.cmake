# OpenSSL, openssl.org: libcrypto alone.
# Version: 3.0 (Debian 12, Ubuntu 22.04) or newer 3.x. Licence: Apache-2.0.
# Why: HMAC-SHA1, HMAC-SHA256 and SHA-256 for signing requests. TLS itself is libcurl's affair.
find_package(OpenSSL 3.0 QUIET COMPONENTS Crypto)
if(NOT OPENSSL_FOUND)
  ossmc_missing("OpenSSL 3.0 or newer" APT libssl-dev DNF openssl-devel)
endif()
