#include "transfer/head_collector.h"

#include <string>

namespace ossmc {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "HTTP/1.1 206 Partial Content": 206; 0 when it is no such line.
int parse_status(std::string_view line) {
  const auto blank = line.find(' ');
  if (blank == std::string_view::npos) return 0;
  const std::string_view code = line.substr(blank + 1);
  if (code.size() < 3 || !is_digit(code[0]) || !is_digit(code[1]) || !is_digit(code[2])) return 0;
  if (code.size() > 3 && is_digit(code[3])) return 0;
  return (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
}

}  // namespace

void HeadCollector::reset() {
  headers_.clear();
  bytes_ = 0;
  lines_ = 0;
  status_ = 0;
  complete_ = false;
}

HeadCollector::Verdict HeadCollector::add(std::string_view line) {
  if (complete_) return Verdict::kMore;  // a trailer
  bytes_ += line.size();
  if (bytes_ > kMaxBytes) return Verdict::kTooLarge;
  if (line.starts_with("HTTP/")) return begin(line);

  const std::string_view text = trimmed(line);
  if (text.empty()) {
    complete_ = status_ >= 200;
    return complete_ ? Verdict::kComplete : Verdict::kMore;
  }
  if (++lines_ > kMaxHeaders) return Verdict::kTooLarge;
  if (line.front() == ' ' || line.front() == '\t') {  // a folded line goes on with the one before
    if (!headers_.empty()) headers_.back().value.append(" ").append(text);
    return Verdict::kMore;
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return Verdict::kMore;  // no header: dropped
  headers_.push_back(
      {std::string(trimmed(text.substr(0, colon))), std::string(trimmed(text.substr(colon + 1)))});
  return Verdict::kMore;
}

HeadCollector::Verdict HeadCollector::begin(std::string_view status_line) {
  headers_.clear();
  status_ = parse_status(status_line);
  return status_ >= 100 ? Verdict::kMore : Verdict::kMalformed;
}

}  // namespace ossmc
