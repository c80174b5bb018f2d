// The three date forms of OSS, in the C locale and UTC whatever the process's locale and zone are.
// No function takes a lock of the C library, as gmtime_r() does: a forked child might find it
// taken.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ossmc {

// Rounded down to a second and clamped to the years 1970 to 9999.
// "Sun, 02 Jun 2024 01:30:05 GMT"
std::string format_http_date(double unix_seconds);
// "20240602T013005Z"
std::string format_iso_basic(double unix_seconds);
// "2024-06-02T01:30:05.000Z", rounded down to a millisecond.
std::string format_iso_milliseconds(double unix_seconds);

// Seconds since 1970; nothing for any other form or for a day or time that does not exist.
std::optional<double> parse_http_date(std::string_view text);
// "2012-02-24T08:43:07.000Z", the fraction optional.
std::optional<double> parse_iso_date(std::string_view text);

// Seconds since 1970; nothing for a day or time that does not exist. REQUIRES: none is negative.
std::optional<double> unix_from_civil(int year, int month, int day, int hour, int minute,
                                      int second);

}  // namespace ossmc
