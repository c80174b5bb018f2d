// Signatures held to those of two SDKs: tests/data/sign-vectors.json, recorded from oss2 2.18.4 and
// alibabacloud-oss-v2 1.4.1 with frozen clocks and invented keys. Where the two agree, that is the
// target; where they do not, each vector below says whom we follow.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "auth/presign.h"
#include "auth/signature_choice.h"
#include "auth/signer.h"
#include "protocol/ascii.h"
#include "protocol/percent.h"

namespace ossmc {
namespace {

using Json = nlohmann::json;
using Headers = std::map<std::string, std::string>;

constexpr const char* kOss2 = "oss2";
constexpr const char* kV2 = "alibabacloud_oss_v2";
constexpr std::size_t kVectors = 131;

// Vectors on which the SDKs disagree, and the one that we agree with; null: we refuse.
const std::map<std::string, const char*> kDisagreements = {
    // The token goes in x-oss-security-token and is signed, as the documentation says; v2 sends it
    // unsigned.
    {"v1-head-sts", kOss2},
    {"v1-get-range-standard-sts", kOss2},
    {"v1-key-chinese", kOss2},
    {"v1-cloudbox-list-sts", kOss2},
    {"v1-list2-continuation-sts", kOss2},
    {"v1-api-head", kOss2},
    // The longer list of sub-resources.
    {"v1-get-process", kOss2},
    // Only headers that are there are signed.
    {"v4-additional-absent", kV2},
    // No region, no V4.
    {"v4-no-region", nullptr},
    // The SDKs send other queries; here oss2's goes to the signer.
    {"v1-api-list2-first", kOss2},
    {"v4-api-list2-first", kOss2},
    {"v1-api-list2-next", kOss2},
    {"v4-api-list2-next", kOss2},
};

const Json& document() {
  static const Json& loaded = *new Json([] {
    std::ifstream file(OSSMC_TEST_DATA "/sign-vectors.json");
    return Json::parse(file);
  }());
  return loaded;
}

std::string text_or_empty(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

// The query of a recorded URL, whose blanks oss2 writes as '+'.
std::vector<NameValue> query_of(const std::string& url) {
  std::vector<NameValue> query;
  std::string rest = url.substr(std::min(url.find('?'), url.size()));
  while (!rest.empty()) {
    rest.erase(0, 1);
    std::string item = rest.substr(0, rest.find('&'));
    rest.erase(0, item.size());
    std::replace(item.begin(), item.end(), '+', ' ');
    const std::size_t equals = std::min(item.find('='), item.size());
    query.push_back({percent_decode(item.substr(0, equals)).value(),
                     percent_decode(item.substr(std::min(equals + 1, item.size()))).value()});
  }
  return query;
}

// A vector's input in our words.
struct Input {
  std::string kind;
  StoreRequest request;
  SigningOptions options;
  Credentials credentials;
  Endpoint endpoint;
  Addressing addressing = Addressing::kVirtual;
  double unix_seconds = 0;
  std::uint32_t expires = 0;
};

// `sdk` matters for a list request of kind "api": each sends its own.
Input read_input(const Json& vector, const char* sdk) {
  const Json& in = vector.at("input");
  Input input;
  input.kind = in.at("kind");
  input.endpoint = parse_endpoint(in.at("endpoint").get<std::string>()).value();
  input.addressing = parse_addressing(in.at("address_style").get<std::string>()).value();
  if (default_addressing(input.endpoint) == Addressing::kPath) input.addressing = Addressing::kPath;
  input.unix_seconds = in.at("date").at("unix");
  input.expires = in.value("expires", 0u);

  input.options.version =
      in.at("signature_version") == "v1" ? SignatureVersion::kV1 : SignatureVersion::kV4;
  input.options.region = text_or_empty(in.at("region"));
  if (in.at("cloud_box_id").is_string()) {
    input.options.region = in.at("cloud_box_id");
    input.options.product = "oss-cloudbox";
  }
  if (in.at("additional_headers").is_array()) {
    input.options.additional_headers = in.at("additional_headers");
  }

  StoreRequest& request = input.request;
  request.method = in.at("method") == "HEAD" ? Method::kHead : Method::kGet;
  request.bucket = in.at("bucket");
  request.key = text_or_empty(in.at("key"));
  for (const Json& pair : in.at("query")) request.query.push_back({pair.at(0), pair.at(1)});
  for (const auto& [name, value] : in.at("headers").items()) {
    request.headers.push_back({name, value.get<std::string>()});
  }
  const std::string api = in.value("api", "");
  if (api == "get_range") {
    const std::uint64_t first = in.at("rng").at(0);
    const std::uint64_t last = in.at("rng").at(1);
    const StoreRequest ours =
        get_range_request({request.bucket, request.key}, {first, last + 1}, "");
    request.headers.insert(request.headers.end(), ours.headers.begin(), ours.headers.end());
  } else if (api == "object_meta") {
    request.query.push_back({"objectMeta", ""});
  } else if (api == "list2") {
    request.query = query_of(vector.at("expected").at(sdk).at("url"));
  }

  const Json& keys = in.at("credentials");
  input.credentials.anonymous = keys.is_null();
  if (!keys.is_null()) {
    input.credentials.access_key_id = keys.at("access_key_id");
    input.credentials.access_key_secret = keys.at("access_key_secret");
    input.credentials.security_token = keys.value("security_token", "");
  }
  return input;
}

Headers lower_names(const std::vector<NameValue>& headers) {
  Headers out;
  for (const auto& [name, value] : headers) out[to_ascii_lower(name)] = value;
  return out;
}

Headers lower_names(const Json& headers) {
  Headers out;
  for (const auto& [name, value] : headers.items()) out[to_ascii_lower(name)] = value;
  return out;
}

// The words of an Authorization header without their order and blanks, which are free (and oss2
// sorts the additional headers' names by their first letter alone).
std::multiset<std::string> authorization_words(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == ',' || c == ';' || c == '='; }, ' ');
  std::multiset<std::string> words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) words.insert(word);
  return words;
}

// A recorded URL in the form that we use of those that mean the same: '/' in paths and %20 are
// oss2's %2F and '+'; an empty value has no '='.
std::string comparable_url(const std::string& url) {
  std::string path = url.substr(0, url.find('?'));
  for (std::size_t at = path.find("%2F"); at != path.npos; at = path.find("%2F", at)) {
    path.replace(at, 3, "/");
  }
  char separator = '?';
  for (const auto& [name, value] : query_of(url)) {
    path += separator + percent_encode(name);
    if (!value.empty()) path += "=" + percent_encode(value);
    separator = '&';
  }
  return path;
}

void expect_texts(const Json& want, const Signer::Explained& got) {
  EXPECT_EQ(got.signature, want.at("signature").get<std::string>());
  EXPECT_EQ(got.string_to_sign, want.at("string_to_sign").get<std::string>());
  EXPECT_EQ(got.canonical_request, text_or_empty(want.value("canonical_request", Json())));
}

void check_presigned(const Json& want, const Input& input) {
  const Result<PresignedUrl> got =
      presign(input.endpoint, input.addressing, input.options, input.request, input.credentials,
              input.unix_seconds, input.expires);
  ASSERT_TRUE(got.is_ok()) << got.status().message();
  expect_texts(want, got->explained);
  const auto sorted = [](const std::string& url) {
    std::vector<NameValue> query = query_of(url);
    std::sort(query.begin(), query.end(), [](const NameValue& a, const NameValue& b) {
      return std::tie(a.name, a.value) < std::tie(b.name, b.value);
    });
    return std::pair(url.substr(0, url.find('?')), query);
  };
  // The parameters may come in any order.
  EXPECT_EQ(sorted(got->url), sorted(want.at("url").get<std::string>()));
}

// `all` holds both SDKs' results, `want` those of the one we follow.
void check_headers(const Json& all, const Json& want, const Input& input) {
  const Signer signer(input.options);
  StoreRequest request = input.request;
  const Status status = signer.sign(request, input.credentials, input.unix_seconds);
  ASSERT_TRUE(status.is_ok()) << status.message();
  Headers got = lower_names(request.headers);
  Headers expected = lower_names(want.at("headers"));
  if (!input.credentials.anonymous) {
    const Result<Signer::Explained> explained =
        signer.explain(input.request, input.credentials, input.unix_seconds);
    ASSERT_TRUE(explained.is_ok());
    expect_texts(want, *explained);
    EXPECT_EQ(authorization_words(got["authorization"]),
              authorization_words(expected["authorization"]));
    // Ours is v2's form, byte for byte where the signature is the same.
    const std::string of_v2 = text_or_empty(all.at(kV2).value("authorization", Json()));
    if (all.at(kV2).value("signature", "") == explained->signature) {
      EXPECT_EQ(got["authorization"], of_v2);
    }
    got.erase("authorization");
    expected.erase("authorization");
    // v2 sends a Date that V4 does not need.
    if (input.options.version == SignatureVersion::kV4) expected.erase("date");
  }
  EXPECT_EQ(got, expected);
  // v2's URL, save where v2 rewrites the key's dot segments or names the bucket before localhost:
  // oss2's then.
  const std::string url = request_url(input.endpoint, input.addressing, request);
  const std::string of_oss2 = comparable_url(all.at(kOss2).value("url", ""));
  if (url != comparable_url(all.at(kV2).value("url", ""))) {
    EXPECT_EQ(url, of_oss2);
  }
}

TEST(SignVectors, AllOfThem) {
  const Json& vectors = document().at("vectors");
  std::size_t seen = 0;
  std::size_t agreed = 0;
  std::set<std::string> disagreed;
  for (const Json& vector : vectors) {
    const std::string id = vector.at("id");
    SCOPED_TRACE(id);
    ++seen;
    const bool agree = vector.at("agree").at("signature");
    const char* sdk = kOss2;
    if (agree) {
      ++agreed;
    } else {
      const auto known = kDisagreements.find(id);
      ASSERT_NE(known, kDisagreements.end()) << "nothing says whom to follow";
      disagreed.insert(id);
      sdk = known->second;
    }
    if (sdk == nullptr) {
      const Input input = read_input(vector, kOss2);
      StoreRequest request = input.request;
      EXPECT_EQ(Signer(input.options).sign(request, input.credentials, input.unix_seconds).code(),
                StatusCode::kInvalidArgument);
      continue;
    }
    const Input input = read_input(vector, sdk);
    const Json& all = vector.at("expected");
    if (input.kind == "presign") {
      check_presigned(all.at(sdk), input);
    } else {
      check_headers(all, all.at(sdk), input);
      // Where the SDKs agree on the signature, both must be met.
      if (agree) check_headers(all, all.at(kV2), read_input(vector, kV2));
    }
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(seen, kVectors);
  EXPECT_EQ(document().at("count"), kVectors);
  EXPECT_EQ(disagreed.size(), kDisagreements.size());
  EXPECT_EQ(agreed + disagreed.size(), kVectors);
}

// The region that the vectors were signed with is the one that we read off their endpoints.
TEST(SignVectors, OurChoiceOfRegionIsTheirs) {
  std::size_t compared = 0;
  for (const Json& vector : document().at("vectors")) {
    SCOPED_TRACE(vector.at("id").get<std::string>());
    const Input input = read_input(vector, kOss2);
    if (!input.endpoint.is_aliyun() || input.options.region.empty()) continue;
    const bool accelerates = input.endpoint.host.starts_with("oss-accelerate");
    const Result<SigningOptions> chosen =
        choose_signature(input.endpoint, input.addressing,
                         accelerates ? input.options.region : std::string(), nullptr);
    ASSERT_TRUE(chosen.is_ok()) << chosen.status().message();
    EXPECT_EQ(chosen->region, input.options.region);
    EXPECT_EQ(chosen->product, input.options.product);
    ++compared;
  }
  EXPECT_GT(compared, 100u);
}

}  // namespace
}  // namespace ossmc
