// Whatever a user, or a program for him, gives as the name of an object, as an endpoint or as a
// part of one; and what names are taken apart with.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "protocol/aliyun_host.h"
#include "protocol/ascii.h"
#include "protocol/endpoint.h"
#include "protocol/object_name.h"
#include "protocol/percent.h"
#include "protocol/region.h"
#include "require.h"

namespace {

void check_refusal(const ossmc::Status& status) {
  require(status.code() == ossmc::StatusCode::kInvalidArgument, "a refusal is kInvalidArgument");
  require(is_one_line(status.message()), "an error text is one line");
  require(status.message().size() < 8192, "an error text is short");
}

void check_uri(std::string_view text) {
  const auto name = ossmc::parse_object_uri(text);
  if (!name.is_ok()) return check_refusal(name.status());
  require(ossmc::check_bucket_name(name->bucket).is_ok(), "a bucket's name is one");
  require(!name->key.empty() && name->key.size() <= 1023 && ossmc::is_utf8(name->key),
          "a key is UTF-8 of 1 to 1,023 bytes");
  require(ossmc::check_list_prefix(name->key).is_ok(), "a key is a prefix too");
  const auto again = ossmc::parse_object_uri(name->uri());
  require(again.is_ok() && *again == *name, "a name's URI means the name");
}

void check_endpoint(std::string_view text) {
  const auto endpoint = ossmc::parse_endpoint(text);
  if (!endpoint.is_ok()) return check_refusal(endpoint.status());
  const auto again = ossmc::parse_endpoint(endpoint->text());
  require(again.is_ok() && again->text() == endpoint->text(), "an endpoint's text means it");
  const auto addressing = ossmc::default_addressing(*endpoint);
  require(!endpoint->is_ip || addressing == ossmc::Addressing::kPath,
          "no bucket stands before an IP address");
  const std::string first = endpoint->host.substr(0, endpoint->host.find('.'));
  for (const std::string_view bucket : {std::string_view(first), std::string_view("models")}) {
    const auto status = ossmc::check_endpoint_for_bucket(*endpoint, addressing, bucket);
    if (!status.is_ok()) check_refusal(status);
  }
}

// Hosts come from servers too: in an error's Endpoint.
void check_host(std::string_view text) {
  const auto host = ossmc::read_aliyun_host(text);
  if (host && host->region) {
    require(ossmc::region_id(*host->region) == host->region, "a region's id is one");
  }
  if (host && host->cloud_box) require(host->cloud_box->starts_with("cb-"), "a box is called so");
  if (host && !host->endpoint.empty()) {
    const std::string whole = (host->bucket.empty() ? "" : host->bucket + ".") + host->endpoint;
    const auto again = ossmc::read_aliyun_host(whole);
    require(again && again->bucket == host->bucket, "two halves are the whole");
  }
  for (const auto& given : {ossmc::normalize_region(text), ossmc::normalize_oss_region(text)}) {
    if (!given.is_ok()) check_refusal(given.status());
  }
  const auto likely = ossmc::likely_region(text);
  require(!likely || ossmc::region_id(*likely) == likely, "what is likely meant is an id");
  const auto addressing = ossmc::parse_addressing(text);
  require(!addressing || text.size() <= 7, "three words are addressing styles");
}

void check_text(std::string_view text) {
  const std::string shown = ossmc::printable(text);
  require(is_one_line(shown) && ossmc::is_utf8(shown), "what is shown is one line of UTF-8");
  for (const std::string& encoded :
       {ossmc::percent_encode(text), ossmc::percent_encode_path(text)}) {
    require(ossmc::percent_decode(encoded) == text, "percent-encoding can be taken back");
  }
  const auto decoded = ossmc::percent_decode(text);
  require(!decoded || decoded->size() <= text.size(), "decoding makes nothing longer");
  const std::string collapsed = ossmc::collapse_blanks(text);
  require(collapsed.find("  ") == std::string::npos, "no two blanks in a row");
  require(ossmc::equal_ignoring_case(text, ossmc::to_ascii_lower(text)), "case is ignored");
  // Every character of a text in UTF-8, written again, gives the text.
  std::string again;
  for (std::string_view rest = ossmc::is_utf8(text) ? text : ""; !rest.empty();) {
    const auto [size, point] = ossmc::decode_utf8_sequence(rest);
    char bytes[4];
    again.append(bytes, ossmc::encode_utf8(point, bytes));
    rest.remove_prefix(size);
  }
  require(again.empty() || again == text, "UTF-8 has one form");
  const auto number = ossmc::parse_decimal(text);
  require(!number || text.ends_with(std::to_string(*number)), "a number is what is written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_uri(text);
  check_endpoint(text);
  check_host(text);
  check_text(text);
  return 0;
}
