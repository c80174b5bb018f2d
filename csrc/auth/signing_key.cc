#include "auth/signing_key.h"

#include <algorithm>
#include <optional>

#include "protocol/ascii.h"

namespace ossmc {

namespace {

Status no_digest() {
  return Status(StatusCode::kInternal, "OpenSSL refused to compute a signature's digest");
}

Status unusable(std::string_view what, std::string_view why) {
  return Status(StatusCode::kCredentials,
                "the credentials' " + std::string(what) + " " + std::string(why));
}

bool has_control_or_edge_blank(std::string_view text) {
  return text != trim_blanks(text) || std::any_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
         });
}

}  // namespace

Status check_can_sign(const Credentials& credentials) {
  constexpr std::string_view kStray = "has a line end, a control character or a blank at an end";
  if (credentials.access_key_id.empty()) return unusable("access key id", "is empty");
  if (credentials.access_key_secret.empty()) return unusable("access key secret", "is empty");
  if (has_control_or_edge_blank(credentials.access_key_id))
    return unusable("access key id", kStray);
  if (has_control_or_edge_blank(credentials.access_key_secret)) {
    return unusable("access key secret", kStray);
  }
  if (has_control_or_edge_blank(credentials.security_token)) {
    return unusable("security token", kStray);
  }
  return Status::ok();
}

Result<std::string> sign_v1(std::string_view secret, std::string_view string_to_sign) {
  const auto digest = hmac_sha1(secret, string_to_sign);
  if (!digest) return no_digest();
  return base64_encode(*digest);
}

Result<std::shared_ptr<const HmacSha256Key>> derive_key_v4(std::string_view secret,
                                                           std::string_view day,
                                                           std::string_view region,
                                                           std::string_view product) {
  std::optional<Sha256Bytes> key = hmac_sha256("aliyun_v4" + std::string(secret), day);
  for (const std::string_view part : {region, product, std::string_view("aliyun_v4_request")}) {
    if (key) key = hmac_sha256(as_text(*key), part);
  }
  std::shared_ptr<const HmacSha256Key> made;
  if (key) made = HmacSha256Key::make(as_text(*key));
  if (made == nullptr) return no_digest();
  return made;
}

Result<std::string> string_to_sign_v4(std::string_view iso_date, std::string_view scope,
                                      std::string_view canonical_request) {
  const auto digest = sha256(canonical_request);
  if (!digest) return no_digest();
  std::string text = "OSS4-HMAC-SHA256\n";
  text += iso_date;
  text += '\n';
  text += scope;
  text += '\n';
  return text += hex_lower(*digest);
}

Result<std::string> sign_v4(const HmacSha256Key& key, std::string_view string_to_sign) {
  const auto digest = key.sign(string_to_sign);
  if (!digest) return no_digest();
  return hex_lower(*digest);
}

}  // namespace ossmc
