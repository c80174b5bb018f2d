#include "auth/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace ossmc {

namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

template <typename Digest>
std::optional<Digest> hmac(const EVP_MD* algorithm, std::string_view key, std::string_view data) {
  Digest digest;
  unsigned size = 0;
  // A null key pointer would mean "the same key as before".
  const char empty = 0;
  const void* key_data = key.empty() ? &empty : key.data();
  if (HMAC(algorithm, key_data, static_cast<int>(key.size()), bytes_of(data), data.size(),
           digest.data(), &size) == nullptr ||
      size != digest.size()) {
    return std::nullopt;
  }
  return digest;
}

}  // namespace

std::optional<Sha256Bytes> sha256(std::string_view data) {
  Sha256Bytes digest;
  unsigned size = 0;
  if (EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1 ||
      size != digest.size()) {
    return std::nullopt;
  }
  return digest;
}

std::optional<Sha256Bytes> hmac_sha256(std::string_view key, std::string_view data) {
  return hmac<Sha256Bytes>(EVP_sha256(), key, data);
}

std::optional<Sha1Bytes> hmac_sha1(std::string_view key, std::string_view data) {
  return hmac<Sha1Bytes>(EVP_sha1(), key, data);
}

void release_thread_state() { OPENSSL_thread_stop(); }

std::string hex_lower(std::span<const std::uint8_t> bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 0xF]);
  }
  return out;
}

std::string base64_encode(std::span<const std::uint8_t> bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // one more: OpenSSL ends it with a NUL
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes.data(),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

}  // namespace ossmc
