# JSON for Modern C++, github.com/nlohmann/json.
# Version: 3.10 (Ubuntu 22.04) or newer 3.x. Licence: MIT.
# Why: configuration and credentials files; the widely packaged one, header-only, with positions in its errors.
find_package(nlohmann_json 3.10 CONFIG QUIET)
if(NOT nlohmann_json_FOUND)
  ossmc_missing("nlohmann-json 3.10 or newer" APT nlohmann-json3-dev DNF json-devel)
endif()
