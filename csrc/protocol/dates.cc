#include "protocol/dates.h"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "protocol/ascii.h"

namespace ossmc {

namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 7> kWeekdays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr double kLastSecond = 253402300799.0;  // 9999-12-31T23:59:59Z: the forms have four digits
constexpr std::int64_t kSecondsPerDay = 86400;

struct Civil {
  int year, month, day, hour, minute, second;
  unsigned weekday;
};

Civil civil_from_unix(double unix_seconds) {
  // Written so that NaN becomes 0.
  if (!(unix_seconds > 0)) unix_seconds = 0;
  if (unix_seconds > kLastSecond) unix_seconds = kLastSecond;
  const auto seconds = static_cast<std::int64_t>(std::floor(unix_seconds));
  const sys_days date{days{seconds / kSecondsPerDay}};
  const year_month_day ymd{date};
  const int rest = static_cast<int>(seconds % kSecondsPerDay);
  return {static_cast<int>(ymd.year()),
          static_cast<int>(static_cast<unsigned>(ymd.month())),
          static_cast<int>(static_cast<unsigned>(ymd.day())),
          rest / 3600,
          rest / 60 % 60,
          rest % 60,
          std::chrono::weekday{date}.c_encoding()};
}

// Takes fields of fixed width off the front of a text; once one does not fit, it has failed.
class Fields {
 public:
  explicit Fields(std::string_view text) : rest_(text) {}

  int number(std::size_t width) {
    int value = 0;
    const std::string_view digits = take(width);
    for (const char digit : digits) {
      if (!is_ascii_digit(digit)) failed_ = true;
      value = value * 10 + (digit - '0');
    }
    return failed_ ? 0 : value;
  }
  void literal(std::string_view text) {
    if (take(text.size()) != text) failed_ = true;
  }
  template <std::size_t N>
  int name(const std::array<std::string_view, N>& names) {
    const std::string_view text = take(3);
    for (std::size_t i = 0; i < N; ++i) {
      if (text == names[i]) return static_cast<int>(i);
    }
    failed_ = true;
    return 0;
  }
  std::string_view rest() const { return rest_; }
  bool failed() const { return failed_; }

 private:
  std::string_view take(std::size_t width) {
    if (rest_.size() < width) {
      failed_ = true;
      return {};
    }
    const std::string_view field = rest_.substr(0, width);
    rest_.remove_prefix(width);
    return field;
  }

  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace

std::optional<double> unix_from_civil(int year, int month, int day, int hour, int minute,
                                      int second) {
  const year_month_day ymd{std::chrono::year{year},
                           std::chrono::month{static_cast<unsigned>(month)},
                           std::chrono::day{static_cast<unsigned>(day)}};
  // 60: a leap second, which is the next minute's first second here.
  if (!ymd.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const std::int64_t count = sys_days{ymd}.time_since_epoch().count();
  return static_cast<double>(count * kSecondsPerDay + hour * 3600 + minute * 60 + second);
}

std::string format_http_date(double unix_seconds) {
  const Civil c = civil_from_unix(unix_seconds);
  char text[64];
  std::snprintf(
      text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kWeekdays[c.weekday].data(), c.day,
      kMonths[static_cast<std::size_t>(c.month - 1)].data(), c.year, c.hour, c.minute, c.second);
  return text;
}

std::string format_iso_basic(double unix_seconds) {
  const Civil c = civil_from_unix(unix_seconds);
  char text[64];
  std::snprintf(text, sizeof text, "%04d%02d%02dT%02d%02d%02dZ", c.year, c.month, c.day, c.hour,
                c.minute, c.second);
  return text;
}

std::string format_iso_milliseconds(double unix_seconds) {
  const Civil c = civil_from_unix(unix_seconds);
  // Of what is within bounds.
  const double fraction =
      unix_seconds > 0 && unix_seconds < kLastSecond ? unix_seconds - std::floor(unix_seconds) : 0;
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month, c.day,
                c.hour, c.minute, c.second, static_cast<int>(fraction * 1000));
  return text;
}

std::optional<double> parse_http_date(std::string_view text) {
  Fields fields(trim_blanks(text));
  fields.name(kWeekdays);
  fields.literal(", ");
  const int day = fields.number(2);
  fields.literal(" ");
  const int month = fields.name(kMonths) + 1;
  fields.literal(" ");
  const int year = fields.number(4);
  fields.literal(" ");
  const int hour = fields.number(2);
  fields.literal(":");
  const int minute = fields.number(2);
  fields.literal(":");
  const int second = fields.number(2);
  fields.literal(" GMT");
  if (fields.failed() || !fields.rest().empty()) return std::nullopt;
  return unix_from_civil(year, month, day, hour, minute, second);
}

std::optional<double> parse_iso_date(std::string_view text) {
  Fields fields(trim_blanks(text));
  const int year = fields.number(4);
  fields.literal("-");
  const int month = fields.number(2);
  fields.literal("-");
  const int day = fields.number(2);
  fields.literal("T");
  const int hour = fields.number(2);
  fields.literal(":");
  const int minute = fields.number(2);
  fields.literal(":");
  const int second = fields.number(2);
  double fraction = 0;
  if (fields.rest().starts_with('.')) {
    fields.literal(".");
    const std::size_t digits = fields.rest().find_first_not_of("0123456789");
    constexpr std::size_t kMostDigits = 9;  // nanoseconds
    // npos, nothing but digits, is so too
    if (digits == 0 || digits > kMostDigits) return std::nullopt;
    constexpr double kPowers[kMostDigits + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    fraction = fields.number(digits) / kPowers[digits];
  }
  fields.literal("Z");
  if (fields.failed() || !fields.rest().empty()) return std::nullopt;
  const auto seconds = unix_from_civil(year, month, day, hour, minute, second);
  if (!seconds) return std::nullopt;
  return *seconds + fraction;
}

}  // namespace ossmc
