// What every page of a listing must be like, whoever asked for it.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "protocol/list_reply.h"

namespace ossmc {

// In what order a store gives keys: OSS does by their bytes, as unsigned; others may not.
enum class KeyOrder { kByteOrder, kAny };

// A key of a page, the one before it being `previous` (empty: none): not empty, inside `prefix`,
// and with kByteOrder behind `previous`. kProtocol with the offending key otherwise.
Status check_key(std::string_view key, std::string_view prefix, std::string_view previous,
                 KeyOrder order);
// Its size is one that an object can have. kProtocol otherwise.
Status check_size(const ListedObject& object);

// kProtocol: a page that is not what a page must be.
inline Status broken_page(std::string text) {
  return Status(StatusCode::kProtocol, std::move(text));
}

}  // namespace ossmc
