// Whatever bytes a server sends as a page of a listing: read or refused, and kept as they are.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "listing/object_columns.h"
#include "listing/page_check.h"
#include "protocol/list_reply.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto page = ossmc::parse_list_page(std::string(bytes));
  const auto again = ossmc::parse_list_page(std::string(bytes));
  require(page.is_ok() == again.is_ok(), "the same outcome twice");
  if (!page.is_ok()) {
    require(page.status().code() == ossmc::StatusCode::kProtocol, "a refusal is kProtocol");
    require(page.status().message().size() < 4096, "an error text is short");
    return 0;
  }
  require(page->objects.size() <= 65'536, "the objects of a page are bounded");
  ossmc::ObjectColumns columns;
  std::string_view previous;
  for (const ossmc::ListedObject& object : page->objects) {
    require(!object.key.empty() && ossmc::is_utf8(object.key), "a key is UTF-8");
    require(object.size <= static_cast<std::uint64_t>(INT64_MAX), "a size fits");
    columns.append(object);
    // What every lister asks of a page besides.
    const auto size_verdict = ossmc::check_size(object);
    const auto key_verdict = ossmc::check_key(object.key, "a", previous);
    const auto order_verdict = ossmc::check_order(object.key, previous);
    for (const auto& verdict : {size_verdict, key_verdict, order_verdict}) {
      require(verdict.is_ok() || verdict.code() == ossmc::StatusCode::kProtocol,
              "a refusal is kProtocol");
    }
    require(!order_verdict.is_ok() || object.key > previous, "keys have an order");
    previous = object.key;
  }
  require(columns.size() == page->objects.size(), "a row for each object");
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const ossmc::ListedObject& object = page->objects[i];
    require(columns.key(i) == object.key, "the key comes back");
    require(columns.object_size(i) == object.size, "the size comes back");
    require(columns.etag(i) == object.etag, "the ETag comes back");
    require(columns.storage_class(i) == object.storage_class, "the class comes back");
  }
  return 0;
}
