// Limit: why an I/O thread got nothing to start, in the words of stats().
#pragma once

#include <cstdint>
#include <string_view>

namespace ossmc {

enum class Limit : std::uint8_t {
  kIdle,
  kNetwork,
  kPause,
  kMemory,
  kReader,
  kCpu,
  kThrottle,
  kRate
};

inline std::string_view limit_name(Limit limit) {
  switch (limit) {
    case Limit::kNetwork:
    case Limit::kPause:
      return "network";
    case Limit::kMemory:
      return "memory";
    case Limit::kReader:
      return "reader";
    case Limit::kCpu:
      return "cpu";
    case Limit::kThrottle:
      return "throttle";
    case Limit::kRate:
      return "limit";
    case Limit::kIdle:
      break;
  }
  return "idle";
}

}  // namespace ossmc
