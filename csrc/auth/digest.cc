#include "auth/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace ossmc {

namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

constexpr std::size_t kBlockBytes = 64;  // of SHA-256

// Looked up once: by name it costs as much as the digest of a short text. As old as the process.
const EVP_MD* sha256_algorithm() {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  static const EVP_MD* const kFetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kFetched;
#else
  return EVP_sha256();
#endif
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
  if (sha256_algorithm() == nullptr ||
      EVP_Digest(data.data(), data.size(), digest.data(), &size, sha256_algorithm(), nullptr) !=
          1 ||
      size != digest.size()) {
    return std::nullopt;
  }
  return digest;
}

void HmacSha256Key::ContextDeleter::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

HmacSha256Key::Context HmacSha256Key::after(std::span<const std::uint8_t> block) {
  Context context(EVP_MD_CTX_new());
  if (context == nullptr || sha256_algorithm() == nullptr ||
      EVP_DigestInit_ex(context.get(), sha256_algorithm(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), block.data(), block.size()) != 1)
    return nullptr;
  return context;
}

// RFC 2104: H(key ^ opad, H(key ^ ipad, text)).
std::unique_ptr<const HmacSha256Key> HmacSha256Key::make(std::string_view key) {
  std::array<std::uint8_t, kBlockBytes> inner;
  std::array<std::uint8_t, kBlockBytes> outer;
  inner.fill(0x36);
  outer.fill(0x5C);
  std::optional<Sha256Bytes> shortened;
  if (key.size() > kBlockBytes) {
    shortened = sha256(key);
    if (!shortened) return nullptr;
    key = as_text(*shortened);
  }
  for (std::size_t i = 0; i < key.size(); ++i) {
    inner[i] ^= static_cast<std::uint8_t>(key[i]);
    outer[i] ^= static_cast<std::uint8_t>(key[i]);
  }
  std::unique_ptr<HmacSha256Key> made(new HmacSha256Key());
  made->inner_ = after(inner);
  made->outer_ = after(outer);
  OPENSSL_cleanse(inner.data(), inner.size());
  OPENSSL_cleanse(outer.data(), outer.size());
  if (made->inner_ == nullptr || made->outer_ == nullptr) return nullptr;
  return made;
}

std::optional<Sha256Bytes> HmacSha256Key::sign(std::string_view data) const {
  Sha256Bytes digest;
  const Context context(EVP_MD_CTX_new());
  const bool is_good = context != nullptr && EVP_MD_CTX_copy_ex(context.get(), inner_.get()) == 1 &&
                       EVP_DigestUpdate(context.get(), data.data(), data.size()) == 1 &&
                       EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1 &&
                       EVP_MD_CTX_copy_ex(context.get(), outer_.get()) == 1 &&
                       EVP_DigestUpdate(context.get(), digest.data(), digest.size()) == 1 &&
                       EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1;
  return is_good ? std::optional(digest) : std::nullopt;
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
