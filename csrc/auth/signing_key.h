// The two signatures over their texts: what Signer (headers) and presigned URLs share.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "auth/credentials.h"
#include "auth/digest.h"
#include "base/status.h"

namespace ossmc {

// Can these sign at all? kCredentials: no key, or characters that cannot stand in a header (a line
// end from a file is the usual one). Names no secret.
Status check_can_sign(const Credentials& credentials);

// Base64 of the HMAC-SHA1.
Result<std::string> sign_v1(std::string_view secret, std::string_view string_to_sign);

// The key of one day, region and product, three HMACs away from the secret. `day` is YYYYMMDD.
Result<std::shared_ptr<const HmacSha256Key>> derive_key_v4(std::string_view secret,
                                                           std::string_view day,
                                                           std::string_view region,
                                                           std::string_view product);
Result<std::string> string_to_sign_v4(std::string_view iso_date, std::string_view scope,
                                      std::string_view canonical_request);
// Hex of the HMAC-SHA256.
Result<std::string> sign_v4(const HmacSha256Key& key, std::string_view string_to_sign);

}  // namespace ossmc
