# libcurl, curl.se/libcurl, the build on OpenSSL.
# Version: 7.81 (Ubuntu 22.04) or newer. Licence: curl (MIT-like).
# Why: HTTP/1.1 and TLS, connection reuse and many transfers on one thread (the multi interface), maintained by others.
find_package(CURL 7.81 QUIET)
if(NOT CURL_FOUND)
  ossmc_missing("libcurl 7.81 or newer" APT libcurl4-openssl-dev DNF libcurl-devel)
endif()
