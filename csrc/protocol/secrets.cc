#include "protocol/secrets.h"

#include <algorithm>

#include "protocol/ascii.h"

namespace ossmc {

namespace {

// x-oss-signature and x-oss-security-token end in the first two.
constexpr std::string_view kNames[] = {"signature",        "security-token",  "security_token",
                                       "securitytoken",    "accesskeysecret", "access-key-secret",
                                       "access_key_secret"};
constexpr std::string_view kValueEnds = "&#\"'<>,; \t\r\n";

// The first of `wanted` in `text`, and how long it is; npos: there is none.
struct Found {
  std::size_t at = std::string_view::npos;
  std::size_t size = 0;
};
template <std::size_t N>
Found find_first(std::string_view text, const std::string_view (&wanted)[N]) {
  Found first;
  for (const std::string_view each : wanted) {
    const std::size_t at = text.substr(0, first.at).find(each);
    if (at != text.npos) first = {at, each.size()};
  }
  return first;
}

// In characters, or percent-encoded, as in a URL that is a parameter of another.
constexpr std::string_view kAuthorityBegins[] = {"//", "%2f%2f"};
constexpr std::string_view kAuthorityEnds[] = {"/",  "?", "#", "\\", " ",   "\t",  "\r", "\n",
                                               "\"", "'", "<", ">",  "%2f", "%3f", "%23"};

// Where the last "@" of an authority is, or size_t's npos.
std::size_t find_at_sign(std::string_view authority) {
  const std::size_t sign = authority.rfind('@');
  const std::size_t encoded = authority.rfind("%40");
  if (sign == authority.npos || encoded == authority.npos) return std::min(sign, encoded);
  return std::max(sign, encoded);
}

// Without the userinfo of each authority: of what follows "//".
std::string without_userinfo_of_urls(std::string_view text) {
  const std::string lowered = to_ascii_lower(text);
  std::string_view lower = lowered;
  std::string out;
  const auto advance = [&](std::size_t count) {
    text.remove_prefix(count);
    lower.remove_prefix(count);
  };
  for (Found mark = find_first(lower, kAuthorityBegins); mark.size != 0;
       mark = find_first(lower, kAuthorityBegins)) {
    out += text.substr(0, mark.at + mark.size);
    advance(mark.at + mark.size);
    const std::size_t at = find_at_sign(lower.substr(0, find_first(lower, kAuthorityEnds).at));
    if (at == lower.npos) continue;
    out += kBlot;
    advance(at);
  }
  return out += text;
}

// How many characters of `lower` at `from` stand between a parameter's name and its value; 0: what
// is there is no such name.
std::size_t separator_bytes(std::string_view lower, std::size_t from) {
  for (const std::string_view separator : {"=", "%3d", "%253d"}) {
    if (lower.substr(from).starts_with(separator)) return separator.size();
  }
  return 0;
}

struct Value {
  std::size_t begin;
  std::size_t end;
};

// The first value of a secret parameter from `from` on; both npos: there is none.
Value find_value(std::string_view lower, std::size_t from) {
  Value first{lower.npos, lower.npos};
  for (const std::string_view name : kNames) {
    for (std::size_t at = lower.find(name, from); at < first.begin;
         at = lower.find(name, at + name.size())) {
      const std::size_t bytes = separator_bytes(lower, at + name.size());
      if (bytes == 0) continue;
      first.begin = at + name.size() + bytes;
      break;
    }
  }
  if (first.begin == lower.npos) return first;
  const std::size_t ampersand = std::min(lower.find("%26", first.begin), lower.size());
  first.end = std::min(lower.find_first_of(kValueEnds, first.begin), ampersand);
  return first;
}

}  // namespace

std::string without_secrets(std::string_view text) {
  if (text.find_first_of("@=%") == text.npos) return std::string(text);  // as nearly always
  const std::string shown = without_userinfo_of_urls(text);
  const std::string lower = to_ascii_lower(shown);
  std::string out;
  std::size_t done = 0;
  for (Value value = find_value(lower, 0); value.begin != lower.npos;
       value = find_value(lower, value.end)) {
    out.append(shown, done, value.begin - done);
    if (value.end > value.begin) out += kBlot;
    done = value.end;
  }
  return out.append(shown, done);
}

}  // namespace ossmc
