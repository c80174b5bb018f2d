// Presigned URLs: the signature in the query, for callers without credentials. A presigned GET may
// still carry a Range. Source: Alibaba Cloud OSS API reference, "Add signatures to a URL" (V1) and
// "V4 signature in a URL".
#pragma once

#include <cstdint>
#include <string>

#include "auth/credentials.h"
#include "auth/signer.h"
#include "base/status.h"
#include "protocol/endpoint.h"
#include "protocol/store_request.h"

namespace ossmc {

struct PresignedUrl {
  std::string url;  // grants access until it expires: never log it
  Signer::Explained explained;
};

// `request.headers` that V4 signs must be sent with the URL. Good for `expires_seconds` from
// `unix_seconds` on; V4: at most 7 days. kInvalidArgument: beyond that, zero, V4 without a region,
// or anonymous credentials.
Result<PresignedUrl> presign(const Endpoint& endpoint, Addressing addressing,
                             const SigningOptions& options, StoreRequest request,
                             const Credentials& credentials, double unix_seconds,
                             std::uint32_t expires_seconds);

}  // namespace ossmc
