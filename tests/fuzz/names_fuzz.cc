// Whatever a user, or a program for him, gives as the name of an object or as an endpoint.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "protocol/endpoint.h"
#include "protocol/object_name.h"
#include "protocol/percent.h"
#include "require.h"

namespace {

void check_refusal(const ossmc::Status& status) {
  require(status.code() == ossmc::StatusCode::kInvalidArgument, "a refusal is kInvalidArgument");
  require(is_one_line(status.message()), "an error text is one line");
  require(status.message().size() < 8192, "an error text is short");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto name = ossmc::parse_object_uri(text);
  if (name.is_ok()) {
    require(ossmc::check_bucket_name(name->bucket).is_ok(), "a bucket's name is one");
    require(!name->key.empty() && name->key.size() <= 1023 && ossmc::is_utf8(name->key),
            "a key is UTF-8 of 1 to 1,023 bytes");
    const auto again = ossmc::parse_object_uri(name->uri());
    require(again.is_ok() && *again == *name, "a name's URI means the name");
  } else {
    check_refusal(name.status());
  }

  const auto endpoint = ossmc::parse_endpoint(text);
  if (endpoint.is_ok()) {
    const auto again = ossmc::parse_endpoint(endpoint->text());
    require(again.is_ok() && again->text() == endpoint->text(), "an endpoint's text means it");
    const auto region = ossmc::region_from_host(endpoint->host);
    if (region) require(ossmc::normalize_region(*region).is_ok(), "a region is one");
  } else {
    check_refusal(endpoint.status());
  }

  const std::string shown = ossmc::printable(text);
  require(is_one_line(shown) && ossmc::is_utf8(shown), "what is shown is one line of UTF-8");
  const auto decoded = ossmc::percent_decode(ossmc::percent_encode(text));
  require(decoded && *decoded == text, "percent-encoding can be taken back");
  return 0;
}
