// Dates in the forms that stores and gateways write them, where one that cannot be read costs no
// more than itself.
#pragma once

#include <optional>
#include <string_view>

namespace ossmc {

// Seconds since 1970, of a day in the years 1 to 9999. ISO 8601 with a zone, an offset or neither
// (UTC), "T" or a blank between, the basic form too; the three forms of HTTP; what date(1), Java
// and Go print; a count of seconds or milliseconds. Nothing for what is none of them.
std::optional<double> parse_any_date(std::string_view text);

}  // namespace ossmc
