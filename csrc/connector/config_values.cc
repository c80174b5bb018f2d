#include "connector/config_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <vector>

#include "protocol/ascii.h"

namespace ossmc {

namespace {

constexpr const char* kSizeForm =
    "must be a whole number of bytes, or digits and B, KiB, MiB, GiB or TiB, for example \"256 "
    "MiB\"";

bool is_alnum(char c) {
  return is_ascii_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}
// Printable ASCII, blanks included.
bool is_printable(char c) { return c >= 0x20 && c <= 0x7e; }

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alnum(c) || kMarks.find(c) != std::string_view::npos;
  });
}

bool is_port(std::string_view text) { return parse_decimal(text, 65535).value_or(0) != 0; }

}  // namespace

std::string check_size(std::string_view text, std::uint64_t* bytes) {
  std::uint64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, count);
  if (text.empty() || !is_ascii_digit(text[0])) return kSizeForm;
  std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  const auto* const found = std::find(kUnits.begin(), kUnits.end(), unit);
  if (found == kUnits.end()) {
    std::string text_out = kSizeForm;
    if (unit.empty()) text_out += "; a number alone goes without quotes";
    return text_out;
  }
  const auto shift = static_cast<unsigned>(10 * (found - kUnits.begin()));
  if (error != std::errc() || count > (std::numeric_limits<std::uint64_t>::max() >> shift))
    return "is too large a size";
  *bytes = count << shift;
  return {};
}

std::string check_path(std::string_view path) {
  return path.find('\0') == std::string_view::npos ? "" : "must not hold a NUL byte";
}

std::string check_user_agent(std::string_view text) {
  if (text.size() > 256) return "must be at most 256 characters long";
  if (!std::all_of(text.begin(), text.end(), is_printable))
    return "must be one line of printable ASCII";
  return {};
}

std::string check_proxy(std::string_view url) {
  constexpr const char* kForm =
      "must be \"\" or a proxy URL such as http://host:port (it is not shown, since it may hold a "
      "password)";
  if (url.empty()) return {};
  if (!std::all_of(url.begin(), url.end(), [](char c) { return is_printable(c) && c != ' '; })) {
    return std::string(kForm) + "; it holds a blank or another character that a URL cannot";
  }
  std::string_view rest = url;
  if (const std::size_t mark = rest.find("://"); mark != std::string_view::npos) {
    constexpr std::array<std::string_view, 6> kSchemes = {"http",    "https",  "socks4",
                                                          "socks4a", "socks5", "socks5h"};
    const std::string_view scheme = rest.substr(0, mark);
    if (std::none_of(kSchemes.begin(), kSchemes.end(),
                     [&](std::string_view known) { return equal_ignoring_case(scheme, known); })) {
      return std::string(kForm) +
             "; the scheme must be http, https, socks4, socks4a, socks5 or socks5h";
    }
    rest.remove_prefix(mark + 3);
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#\\") != std::string_view::npos) {
    return std::string(kForm) +
           "; no path, query or fragment may follow the host (in a password, write such characters "
           "as %XX)";
  }
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos)
    rest.remove_prefix(at + 1);
  std::string_view host = rest;
  std::string_view port;
  const std::size_t bracket = rest.rfind(']');
  const std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
    if (!is_port(port)) return std::string(kForm) + "; the port must be 1 to 65535";
  }
  const bool is_ipv6 = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (is_ipv6) host = host.substr(1, host.size() - 2);
  const bool host_ok = !host.empty() && std::all_of(host.begin(), host.end(), [&](char c) {
    return is_alnum(c) || c == '.' || c == '-' || c == '_' || (is_ipv6 && (c == ':' || c == '%'));
  });
  return host_ok ? "" : std::string(kForm) + "; it has no usable host";
}

std::string check_header_name(std::string_view name) {
  if (!is_token(name) || name.size() > 128) return "is no name of an HTTP header";
  struct Refused {
    std::string_view name;
    const char* why;
  };
  constexpr const char* kOurs = "cannot be set: this library sets it for each request";
  constexpr const char* kMeaning = "cannot be set: it would change what a reply means";
  constexpr const char* kConnection = "cannot be set: it belongs to the connection";
  constexpr Refused kRefused[] = {
      {"authorization", kOurs},
      {"host", kOurs},
      {"date", kOurs},
      {"range", kOurs},
      {"if-match", kOurs},
      {"x-oss-date", kOurs},
      {"x-oss-security-token", kOurs},
      {"x-oss-content-sha256", kOurs},
      {"x-oss-range-behavior", kOurs},
      {"user-agent", "cannot be set here: use userAgent"},
      {"proxy-authorization", "cannot be set: put user and password into proxy"},
      {"if-range", kMeaning},
      {"if-none-match", kMeaning},
      {"if-modified-since", kMeaning},
      {"if-unmodified-since", kMeaning},
      {"accept-encoding", kMeaning},
      {"content-length", kConnection},
      {"transfer-encoding", kConnection},
      {"connection", kConnection},
      {"keep-alive", kConnection},
      {"proxy-connection", kConnection},
      {"upgrade", kConnection},
      {"expect", kConnection},
      {"te", kConnection},
      {"trailer", kConnection},
  };
  for (const Refused& refused : kRefused) {
    if (equal_ignoring_case(name, refused.name)) return refused.why;
  }
  return {};
}

std::string check_header_value(std::string_view value) {
  if (value.empty()) return "must not be empty";
  if (value.size() > 4096) return "must be at most 4096 characters long";
  if (!std::all_of(value.begin(), value.end(), is_printable))
    return "must be one line of printable ASCII";
  if (value.front() == ' ' || value.back() == ' ') return "must not begin or end with a blank";
  return {};
}

int edit_distance(std::string_view a, std::string_view b) {
  // Rows of the table for prefixes of a: the one before the last, the last, this one.
  std::vector<int> before(b.size() + 1);
  std::vector<int> last(b.size() + 1);
  std::vector<int> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace ossmc
