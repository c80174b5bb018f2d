// What no text may repeat of an address: passwords and signatures.
#pragma once

#include <string>
#include <string_view>

namespace ossmc {

// What stands in a text in place of a secret.
inline constexpr std::string_view kBlot = "[redacted]";

// `text` with "[redacted]" in place of userinfo (between "//" and an "@" of the same authority) and
// of the value of each parameter that is a secret, signature= and security-token= in all their
// forms, also where "=" is written %3D. It looks at the words alone, so a key that has such a
// parameter loses its value too: keys are told by fields, texts are for reading.
std::string without_secrets(std::string_view text);

}  // namespace ossmc
