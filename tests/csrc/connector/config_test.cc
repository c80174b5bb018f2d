#include "connector/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "connector/config_table.h"

namespace ossmc {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGiB = 1 << 30;

MachineFacts machine() { return {16}; }

Result<Config> parse_file(std::string_view text) {
  return parse_config(text, "/etc/c.json", "", machine(), nullptr);
}

Config good(std::string_view text) {
  Result<Config> config = parse_file(text);
  EXPECT_TRUE(config.is_ok()) << text << ": " << config.status().message();
  return config.is_ok() ? *config : Config();
}

std::string error_of(const Result<Config>& config) {
  EXPECT_FALSE(config.is_ok());
  EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument);
  return config.status().message();
}

std::string bad(std::string_view text) {
  SCOPED_TRACE(text);
  return error_of(parse_file(text));
}

TEST(Config, DefaultsAreThoseOfTheDocumentation) {
  const Result<Config> parsed = parse_config("", "", "", machine(), nullptr);
  ASSERT_TRUE(parsed.is_ok());
  const Config& config = *parsed;
  EXPECT_EQ(config.log_level, LogLevel::kInfo);
  EXPECT_EQ(config.log_path, "");
  EXPECT_EQ(config.audit_path, "");
  EXPECT_EQ(config.prefetch_vcpus, 4);
  EXPECT_EQ(config.prefetch_workers, std::nullopt);
  EXPECT_FALSE(config.prefetch_chunk_size.has_value()) << "auto";
  EXPECT_EQ(config.prefetch_memory_bytes, std::nullopt) << "the process's shared budget";
  EXPECT_EQ(config.transfer_most_bytes_per_second, 0U) << "no limit";
  EXPECT_EQ(config.fast_list_vcpus, 1);
  EXPECT_EQ(config.fast_list_workers, 16);
  EXPECT_EQ(config.connect_timeout, std::chrono::seconds(5));
  EXPECT_EQ(config.stall_timeout, std::chrono::seconds(15));
  EXPECT_EQ(config.read_timeout, std::chrono::seconds(180));
  EXPECT_EQ(config.retry_max_attempts, 6);
  EXPECT_TRUE(config.verify_crc64);
  EXPECT_EQ(config.tls_ca_file, "");
  EXPECT_EQ(config.tls_ca_path, "");
  EXPECT_EQ(config.proxy, std::nullopt);
  EXPECT_EQ(config.user_agent, "");
  EXPECT_TRUE(config.headers.empty());
  EXPECT_EQ(config.addressing, std::nullopt);
}

TEST(Config, TakesEveryKey) {
  const Config config = good(R"({
    "logLevel": 3, "logPath": "/l", "auditPath": "/a",
    "prefetch": {"vcpus": 64, "workers": 256, "chunkBytes": "1 MiB", "memoryBytes": 4194304},
    "transfer": {"maxBytesPerSecond": "100 MiB"}, "fastList": {"vcpus": 16, "workers": 1024},
    "timeout": {"connectSeconds": 0.1, "stallSeconds": 2.5, "readSeconds": 86400},
    "retry": {"maxAttempts": 100}, "verify": {"crc64": false},
    "tls": {"caFile": "/f", "caPath": "/p"}, "proxy": "http://p:8080", "userAgent": "job/7",
    "headers": {"x-oss-request-payer": "requester"}, "addressing": "cname"})");
  EXPECT_EQ(config.log_level, LogLevel::kError);
  EXPECT_EQ(config.log_path, "/l");
  EXPECT_EQ(config.audit_path, "/a");
  EXPECT_EQ(config.prefetch_vcpus, 64);
  EXPECT_EQ(config.prefetch_workers, 256);
  EXPECT_EQ(config.chunk_bytes(kGiB), kMiB);
  EXPECT_EQ(config.prefetch_memory_bytes, 4 * kMiB);
  EXPECT_EQ(config.transfer_most_bytes_per_second, 100 * kMiB);
  EXPECT_EQ(config.fast_list_vcpus, 16);
  EXPECT_EQ(config.fast_list_workers, 1024);
  EXPECT_EQ(config.connect_timeout, std::chrono::milliseconds(100));
  EXPECT_EQ(config.stall_timeout, std::chrono::milliseconds(2500));
  EXPECT_EQ(config.read_timeout, std::chrono::hours(24));
  EXPECT_EQ(config.retry_max_attempts, 100);
  EXPECT_FALSE(config.verify_crc64);
  EXPECT_EQ(config.tls_ca_file, "/f");
  EXPECT_EQ(config.tls_ca_path, "/p");
  EXPECT_EQ(config.proxy, "http://p:8080");
  EXPECT_EQ(config.user_agent, "job/7");
  EXPECT_EQ(config.headers, (std::vector<NameValue>{{"x-oss-request-payer", "requester"}}));
  EXPECT_EQ(config.addressing, Addressing::kCname);
}

TEST(Config, DottedKeysMeanTheSameAsNestedOnes) {
  EXPECT_EQ(good(R"({"prefetch.vcpus": 3})").prefetch_vcpus, 3);
  const Config mixed =
      good(R"({"prefetch": {"vcpus": 3}, "prefetch.workers": 9, "headers.x.y": "v"})");
  EXPECT_EQ(mixed.prefetch_vcpus, 3);
  EXPECT_EQ(mixed.prefetch_workers, 9);
  EXPECT_EQ(mixed.headers, (std::vector<NameValue>{{"x.y", "v"}}));
}

TEST(Config, OneKeyInBothFormsIsRefused) {
  EXPECT_THAT(bad(R"({"prefetch": {"vcpus": 3}, "prefetch.vcpus": 3})"),
              AllOf(HasSubstr("/etc/c.json"), HasSubstr("prefetch.vcpus"), HasSubstr("twice")));
}

TEST(Config, KeysGivenTwiceAreRefused) {
  EXPECT_THAT(bad(R"({"logLevel": 1, "logLevel": 1})"),
              AllOf(HasSubstr("logLevel"), HasSubstr("twice")));
  EXPECT_THAT(bad(R"({"prefetch": {"vcpus": 1}, "prefetch": {"workers": 1}})"),
              HasSubstr("prefetch is there twice"));
  EXPECT_THAT(bad(R"({"headers": {"X-A": "1", "x-a": "2"}})"),
              HasSubstr("headers.x-a is there twice"));
  EXPECT_THAT(bad(R"({"headers": {"x-a": "1"}, "headers.x-a": "2"})"), HasSubstr("twice"));
}

TEST(Config, OverridesWinLeafByLeaf) {
  const Result<Config> config = parse_config(
      R"({"prefetch": {"vcpus": 2, "workers": 5}, "headers": {"x-a": "1", "X-B": "1"}})", "f.json",
      R"({"prefetch": {"workers": "auto"}, "headers": {"x-b": "2"}})", machine(), nullptr);
  ASSERT_TRUE(config.is_ok()) << config.status().message();
  EXPECT_EQ((*config).prefetch_vcpus, 2);
  EXPECT_EQ((*config).prefetch_workers, std::nullopt);
  EXPECT_EQ((*config).headers, (std::vector<NameValue>{{"x-a", "1"}, {"x-b", "2"}}));
}

TEST(Config, ErrorsNameThePlaceOfTheBadValue) {
  EXPECT_THAT(error_of(parse_config("{}", "f.json", R"({"logLevel": 7})", machine(), nullptr)),
              AllOf(HasSubstr("config=: logLevel"), Not(HasSubstr("f.json"))));
  // A bad value in the file is an error also where an override hides it.
  EXPECT_THAT(error_of(parse_config(R"({"logLevel": 7})", "f.json", R"({"logLevel": 1})", machine(),
                                    nullptr)),
              HasSubstr("f.json: logLevel"));
}

TEST(Config, UnknownKeysNameTheNearest) {
  const struct {
    const char* text;
    const char* unknown;
    const char* nearest;
  } cases[] = {
      {R"({"prefetch": {"vcpu": 1}})", "prefetch.vcpu", "prefetch.vcpus"},
      {R"({"prefetch": {"chunk_bytes": 1}})", "prefetch.chunk_bytes", "prefetch.chunkBytes"},
      {R"({"memoryBytes": 1})", "memoryBytes", "prefetch.memoryBytes"},
      {R"({"loglevel": 1})", "loglevel", "logLevel"},
      {R"({"timeout": {"raedSeconds": 1}})", "timeout.raedSeconds", "timeout.readSeconds"},
      {R"({"retries": {"maxAttempts": 1}})", "retries.maxAttempts", "retry.maxAttempts"},
      {R"({"fastlist.workers": 1})", "fastlist.workers", "fastList.workers"},
      {R"({"prefetch": {"vcpus": {"x": 1}}})", "prefetch.vcpus.x", "prefetch.vcpus"},
      {R"({"prefetchh": {}})", "prefetchh", "prefetch."},
      {R"({"": 1})", "unknown key", ""},
  };
  for (const auto& one : cases) {
    EXPECT_THAT(bad(one.text),
                AllOf(HasSubstr("/etc/c.json"), HasSubstr(one.unknown), HasSubstr(one.nearest)));
  }
}

TEST(Config, WrongTypesAreRefused) {
  const struct {
    const char* text;
    const char* says;
  } cases[] = {
      {R"({"logLevel": true})", "logLevel must be a whole number, is a boolean"},
      {R"({"logLevel": "1"})", "logLevel must be a whole number, is a text"},
      {R"({"logLevel": 1.0})", "logLevel must be a whole number"},
      {R"({"logLevel": null})", "leave the key out"},
      {R"({"logLevel": [1]})", "is an array"},
      {R"({"logLevel": {}})", "is an object"},
      {R"({"prefetch": 5})", "prefetch must be an object"},
      {R"({"prefetch": {"vcpus": false}})", "prefetch.vcpus must be a whole number, is a boolean"},
      {R"({"prefetch": {"workers": true}})", "prefetch.workers must be a whole number or \"auto\""},
      {R"({"prefetch": {"workers": "many"}})", "\"many\""},
      {R"({"prefetch": {"chunkBytes": true}})", "prefetch.chunkBytes must be"},
      {R"({"prefetch": {"chunkBytes": 1e6}})", "prefetch.chunkBytes must be"},
      {R"({"timeout": {"readSeconds": true}})",
       "timeout.readSeconds must be a number of seconds, is a boolean"},
      {R"({"timeout": {"readSeconds": "5"}})", "is a text"},
      {R"({"verify": {"crc64": 1}})", "verify.crc64 must be true or false, is a number"},
      {R"({"verify": {"crc64": "true"}})", "must be true or false"},
      {R"({"logPath": 5})", "logPath must be a text"},
      {R"({"proxy": false})", "proxy must be a text"},
      {R"({"addressing": "vhost"})", "\"path\", \"virtual\" or \"cname\""},
      {R"({"addressing": 1})", "\"path\", \"virtual\" or \"cname\""},
      {R"({"headers": ["x"]})", "headers must be an object"},
      {R"({"headers": {"x-a": 5}})", "headers.x-a must be a text, is a number"},
      {R"({"headers": {"x": {"y": "v"}}})", "headers.x.y must be a text, is an object"},
      {"[1]", "not a JSON object"},
      {"7", "not a JSON object"},
  };
  for (const auto& one : cases)
    EXPECT_THAT(bad(one.text), AllOf(HasSubstr("/etc/c.json"), HasSubstr(one.says)));
}

TEST(Config, ValuesOutOfRangeAreRefused) {
  const struct {
    const char* text;
    const char* says;
  } cases[] = {
      {R"({"logLevel": 4})", "logLevel must be 0 to 3, is 4"},
      {R"({"logLevel": -1})", "must be 0 to 3, is -1"},
      {R"({"logLevel": 4294967297})", "must be 0 to 3, is 4294967297"},
      {R"({"logLevel": 99999999999999999999})", "logLevel must be"},
      {R"({"prefetch.vcpus": 0})", "must be 1 to 64, is 0"},
      {R"({"prefetch.vcpus": 65})", "must be 1 to 64, is 65"},
      {R"({"prefetch.workers": 0})", "must be 1 to 256, is 0"},
      {R"({"prefetch.workers": 257})", "must be 1 to 256, is 257"},
      {R"({"prefetch.chunkBytes": 1023})", "must be 1 KiB to 1 GiB, is 1023"},
      {R"({"prefetch.chunkBytes": -1})", "must be 1 KiB to 1 GiB, is -1"},
      {R"({"prefetch.chunkBytes": "2 GiB"})", "must be 1 KiB to 1 GiB, is 2147483648"},
      {R"({"prefetch.memoryBytes": "16777216 TiB"})", "too large"},
      {R"({"transfer.maxBytesPerSecond": 65535})", "must be 0, or 64 KiB to 1 TiB, is 65535"},
      {R"({"transfer.maxBytesPerSecond": -1})", "must be 0, or 64 KiB to 1 TiB, is -1"},
      {R"({"transfer.maxBytesPerSecond": "2 TiB"})", "must be 0, or 64 KiB to 1 TiB"},
      {R"({"fastList.vcpus": 17})", "must be 1 to 16, is 17"},
      {R"({"fastList.workers": 1025})", "must be 1 to 1024, is 1025"},
      {R"({"timeout.connectSeconds": 0.09})", "must be 0.1 to 86400, is 0.09"},
      {R"({"timeout.stallSeconds": 86401})", "must be 0.1 to 86400, is 86401"},
      {R"({"timeout.readSeconds": -5})", "must be 0.1 to 86400, is -5"},
      {R"({"timeout.readSeconds": 1e300})", "must be 0.1 to 86400, is 1e+300"},
      {R"({"retry.maxAttempts": 0})", "must be 1 to 100, is 0"},
  };
  for (const auto& one : cases)
    EXPECT_THAT(bad(one.text), AllOf(HasSubstr("/etc/c.json"), HasSubstr(one.says)));
}

TEST(Config, TheEndsOfRangesAreTaken) {
  EXPECT_EQ(good(R"({"prefetch.chunkBytes": 1024})").chunk_bytes(kGiB), 1024u);
  EXPECT_EQ(good(R"({"prefetch.chunkBytes": "1 GiB"})").chunk_bytes(kMiB), kGiB);
  EXPECT_EQ(good(R"({"transfer.maxBytesPerSecond": 0})").transfer_most_bytes_per_second, 0U);
  EXPECT_EQ(good(R"({"transfer.maxBytesPerSecond": "64 KiB"})").transfer_most_bytes_per_second,
            65536U);
  EXPECT_EQ(good(R"({"prefetch.workers": 1})").prefetch_workers, 1);
  EXPECT_EQ(good(R"({"logLevel": 0})").log_level, LogLevel::kDebug);
  EXPECT_EQ(good(R"({"timeout.readSeconds": 1})").read_timeout, std::chrono::seconds(1));
}

TEST(Config, SizesAreWholeNumbersOrTextsWithBinaryUnits) {
  const auto size = [](const std::string& value) {
    return good(R"({"prefetch": {"memoryBytes": )" + value + "}}").prefetch_memory_bytes;
  };
  EXPECT_EQ(size("268435456"), 256 * kMiB);
  EXPECT_EQ(size(R"("256 MiB")"), 256 * kMiB);
  EXPECT_EQ(size(R"("256MiB")"), 256 * kMiB);
  EXPECT_EQ(size(R"("262144KiB")"), 256 * kMiB);
  EXPECT_EQ(size(R"("268435456 B")"), 256 * kMiB);
  EXPECT_EQ(size(R"("2 TiB")"), 2048 * kGiB);
  for (const char* text :
       {"256MB", "256M", "256 mib", "0.5 GiB", "1.5MiB", "256", "", " 256 MiB", "256  MiB",
        "256 MiB ", "+256 MiB", "-1 MiB", "0x10 MiB", "MiB", "256 MiB/s"}) {
    EXPECT_THAT(
        bad(R"({"prefetch": {"memoryBytes": ")" + std::string(text) + R"("}})"),
        AllOf(HasSubstr("prefetch.memoryBytes"), HasSubstr("MiB"), HasSubstr("/etc/c.json")))
        << text;
  }
}

TEST(Config, ChunksAreSmallerWhereTheBudgetIs) {
  const Config config = good(R"({"prefetch.chunkBytes": "auto"})");
  EXPECT_EQ(config.chunk_bytes(8 * kGiB), 4 * kMiB);
  EXPECT_EQ(config.chunk_bytes(128 * kMiB), 4 * kMiB);
  EXPECT_EQ(config.chunk_bytes(128 * kMiB - 1), 2 * kMiB);
  EXPECT_EQ(config.chunk_bytes(40 * kMiB), kMiB);
  EXPECT_EQ(config.chunk_bytes(4 * kMiB), kMiB);
  const Config given = good(R"({"prefetch.workers": 32})");
  EXPECT_EQ(given.chunk_bytes(8 * kGiB), 8 * kMiB) << "more requests cannot make up for small ones";
  EXPECT_EQ(given.chunk_bytes(128 * kMiB), 4 * kMiB);
  EXPECT_EQ(good(R"({"prefetch.memoryBytes": "256 MiB"})").chunk_bytes(256 * kMiB), 8 * kMiB);
  EXPECT_THAT(bad(R"({"prefetch.chunkBytes": "automatic"})"), HasSubstr("prefetch.chunkBytes"));
}

TEST(Config, MemoryHoldsAtLeastFourChunks) {
  EXPECT_EQ(good(R"({"prefetch.memoryBytes": 4194304})").prefetch_memory_bytes, 4 * kMiB);
  EXPECT_THAT(bad(R"({"prefetch.memoryBytes": 4194303})"),
              AllOf(HasSubstr("/etc/c.json: prefetch.memoryBytes"), HasSubstr("4194304"),
                    HasSubstr("4194303")));
  EXPECT_THAT(bad(R"({"prefetch.memoryBytes": 0})"), HasSubstr("at least 4 chunks"));
  // The override makes the file's value too small.
  EXPECT_THAT(error_of(parse_config(R"({"prefetch.memoryBytes": "64 MiB"})", "f.json",
                                    R"({"prefetch.chunkBytes": "32 MiB"})", machine(), nullptr)),
              AllOf(HasSubstr("config=: prefetch.memoryBytes"), HasSubstr("134217728"),
                    HasSubstr("67108864")));
}

TEST(Config, DefaultsFollowTheMachine) {
  MachineFacts two = machine();
  two.usable_cpus = 2;
  const Result<Config> config = parse_config("", "", "", two, nullptr);
  ASSERT_TRUE(config.is_ok());
  EXPECT_EQ((*config).prefetch_vcpus, 2);

  const MachineFacts here = read_machine_facts();
  EXPECT_GE(here.usable_cpus, 1);
  const Result<Config> real = parse_config("", "", "", nullptr);
  ASSERT_TRUE(real.is_ok());
}

TEST(Config, AutoKeepsAllWorkersTogetherAtMost256) {
  EXPECT_EQ(good("{}").workers_at_start(), 16);
  EXPECT_EQ(good("{}").workers_at_most(), 64);
  EXPECT_EQ(good(R"({"prefetch.vcpus": 64})").workers_at_most(), 4);
  EXPECT_EQ(good(R"({"prefetch.vcpus": 64})").workers_at_start(), 4);
  EXPECT_EQ(good(R"({"prefetch.vcpus": 1})").workers_at_most(), 256);
  // A number is taken as it is, whatever the product.
  const Config fixed = good(R"({"prefetch": {"vcpus": 64, "workers": 100}})");
  EXPECT_EQ(fixed.workers_at_start(), 100);
  EXPECT_EQ(fixed.workers_at_most(), 100);
}

TEST(Config, KeysOfTheClosedConnectorsAreIgnoredWithOneWarning) {
  std::vector<std::string> warnings;
  const Result<Config> config = parse_config(
      R"({"expireTimeSec": 120, "cachePolicy": {"a": {"b": [1, {"c": 2}]}}, "prefetch": {"vcpus": 3, "expireTimeSec": "x"},
          "datasetConfig": {"prefetchConcurrency": 24, "prefetchWorker": 2}, "checkpointConfig.uploadConcurrency": 64})",
      "f.json", R"({"cachePolicy": null})", machine(), &warnings);
  ASSERT_TRUE(config.is_ok()) << config.status().message();
  EXPECT_EQ((*config).prefetch_vcpus, 3);
  ASSERT_EQ(warnings.size(), 1u);
  for (const char* name : {"f.json: expireTimeSec", "f.json: cachePolicy",
                           "f.json: prefetch.expireTimeSec", "datasetConfig", "checkpointConfig"}) {
    EXPECT_THAT(warnings[0], HasSubstr(name));
  }
  EXPECT_THAT(warnings[0], HasSubstr("config=: cachePolicy"));

  warnings.clear();
  ASSERT_TRUE(parse_config("{}", "f.json", "{}", machine(), &warnings).is_ok());
  EXPECT_TRUE(warnings.empty());
}

TEST(Config, BrokenJsonTellsFileLineAndColumn) {
  EXPECT_THAT(
      bad("{\n  \"logLevel\": 1,\n  \"logPath\" \"x\"\n}"),
      AllOf(HasSubstr("/etc/c.json"), HasSubstr("line 3, column 15"), HasSubstr("not valid JSON")));
  EXPECT_THAT(bad(""), HasSubstr("line 1, column 1"));
  EXPECT_THAT(bad("{"), HasSubstr("line 1, column 2"));
  for (const char* text :
       {"{\"logLevel\": 1}}", "{\"logLevel\": NaN}", "{\"logLevel\": Infinity}",
        "{\"logLevel\": -Infinity}", "{\"timeout\": {\"readSeconds\": 1e999}}",
        "{\"logLevel\": 01}", "{'logLevel': 1}", "{\"logLevel\": 1,}", "// a comment\n{}",
        "{\"a\xff\": 1}", "\xff\xfe", "{\"logPath\": \"a\nb\"}"}) {
    EXPECT_THAT(bad(text), AllOf(HasSubstr("/etc/c.json, line "), HasSubstr("not valid JSON")))
        << text;
  }
  EXPECT_THAT(error_of(parse_config("", "", "{", machine(), nullptr)),
              HasSubstr("config=, line 1"));
  EXPECT_EQ(good("\xEF\xBB\xBF{\"logLevel\": 2}").log_level,
            LogLevel::kWarning);  // a byte order mark
}

TEST(Config, BrokenJsonDoesNotShowWhatItHolds) {
  EXPECT_THAT(bad("{\"proxy\": \"http://u:secret@h\xff\"}"), Not(HasSubstr("secret")));
  EXPECT_THAT(bad("{\"proxy\": \"http://u:secret@h"), Not(HasSubstr("secret")));
}

TEST(Config, HostileDocumentsEndInAnError) {
  EXPECT_THAT(bad(std::string(200'000, '[')), HasSubstr("/etc/c.json"));
  EXPECT_THAT(bad(std::string((1 << 20) + 1, ' ')), HasSubstr("1 MiB"));
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "{\"a\":";
  EXPECT_THAT(bad(deep), HasSubstr("nested deeper"));
  EXPECT_THAT(bad("{\"" + std::string(500'000, 'x') + "\": 1}"),
              AllOf(HasSubstr("unknown key"), testing::SizeIs(testing::Lt(1000u))));
  EXPECT_THAT(bad(std::string("{\"logPath\": \"a\\u0000b\"}")), HasSubstr("NUL"));
}

TEST(Config, HeadersThatWouldBreakRequestsAreRefused) {
  for (const char* name :
       {"Authorization", "authorization", "Host", "RANGE", "Date", "x-oss-security-token",
        "X-Oss-Date", "If-Match", "Accept-Encoding", "Content-Length", "Transfer-Encoding",
        "Connection", "User-Agent", "Proxy-Authorization", "x-oss-content-sha256"}) {
    EXPECT_THAT(bad(R"({"headers": {")" + std::string(name) + R"(": "v"}})"),
                AllOf(HasSubstr(name), HasSubstr("cannot be set")));
  }
  for (const char* name : {"a b", "a:b", "a\\r\\nb", "", "\xC3\xA4", "a\\u0000"}) {
    EXPECT_THAT(bad(R"({"headers": {")" + std::string(name) + R"(": "v"}})"),
                HasSubstr("is no name"))
        << name;
  }
  for (const char* value : {"a\\r\\nEvil: 1", "a\\nb", "a\\u0000b", "\xC3\xA4", "a\\u007f"}) {
    EXPECT_THAT(bad(R"({"headers": {"x-a": "secret)" + std::string(value) + R"("}})"),
                AllOf(HasSubstr("headers.x-a must be one line"), Not(HasSubstr("secret"))))
        << value;
  }
  EXPECT_THAT(bad(R"({"headers": {"x-a": ""}})"), HasSubstr("must not be empty"));
  EXPECT_THAT(bad(R"({"headers": {"x-a": " v"}})"), HasSubstr("blank"));
  EXPECT_EQ(good(R"({"headers": {}})").headers.size(), 0u);
}

TEST(Config, ProxyIsCheckedAndNeverShown) {
  for (const char* url : {"", "http://h", "h:8080", "https://u:p%40x@h:443/",
                          "socks5h://[::1]:1080", "HTTP://proxy.corp:3128"}) {
    EXPECT_EQ(good(R"({"proxy": ")" + std::string(url) + R"("})").proxy, url);
  }
  for (const char* url :
       {"ftp://u:secret@h", "http://u:secret@", "http://u:secret@h:0", "http://u:secret@h:99999",
        "http://u:secret@h:x", "http://u:secret@h/path", "http://u:secret@h?q",
        "http://u:secret@h h", "http://u:secret@h\\r\\n", "://secret", "http://u:secret@[::1",
        "http://u:secret@a\\u0000b"}) {
    EXPECT_THAT(bad(R"({"proxy": ")" + std::string(url) + R"("})"),
                AllOf(HasSubstr("proxy must be"), Not(HasSubstr("secret"))))
        << url;
  }
}

TEST(Config, UserAgentIsOneLine) {
  EXPECT_THAT(bad(R"({"userAgent": "a\r\nb"})"), HasSubstr("userAgent must be one line"));
  EXPECT_THAT(bad(R"({"userAgent": ")" + std::string(300, 'a') + R"("})"),
              HasSubstr("at most 256"));
}

TEST(ConfigKeys, TableSaysWhatTheParserDoes) {
  std::set<std::string> names;
  for (const ConfigKey& key : config_keys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_FALSE(key.type.empty()) << key.name;
    EXPECT_FALSE(key.default_text.empty()) << key.name;
    EXPECT_FALSE(key.meaning.empty()) << key.name;
    EXPECT_NE(find_config_row(key.name), nullptr);
  }
  EXPECT_EQ(names, (std::set<std::string>{"logLevel",
                                          "logPath",
                                          "auditPath",
                                          "prefetch.vcpus",
                                          "prefetch.workers",
                                          "prefetch.chunkBytes",
                                          "prefetch.memoryBytes",
                                          "transfer.maxBytesPerSecond",
                                          "fastList.vcpus",
                                          "fastList.workers",
                                          "timeout.connectSeconds",
                                          "timeout.stallSeconds",
                                          "timeout.readSeconds",
                                          "retry.maxAttempts",
                                          "verify.crc64",
                                          "tls.caFile",
                                          "tls.caPath",
                                          "proxy",
                                          "userAgent",
                                          "headers",
                                          "addressing"}));
  const auto find = [](std::string_view name) {
    for (const ConfigKey& key : config_keys()) {
      if (key.name == name) return key;
    }
    return ConfigKey();
  };
  EXPECT_EQ(find("prefetch.chunkBytes").default_text, "\"auto\"");
  EXPECT_EQ(find("prefetch.chunkBytes").range_text, "1 KiB to 1 GiB");
  EXPECT_EQ(find("timeout.readSeconds").default_text, "180");
  EXPECT_EQ(find("timeout.readSeconds").range_text, "0.1 to 86400");
  EXPECT_EQ(find("prefetch.workers").default_text, "\"auto\"");
  EXPECT_EQ(find("verify.crc64").default_text, "true");
  EXPECT_EQ(find("logLevel").default_text, "1");
  EXPECT_EQ(find("logPath").range_text, "");
}

}  // namespace
}  // namespace ossmc
