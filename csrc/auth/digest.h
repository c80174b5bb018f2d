// SHA-256, HMAC and the two text forms of their results, by OpenSSL's libcrypto.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ossmc {

using Sha1Bytes = std::array<std::uint8_t, 20>;
using Sha256Bytes = std::array<std::uint8_t, 32>;

// Nothing only if libcrypto refuses: out of memory, or an algorithm that its configuration (FIPS)
// forbids.
std::optional<Sha256Bytes> sha256(std::string_view data);
std::optional<Sha256Bytes> hmac_sha256(std::string_view key, std::string_view data);
std::optional<Sha1Bytes> hmac_sha1(std::string_view key, std::string_view data);

// Gives back what libcrypto keeps for the calling thread, which else happens after the thread's
// last line, under one of libcrypto's global locks: a fork() at that moment leaves it locked in the
// child.
void release_thread_state();

// For an HMAC keyed with another's result.
inline std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string hex_lower(std::span<const std::uint8_t> bytes);
// With padding.
std::string base64_encode(std::span<const std::uint8_t> bytes);

}  // namespace ossmc
