// How far the properties go: `make test` runs them short, `make check` long.
#pragma once

#include <cstdlib>

namespace ossmc {

inline bool is_long_run() {
  return std::getenv("OSSMC_LONG") != nullptr;  // NOLINT(concurrency-mt-unsafe): nobody sets it
}

}  // namespace ossmc
