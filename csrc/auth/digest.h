// SHA-256, HMAC and the two text forms of their results, by OpenSSL's libcrypto.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace ossmc {

using Sha1Bytes = std::array<std::uint8_t, 20>;
using Sha256Bytes = std::array<std::uint8_t, 32>;

// Nothing only if libcrypto refuses: out of memory, or an algorithm that its configuration (FIPS)
// forbids.
std::optional<Sha256Bytes> sha256(std::string_view data);
std::optional<Sha256Bytes> hmac_sha256(std::string_view key, std::string_view data);
// The same with a key that signs many texts: what it makes of the key is kept. Constant, so any
// thread may sign.
class HmacSha256Key {
 public:
  // Null where hmac_sha256() would give nothing.
  static std::unique_ptr<const HmacSha256Key> make(std::string_view key);
  std::optional<Sha256Bytes> sign(std::string_view data) const;

 private:
  struct ContextDeleter {
    void operator()(evp_md_ctx_st* context) const;
  };
  using Context = std::unique_ptr<evp_md_ctx_st, ContextDeleter>;
  HmacSha256Key() = default;
  static Context after(std::span<const std::uint8_t> block);

  // The digests under the HMAC, each after its first block, which is of the key alone.
  Context inner_;
  Context outer_;
};
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
