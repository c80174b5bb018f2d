// Whatever lines a server sends as the head of a reply; and the same bytes as the value of
// Content-Range, and as a date.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/any_date.h"
#include "protocol/content_range.h"
#include "protocol/dates.h"
#include "protocol/http.h"
#include "require.h"
#include "transfer/head_collector.h"

namespace {

void check_content_range(std::string_view bytes) {
  const auto range = ossmc::parse_content_range(bytes);
  if (!range) return;
  require(range->range || range->total, "one side is there");
  std::string text = "bytes *";
  if (range->range) {
    require(range->range->begin < range->range->end, "a range is not empty");
    require(!range->total || range->range->end <= *range->total, "a range lies in its object");
    const std::string wanted = ossmc::format_range_header(*range->range);  // "bytes=0-99"
    text = "bytes " + wanted.substr(wanted.find('=') + 1);
  }
  text += "/" + (range->total ? std::to_string(*range->total) : std::string("*"));
  require(ossmc::parse_content_range(text) == range, "a range in its plain form is the same");
}

void check_dates(std::string_view bytes) {
  const auto http = ossmc::parse_http_date(bytes);
  // Before 1970 there are no objects: such dates are written as its first second.
  if (http && *http >= 0) {
    require(ossmc::parse_http_date(ossmc::format_http_date(*http)) == http,
            "a date in its plain form is the same");
  }
  const auto any = ossmc::parse_any_date(bytes);
  require(!any || (*any > -1e11 && *any < 1e12), "a date is one that Python can show");
  const auto iso = ossmc::parse_iso_date(bytes);
  if (!iso) return;
  require(*iso > -1e12 && *iso < 1e12, "a date has four digits for its year");
  require(ossmc::format_iso_basic(*iso).size() == 16, "a date has one length");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_content_range(bytes);
  check_dates(bytes);

  ossmc::HeadCollector collector;
  int completed = 0;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size() - 1) + 1;
    const auto verdict = collector.add(bytes.substr(0, end));
    bytes.remove_prefix(end);
    require(collector.headers().size() <= ossmc::HeadCollector::kMaxHeaders, "headers are bounded");
    if (verdict == ossmc::HeadCollector::Verdict::kComplete) {
      ++completed;
      const ossmc::ResponseHead head =
          ossmc::parse_response_head(collector.status(), collector.headers());
      require(head.status >= 200 && head.status <= 999, "an interim reply completes nothing");
      require(!(head.content_range && head.bad_content_range), "a range is good or bad");
      require(head.etag.find('"') == std::string::npos, "an ETag comes without quotes");
    }
    if (verdict == ossmc::HeadCollector::Verdict::kTooLarge ||
        verdict == ossmc::HeadCollector::Verdict::kMalformed)
      break;
  }
  require(completed <= 1, "a head is complete once");
  require(collector.complete() == (completed == 1), "complete() says so");
  collector.reset();
  require(!collector.complete() && collector.headers().empty(), "it begins anew");
  return 0;
}
