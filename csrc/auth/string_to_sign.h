// The texts that signatures V1 and V4 cover. Pure: no key, no clock.
// Source: Alibaba Cloud OSS API reference, "Include signatures in the Authorization header" (V1)
// and "V4 signature".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/store_request.h"

namespace ossmc {

// `date_line`: the value of x-oss-date if that header is there, else of Date; in a presigned URL,
// Expires.
std::string string_to_sign_v1(const StoreRequest& request, std::string_view date_line);

// Which of `wanted` (any case) V4 signs besides its own: those present and not signed anyway; lower
// case, sorted, once.
std::vector<std::string> additional_headers_v4(const StoreRequest& request,
                                               const std::vector<std::string>& wanted);
// `additional` as additional_headers_v4() gives it.
std::string canonical_request_v4(const StoreRequest& request,
                                 const std::vector<std::string>& additional);

// YYYYMMDD/region/product/aliyun_v4_request. `iso_date` is the value of x-oss-date.
std::string scope_v4(std::string_view iso_date, std::string_view region, std::string_view product);

// "a;b": the form in which both the canonical request and the Authorization header name headers.
std::string join_names(const std::vector<std::string>& names);

}  // namespace ossmc
