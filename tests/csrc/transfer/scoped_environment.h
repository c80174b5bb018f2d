// ScopedEnvironment: variables of the environment for the length of a test.
#pragma once

#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ossmc {

// Unsets the given variables, lets the test set them, and puts back what they were. Only while no
// other thread reads or changes the environment.
class ScopedEnvironment {
 public:
  explicit ScopedEnvironment(std::initializer_list<const char*> names) {
    for (const char* name : names) {
      const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): see the class
      before_.emplace_back(name, value == nullptr ? std::nullopt : std::optional(value));
      unset(name);
    }
  }
  ~ScopedEnvironment() {
    for (const auto& [name, value] : before_) {
      value ? set(name.c_str(), *value) : unset(name.c_str());
    }
  }
  ScopedEnvironment(const ScopedEnvironment&) = delete;
  ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;

  // REQUIRES: one of the names given.
  void set(const char* name, const std::string& value) {
    ::setenv(name, value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): see the class
  }

 private:
  static void unset(const char* name) {
    ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe): see the class
  }

  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

}  // namespace ossmc
