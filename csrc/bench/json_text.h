// JSON text, written: reports, and the options that go on to the core as configuration.
#pragma once

#include <string>
#include <string_view>

namespace ossmc::bench {

// A JSON string: quoted, escaped. Bytes above ASCII stay as they are.
std::string json_string(std::string_view text);
// The shortest digits that give the same number again; null for what is not finite.
std::string json_number(double number);

}  // namespace ossmc::bench
