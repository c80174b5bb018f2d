// HeadCollector: gathers the head of the final reply from the header lines that libcurl hands out.
//
// Pure; one per exchange in progress. Interim replies (1xx) and trailers are left out. What it
// keeps is bounded over the whole exchange, so that a server cannot make it grow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "protocol/http.h"

namespace ossmc {

class HeadCollector {
 public:
  // A store's reply has some 20 headers in 1 KiB; a head beyond these bounds is an attack or a
  // broken proxy. Interim replies count.
  static constexpr std::size_t kMaxBytes = 256 * 1024;
  static constexpr std::size_t kMaxHeaders = 200;

  enum class Verdict : std::uint8_t {
    kMore,
    kComplete,  // the line ended the final head: given once
    kTooLarge,
    kMalformed,  // the status line
  };

  void reset();
  // `line` with its line end, as libcurl's header callback gets it.
  Verdict add(std::string_view line);

  // Has the final head been completed?
  bool complete() const { return complete_; }
  int status() const { return status_; }
  const std::vector<NameValue>& headers() const { return headers_; }

 private:
  Verdict begin(std::string_view status_line);

  std::vector<NameValue> headers_;
  std::size_t bytes_ = 0;
  std::size_t lines_ = 0;
  int status_ = 0;
  bool complete_ = false;
};

}  // namespace ossmc
