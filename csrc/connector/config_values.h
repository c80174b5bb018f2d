// Config values: the rules for values that are more than a number in a range. Each returns what is
// wrong with the value, as the end of a sentence that begins with the key, or an empty text. None
// repeats a value that may hold a secret.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ossmc {

// "256 MiB": digits, at most one blank, and B, KiB, MiB, GiB or TiB.
std::string check_size(std::string_view text, std::uint64_t* bytes);

// A path that the system could open: no NUL byte.
std::string check_path(std::string_view path);

// Text that may stand in a User-Agent header.
std::string check_user_agent(std::string_view text);

// Empty (never a proxy), or
// [http|https|socks4|socks4a|socks5|socks5h://][user[:password]@]host[:port][/].
std::string check_proxy(std::string_view url);

// A request header that a user may add: a token, and none of those that this library sets itself or
// that would change what a reply means.
std::string check_header_name(std::string_view name);
// One line of printable ASCII.
std::string check_header_value(std::string_view value);

// Letters that must be changed, put in, left out or swapped with their neighbour to get from one to
// the other.
int edit_distance(std::string_view a, std::string_view b);

}  // namespace ossmc
