// What every page of a listing must be like, whoever asked for it.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "protocol/list_reply.h"

namespace ossmc {

// A key of a page, the one before it being `previous` (empty: none): not empty, inside `prefix`,
// and not the same once more. kProtocol with the offending key otherwise.
Status check_key(std::string_view key, std::string_view prefix, std::string_view previous);
// OSS gives keys in the order of their bytes, as unsigned; others may not: kProtocol.
Status check_order(std::string_view key, std::string_view previous);
// Its size is one that an object can have. kProtocol otherwise.
Status check_size(const ListedObject& object);

// kProtocol: a page that is not what a page must be.
inline Status broken_page(std::string text) {
  return Status(StatusCode::kProtocol, std::move(text));
}

}  // namespace ossmc
