// Whatever lines a server sends as the head of a reply, Content-Range included.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/content_range.h"
#include "protocol/http.h"
#include "require.h"
#include "transfer/head_collector.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto range = ossmc::parse_content_range(bytes)) {
    require(range->range.begin < range->range.end && range->range.end <= range->total,
            "a range lies in its object");
    const std::string text = "bytes " + std::to_string(range->range.begin) + "-" +
                             std::to_string(range->range.end - 1) + "/" +
                             std::to_string(range->total);
    require(ossmc::parse_content_range(text) == range, "a range in its plain form is the same");
  }

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
  return 0;
}
