#include "protocol/object_name.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace ossmc {
namespace {

std::string key_or_error(std::string_view uri) {
  const Result<ObjectName> name = parse_object_uri(uri);
  return name.is_ok() ? name->key : "! " + name.status().message();
}

TEST(ObjectName, TheKeyIsTheRawTextAfterTheFirstSlash) {
  const Result<ObjectName> name = parse_object_uri("oss://my-bucket/dir/file.bin");
  ASSERT_TRUE(name.is_ok());
  EXPECT_EQ(name->bucket, "my-bucket");
  EXPECT_EQ(name->key, "dir/file.bin");
  EXPECT_EQ(name->uri(), "oss://my-bucket/dir/file.bin");
  EXPECT_EQ(key_or_error("oss://bkt/a?b#c"), "a?b#c");
  EXPECT_EQ(key_or_error("oss://bkt//abs"), "/abs");
  EXPECT_EQ(key_or_error("oss://bkt/%41"), "%41");
  EXPECT_EQ(key_or_error("oss://bkt/a/./../b"), "a/./../b");
  EXPECT_EQ(key_or_error("oss://bkt/a b\n+"), "a b\n+");
  EXPECT_EQ(key_or_error("oss://bkt/dir/"), "dir/");
  EXPECT_EQ(key_or_error("oss://bkt/\xE4\xBD\xA0\xF0\x9F\x98\x80"), "\xE4\xBD\xA0\xF0\x9F\x98\x80");
  EXPECT_EQ(key_or_error("oss://bkt/oss://x/y"), "oss://x/y");
}

TEST(ObjectName, KeysMayHave1023Bytes) {
  EXPECT_TRUE(parse_object_uri("oss://bkt/" + std::string(1023, 'k')).is_ok());
  EXPECT_FALSE(parse_object_uri("oss://bkt/" + std::string(1024, 'k')).is_ok());
  // Bytes, not characters: 341 x 3 = 1023.
  std::string wide;
  for (int i = 0; i < 341; ++i) wide += "\xE4\xBD\xA0";
  EXPECT_TRUE(check_object_key(wide).is_ok());
  EXPECT_FALSE(check_object_key(wide + "k").is_ok());
  EXPECT_TRUE(check_list_prefix(wide).is_ok());
  EXPECT_FALSE(check_list_prefix(wide + "k").is_ok());
  EXPECT_TRUE(check_list_prefix("").is_ok());
}

TEST(ObjectName, AVersionIdIsPrintableAscii) {
  for (const std::string& id : {std::string("null"), std::string("CAEQNhiBgMDJ+/gZCA0BYi=="),
                                std::string("a b~"), std::string(1000, 'v')})
    EXPECT_TRUE(check_version_id(id).is_ok()) << id;
  for (const std::string& id :
       {std::string(), std::string(1001, 'v'), std::string("a\nb"), std::string("a\0b", 3),
        std::string("\x7F"), std::string("v\xC3\xA4")}) {
    const Status status = check_version_id(id);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << id;
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
}

TEST(ObjectName, NamesOfTwoVersionsDiffer) {
  const ObjectName current{"bkt", "key"};
  const ObjectName version{"bkt", "key", "v1"};
  EXPECT_FALSE(current == version);
  EXPECT_EQ(version, (ObjectName{"bkt", "key", "v1"}));
  EXPECT_EQ(version.uri(), "oss://bkt/key");
  EXPECT_EQ(parse_object_uri("oss://bkt/key?versionId=v1")->version_id, "");
}

TEST(ObjectName, RefusesWithATextOfOneLine) {
  for (const char* uri : {
           "",
           "oss:",
           "oss:/bkt/key",
           "bkt/key",
           "OSS://bkt/key",
           "s3://bkt/key",
           " oss://bkt/key",
           "oss://",
           "oss:///key",
           "oss://bkt",
           "oss://bkt/",
           "oss://user@bkt/key",
           "oss://b_t/key",
           "oss://BKT/key",
           "oss://bkt\n/key",
           "oss://bkt/\xED\xA0\x80",  // a lone surrogate
           "oss://bkt/\xFF",
       }) {
    const Result<ObjectName> name = parse_object_uri(uri);
    ASSERT_FALSE(name.is_ok()) << uri;
    EXPECT_EQ(name.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(name.status().message().find('\n'), std::string::npos) << uri;
  }
}

TEST(ObjectName, ARefusalSaysWhatToWrite) {
  const std::pair<const char*, const char*> table[] = {
      {"oss://models.oss-cn-hangzhou.aliyuncs.com/qwen/w.bin", "\"oss://models/qwen/w.bin\""},
      {"oss://models.oss-cn-hangzhou.aliyuncs.com:80/qwen/w.bin", "\"oss://models/qwen/w.bin\""},
      {"oss://models.oss-cn-hangzhou.aliyuncs.com/qwen/w.bin", "endpoint"},
      {"oss://models.example.com/w.bin", "\"oss://models/w.bin\""},
      {"https://models.oss-cn-hangzhou.aliyuncs.com/a%20b?Expires=1", "\"oss://models/a b\""},
      {"https://models.oss-accelerate.aliyuncs.com/w.bin", "\"oss://models/w.bin\""},
      {"https://data.example.com/w.bin", "oss://bucket/key"},
      {"s3://models/qwen/w.bin", "\"oss://models/qwen/w.bin\""},
      {"OSS://models/qwen/w.bin", "\"oss://models/qwen/w.bin\""},
      {"oss:/models/qwen/w.bin", "\"oss://models/qwen/w.bin\""},
      {"models/qwen/w.bin", "\"oss://models/qwen/w.bin\""},
      {"/models/qwen/w.bin", "\"oss://models/qwen/w.bin\""},
      {"oss://Models/w.bin", "\"oss://models/w.bin\""},
      {"oss://bu/key", "3 to 63 characters"},
      {"oss://id:secret@models/w.bin", "cred_provider"},
      {"oss://models", "oss://bucket/key"},
      {"file:///models/w.bin", "oss://bucket/key"},
  };
  for (const auto& [uri, advice] : table) {
    const std::string text = key_or_error(uri);
    EXPECT_NE(text.find(advice), std::string::npos) << text;
    EXPECT_TRUE(text.starts_with("! ")) << text;
  }
}

TEST(ObjectName, NoRefusalRepeatsASecret) {
  for (const char* uri : {
           "oss://id:hunter2@models.oss-cn-hangzhou.aliyuncs.com/key",
           "oss://id:hun/ter2@models/key",
           "id:hunter2@models/key",
           "oss://id%3Ahunter2%40models/key",
           "https://models.oss-cn-hangzhou.aliyuncs.com/k?Expires=1&Signature=hunter2",
           "https://models.oss-cn-hangzhou.aliyuncs.com/k?anything=hunter2",
           "s3://models/k?x-oss-signature=hunter2",
           "oss://models?security-token=hunter2",
           "oss://BAD/k?security-token=hunter2",
           "k?hunter2",
       }) {
    const std::string text = key_or_error(uri);
    EXPECT_TRUE(text.starts_with("! ")) << text;
    EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
    EXPECT_EQ(text.find("ter2"), std::string::npos) << text;
  }
  EXPECT_EQ(check_bucket_name("id:hunter2@models").message().find("hunter2"), std::string::npos);
  const std::string long_key = "oss://bkt/k?Signature=hunter2" + std::string(1100, 'k');
  EXPECT_EQ(key_or_error(long_key).find("hunter2"), std::string::npos);
}

TEST(ObjectName, BucketNames) {
  for (const char* name : {"abc", "a-b", "123", "a--b", "xn--abc"}) {
    EXPECT_TRUE(check_bucket_name(name).is_ok()) << name;
  }
  EXPECT_TRUE(check_bucket_name(std::string(63, 'b')).is_ok());
  EXPECT_FALSE(check_bucket_name(std::string(64, 'b')).is_ok());
  for (const char* name :
       {"", "ab", "-abc", "abc-", "aBc", "a.b", "a_b", "a/b", "a b", "bc\xC3\xA4"}) {
    EXPECT_FALSE(check_bucket_name(name).is_ok()) << name;
  }
}

TEST(Printable, EscapesWhatBreaksALine) {
  EXPECT_EQ(printable("plain \"text\" \xE4\xBD\xA0"), "plain \"text\" \xE4\xBD\xA0");
  EXPECT_EQ(printable("a\nb\rc\td"), "a\\nb\\rc\\td");
  EXPECT_EQ(printable(std::string_view("\0\x1B[31m\x7F", 7)), "\\x00\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\xFF\xED\xA0\x80"), "\\xff\\xed\\xa0\\x80");
  EXPECT_EQ(printable("\xC2\x85|\xE2\x80\xA8"), "\\u0085|\\u2028");
}

TEST(Printable, ShortensBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdefg", 6), "abcdef...");
  EXPECT_EQ(printable("ab\xE4\xBD\xA0", 4), "ab...");
  EXPECT_EQ(printable("a\n\n", 4), "a\\n...");
  EXPECT_LE(printable(std::string(1 << 20, '\xFF')).size(), 1203u);
}

}  // namespace
}  // namespace ossmc
