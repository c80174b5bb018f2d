#include "protocol/any_date.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>

#include "protocol/ascii.h"
#include "protocol/dates.h"

namespace ossmc {

namespace {

constexpr std::array<std::string_view, 12> kMonthWords = {"jan", "feb", "mar", "apr", "may", "jun",
                                                          "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdayWords = {"sun", "mon", "tue", "wed",
                                                           "thu", "fri", "sat"};
constexpr double kFirstOfYear1 = -62135596800.0;    // 0001-01-01T00:00:00Z
constexpr double kLastOfYear9999 = 253402300799.0;  // 9999-12-31T23:59:59Z
// A count above this is of milliseconds: as seconds it would lie in the year 5138.
constexpr double kMostSeconds = 1e11;
constexpr std::uint64_t kAnyCount = std::numeric_limits<std::uint32_t>::max();

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// 1 to 12; 0: no month's name.
int month_of(std::string_view word) {
  const std::string name = to_ascii_lower(word.substr(0, 3));
  for (std::size_t i = 0; i < kMonthWords.size(); ++i) {
    if (name == kMonthWords[i]) return static_cast<int>(i) + 1;
  }
  return 0;
}

bool is_weekday(std::string_view word) {
  const std::string name = to_ascii_lower(word.substr(0, 3));
  for (const std::string_view day : kWeekdayWords) {
    if (name == day) return word.find_first_of("0123456789") == word.npos;
  }
  return false;
}

// A date, word after word, in whatever order they come. Each part may come once.
class Words {
 public:
  bool take(std::string_view word) {
    if (word.find(':') != word.npos) return take_time(word);
    if (is_digits(word)) return take_number(word);
    if (has_time_ && (word[0] == '+' || word[0] == '-')) return take_offset(word);
    if (has_time_ && is_utc(word)) return true;
    if (is_weekday(word)) return true;
    if (const int month = month_of(word);
        month > 0 && month_ == 0 && word.find_first_of("-/") == word.npos) {
      month_ = month;
      return true;
    }
    return take_day(word);
  }

  std::optional<double> seconds() const {
    if (year_ < 0 || month_ == 0 || day_ < 0 || !has_time_) return std::nullopt;
    const auto whole = unix_from_civil(year_, month_, day_, hour_, minute_, second_);
    if (!whole) return std::nullopt;
    return *whole + fraction_ - offset_;
  }

 private:
  static bool is_utc(std::string_view word) {
    for (const std::string_view name : {"z", "utc", "gmt", "ut"}) {
      if (equal_ignoring_case(word, name)) return true;
    }
    return false;
  }
  // Takes up to `digits` digits off the front.
  static bool number(std::string_view* text, std::size_t digits, int* value) {
    std::size_t size = 0;
    *value = 0;
    while (size < digits && size < text->size() && is_ascii_digit((*text)[size]))
      *value = *value * 10 + ((*text)[size++] - '0');
    text->remove_prefix(size);
    return size > 0;
  }
  static bool literal(std::string_view* text, char c) {
    if (!text->starts_with(c)) return false;
    text->remove_prefix(1);
    return true;
  }

  // "10:00:00", with a fraction and a zone behind it or not.
  bool take_time(std::string_view text) {
    if (has_time_ || !number(&text, 2, &hour_) || !literal(&text, ':') ||
        !number(&text, 2, &minute_) || !literal(&text, ':') || !number(&text, 2, &second_))
      return false;
    has_time_ = true;
    if (literal(&text, '.') || literal(&text, ',')) {
      if (text.empty() || !is_ascii_digit(text[0])) return false;
      double unit = 0.1;
      for (; !text.empty() && is_ascii_digit(text[0]); text.remove_prefix(1), unit /= 10)
        fraction_ += (text[0] - '0') * unit;
    }
    return text.empty() || is_utc(text) || take_offset(text);
  }

  // "+08:00", "+0800", "+08".
  bool take_offset(std::string_view text) {
    const bool is_west = text.starts_with('-');
    int hours = 0;
    int minutes = 0;
    if (text.size() < 3 || !is_ascii_digit(text[2])) return false;
    if (!literal(&text, is_west ? '-' : '+') || !number(&text, 2, &hours)) return false;
    literal(&text, ':');
    if (!text.empty() && !number(&text, 2, &minutes)) return false;
    if (!text.empty() || hours > 23 || minutes > 59) return false;
    offset_ = (is_west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
  }

  bool take_number(std::string_view text) {
    const auto value =
        static_cast<int>(parse_decimal(text, kAnyCount).value_or(kAnyCount) & 0xFFFF);
    if (text.size() == 4 && year_ < 0) {
      year_ = value;
    } else if (text.size() <= 2 && day_ < 0) {
      day_ = value;
    } else if (text.size() == 8 && year_ < 0 && month_ == 0 && day_ < 0) {  // 20240301
      return number(&text, 4, &year_) && number(&text, 2, &month_) && number(&text, 2, &day_);
    } else {
      return false;
    }
    return true;
  }

  // "2024-03-01", "2024/03/01", "01-Mar-24", "01-Mar-2024".
  bool take_day(std::string_view text) {
    if (year_ >= 0 || day_ >= 0) return false;
    const std::size_t first = text.find_first_of("-/");
    const std::size_t second = text.find_first_of("-/", first == text.npos ? first : first + 1);
    if (first == text.npos || second == text.npos) return false;
    std::string_view front = text.substr(0, first);
    std::string_view middle = text.substr(first + 1, second - first - 1);
    std::string_view back = text.substr(second + 1);
    if (!is_digits(front) || !is_digits(back)) return false;
    if (front.size() == 4) {
      return number(&front, 4, &year_) && is_digits(middle) && number(&middle, 2, &month_) &&
             number(&back, 2, &day_) && middle.empty() && back.empty();
    }
    month_ = month_of(middle);
    const bool is_short = back.size() == 2;
    if (month_ == 0 || middle.size() != 3 || (!is_short && back.size() != 4) ||
        !number(&front, 2, &day_) || !number(&back, 4, &year_) || !front.empty() || !back.empty())
      return false;
    if (is_short) year_ += year_ < 70 ? 2000 : 1900;  // RFC 850
    return true;
  }

  int year_ = -1;
  int month_ = 0;
  int day_ = -1;
  int hour_ = 0;
  int minute_ = 0;
  int second_ = 0;
  bool has_time_ = false;
  double fraction_ = 0;
  int offset_ = 0;
};

// The basic form has no colons, and ISO a "T" where words have a blank.
std::optional<double> parse_words(std::string_view text) {
  Words words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(" \t\r\n,");
    if (begin == text.npos) return words.seconds();
    text.remove_prefix(begin);
    std::size_t end = std::min(text.find_first_of(" \t\r\n"), text.size());
    if (const std::size_t comma = text.find(','); comma < end && !is_ascii_digit(text[0]))
      end = comma;
    // "2024-03-01T10:00:00": the word ends at the T, which is left out.
    std::size_t next = end;
    for (std::size_t i = 1; i + 1 < end; ++i) {
      if ((text[i] != 'T' && text[i] != 't') || !is_ascii_digit(text[i - 1]) ||
          !is_ascii_digit(text[i + 1]))
        continue;
      end = i;
      next = i + 1;
      break;
    }
    if (!words.take(text.substr(0, end))) return std::nullopt;
    text.remove_prefix(next);
  }
}

// "20240301T100000Z"
std::optional<double> parse_basic(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  std::string spelt(text.substr(0, 9));
  spelt.append(text.substr(9, 2)).append(":").append(text.substr(11, 2)).append(":");
  return parse_words(spelt.append(text.substr(13)));
}

std::optional<double> parse_count(std::string_view text) {
  const std::size_t point = text.find('.');
  const auto whole = parse_decimal(text.substr(0, point));
  if (!whole || text.size() < 9) return std::nullopt;  // a year, or a day without its dashes
  if (point != text.npos && !is_digits(text.substr(point + 1))) return std::nullopt;
  const auto count = static_cast<double>(*whole);
  return count > kMostSeconds ? count / 1000 : count;
}

}  // namespace

std::optional<double> parse_any_date(std::string_view text) {
  text = trim_blanks(text);
  std::optional<double> seconds = parse_iso_date(text);
  if (!seconds) seconds = parse_http_date(text);
  if (!seconds) seconds = parse_basic(text);
  if (!seconds) seconds = parse_count(text);
  if (!seconds) seconds = parse_words(text);
  if (!seconds || *seconds < kFirstOfYear1 || *seconds > kLastOfYear9999) return std::nullopt;
  return seconds;
}

}  // namespace ossmc
