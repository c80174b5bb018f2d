#include "bench/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "connector/config.h"

namespace ossmc::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

CommandLine parse(const std::vector<std::string>& words) {
  std::vector<const char*> argv{"ossmc_bench"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

// With an endpoint, which every workload needs.
CommandLine parse_for(const std::string& workload, std::vector<std::string> words) {
  words.insert(words.begin(), {workload, "--endpoint", "http://127.0.0.1:9000"});
  return parse(words);
}

void expect_refused(const CommandLine& line, const std::string& word) {
  EXPECT_FALSE(line.options.has_value());
  EXPECT_EQ(line.exit_code, kExitUsage);
  EXPECT_THAT(line.text, HasSubstr(word));
}

TEST(CommandLine, HelpOfEachWorkloadIsNoError) {
  for (const char* const workload : {"download", "first-byte", "small", "list"}) {
    const CommandLine line = parse({workload, "--help"});
    EXPECT_FALSE(line.options.has_value());
    EXPECT_EQ(line.exit_code, 0);
    EXPECT_THAT(line.text, HasSubstr("--endpoint"));
    EXPECT_THAT(line.text, HasSubstr("OSS_ACCESS_KEY_ID"));
  }
  EXPECT_THAT(parse({"--version"}).text, HasSubstr("ossmc_bench "));
}

TEST(CommandLine, NothingShowsTheHelpAsAnError) { expect_refused(parse({}), "download"); }

TEST(CommandLine, Defaults) {
  const CommandLine line = parse_for("download", {"oss://bucket/a", "oss://bucket/b"});
  ASSERT_TRUE(line.options.has_value()) << line.text;
  EXPECT_EQ(line.options->workload, Workload::kDownload);
  EXPECT_EQ(line.options->endpoint, "http://127.0.0.1:9000");
  EXPECT_THAT(line.options->objects, ElementsAre("oss://bucket/a", "oss://bucket/b"));
  EXPECT_EQ(line.options->into, Into::kDrop);
  EXPECT_EQ(line.options->passes, 5);
  EXPECT_EQ(line.options->warmup, 1);
  EXPECT_EQ(line.options->config_overrides, "");
  EXPECT_FALSE(line.options->progress.has_value());
}

TEST(CommandLine, SizesAreWrittenAsInTheConfiguration) {
  for (const char* const text : {"8MiB", "8 MiB", "8388608"}) {
    const CommandLine line =
        parse_for("download", {"oss://bucket/a", "--into", "buffer", "--read-size", text});
    ASSERT_TRUE(line.options.has_value()) << line.text;
    EXPECT_EQ(line.options->read_bytes, 8U << 20);
    EXPECT_EQ(line.options->into, Into::kBuffer);
  }
  expect_refused(parse_for("download", {"oss://bucket/a", "--read-size", "8 pounds"}),
                 "--read-size");
  expect_refused(parse_for("download", {"oss://bucket/a", "--read-size", "0"}), "--read-size");
}

TEST(CommandLine, OptionsOfTheConnectorGoToTheCore) {
  const CommandLine line =
      parse_for("download", {"oss://bucket/a", "--threads", "3", "--workers", "17", "--chunk-size",
                             "1MiB", "--memory", "64 MiB", "--ca-file", "a \"b\".pem", "--no-crc"});
  ASSERT_TRUE(line.options.has_value()) << line.text;
  std::vector<std::string> warnings;
  const Result<Config> config = parse_config("", "", line.options->config_overrides, &warnings);
  ASSERT_TRUE(config.is_ok()) << config.status().message();
  EXPECT_EQ(config->prefetch_vcpus, 3);
  EXPECT_EQ(config->prefetch_workers, 17);
  EXPECT_EQ(config->prefetch_chunk_size->bytes, 1U << 20);
  EXPECT_EQ(config->prefetch_memory_bytes, 64U << 20);
  EXPECT_EQ(config->tls_ca_file, "a \"b\".pem");
  EXPECT_FALSE(config->verify_crc64);
}

TEST(CommandLine, WorkersMayBeAutoAndTheCoreRefusesTheRest) {
  const auto config_of = [](const char* workers) {
    const CommandLine line = parse_for("download", {"oss://bucket/a", "--workers", workers});
    return parse_config("", "", line.options->config_overrides, nullptr);
  };
  ASSERT_TRUE(config_of("auto").is_ok());
  EXPECT_FALSE(config_of("auto")->prefetch_workers.has_value());
  for (const char* const wrong : {"many", "0", "-3", "007", "1.5"})
    EXPECT_EQ(config_of(wrong).status().code(), StatusCode::kInvalidArgument) << wrong;
}

TEST(CommandLine, SecondsInPlaceOfPasses) {
  const CommandLine line = parse_for("download", {"oss://bucket/a", "--seconds", "2.5"});
  ASSERT_TRUE(line.options.has_value()) << line.text;
  EXPECT_EQ(line.options->seconds, 2.5);
  EXPECT_EQ(line.options->warmup, 0);
  expect_refused(parse_for("download", {"oss://bucket/a", "--seconds", "3", "--passes", "2"}),
                 "excludes");
}

TEST(CommandLine, ListTakesAPlace) {
  const CommandLine line = parse_for("list", {"oss://bucket/some/prefix", "--fast"});
  ASSERT_TRUE(line.options.has_value()) << line.text;
  EXPECT_EQ(line.options->bucket, "bucket");
  EXPECT_EQ(line.options->prefix, "some/prefix");
  EXPECT_TRUE(line.options->fast);
  const CommandLine whole = parse_for("list", {"oss://bucket"});
  ASSERT_TRUE(whole.options.has_value()) << whole.text;
  EXPECT_EQ(whole.options->bucket, "bucket");
  EXPECT_EQ(whole.options->prefix, "");
  expect_refused(parse_for("list", {"bucket"}), "oss://bucket/prefix");
  expect_refused(parse_for("list", {"oss://bucket", "--bucket", "b"}), "--bucket");
  expect_refused(parse_for("list", {}), "--bucket");
}

TEST(CommandLine, KeysNeedTheirBucketAndListsNoNames) {
  expect_refused(parse_for("download", {}), "--bucket");
  expect_refused(parse_for("download", {"key"}), "--bucket");
  expect_refused(parse_for("download", {"--bucket", "b", "key", "--prefix", "p"}), "--prefix");
  EXPECT_TRUE(parse_for("download", {"--bucket", "b", "key"}).options.has_value());
  EXPECT_TRUE(parse_for("download", {"--bucket", "b", "--prefix", "p"}).options.has_value());
}

TEST(CommandLine, WrongOptionsAndValues) {
  expect_refused(parse_for("download", {"oss://bucket/a", "--secret", "x"}), "--secret");
  expect_refused(parse_for("download", {"oss://bucket/a", "--into", "hole"}), "--into");
  expect_refused(parse_for("download", {"oss://bucket/a", "--passes", "0"}), "--passes");
  expect_refused(parse_for("small", {"--bucket", "b", "--batch", "none"}), "--batch");
  expect_refused(parse_for("download", {"oss://bucket/a", "--anonymous", "--credentials", "file"}),
                 "--anonymous");
  expect_refused(parse({"upload"}), "upload");
}

}  // namespace
}  // namespace ossmc::bench
