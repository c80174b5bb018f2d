#include "protocol/list_reply.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace ossmc {
namespace {

std::string page(std::string_view inside) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult>" + std::string(inside) +
         "</ListBucketResult>";
}

std::string object(std::string_view key, std::string_view size = "1") {
  return "<Contents><Key>" + std::string(key) + "</Key><Size>" + std::string(size) +
         "</Size></Contents>";
}

// The only key of a page.
std::string key_of(std::string_view inside) {
  const Result<ListPage> result = parse_list_page(page(inside));
  if (!result.is_ok()) return "! " + result.status().message();
  return result->objects.size() == 1 ? std::string(result->objects[0].key) : "! not one object";
}

void expect_broken(const std::string& body, std::string_view word = "") {
  const Result<ListPage> result = parse_list_page(body);
  ASSERT_FALSE(result.is_ok()) << body.substr(0, 300);
  EXPECT_EQ(result.status().code(), StatusCode::kProtocol);
  EXPECT_NE(result.status().message().find(word), std::string::npos) << result.status().message();
  EXPECT_EQ(result.status().message().find('\n'), std::string::npos);
  EXPECT_LT(result.status().message().size(), 500u);
}

// Opening the link by the link's ETag would find another object.
TEST(ListReply, ASymbolicLinksEtagIsNotItsTargets) {
  const Result<ListPage> result = parse_list_page(page(
      "<Contents><Type>Symlink</Type><Key>link</Key><ETag>\"E\"</ETag><Size>1</Size></Contents>"
      "<Contents><Key>file</Key><ETag>\"E\"</ETag><Size>1</Size></Contents>"));
  ASSERT_EQ(result->objects.size(), 2u);
  EXPECT_EQ(result->objects[0].etag, "");
  EXPECT_EQ(result->objects[1].etag, "E");
}

TEST(ListReply, CommonPrefixesStandInOneElementOrInSeveral) {
  const Result<ListPage> result = parse_list_page(
      page("<CommonPrefixes><Prefix>a/</Prefix><Prefix>b &amp;/</Prefix></CommonPrefixes>"
           "<Prefix>p</Prefix><CommonPrefixes><Other/><Prefix>c%/</Prefix></CommonPrefixes>"));
  ASSERT_TRUE(result.is_ok()) << result.status().message();
  EXPECT_EQ(result->common_prefixes, (std::vector<std::string_view>{"a/", "b &/", "c%/"}));
  EXPECT_TRUE(result->objects.empty());
}

TEST(ListReply, CommonPrefixesAreDecodedAsKeysAre) {
  const auto prefix_of = [](std::string_view encoded, const PlusSigns& before) {
    const Result<ListPage> result =
        parse_list_page(page("<EncodingType>url</EncodingType><CommonPrefixes><Prefix>" +
                             std::string(encoded) + "</Prefix></CommonPrefixes>"),
                        before);
    return result.is_ok() ? std::string(result->common_prefixes.at(0)) : "! not a page";
  };
  EXPECT_EQ(prefix_of("a%2Fb%2F", {}), "a/b/");
  EXPECT_EQ(prefix_of("a+%2F", {}), "a+/");
  EXPECT_EQ(prefix_of("a+%2B%2F", {}), "a +/");
  EXPECT_EQ(prefix_of("a+%2F", {.encoded_plus = true}), "a /");
}

TEST(ListReply, CommonPrefixesThatAreNoneAreRefused) {
  expect_broken(page("<CommonPrefixes><Prefix></Prefix></CommonPrefixes>"), "CommonPrefixes");
  expect_broken(page("<CommonPrefixes><Prefix>\xff/</Prefix></CommonPrefixes>"), "CommonPrefixes");
  expect_broken(page("<EncodingType>url</EncodingType>"
                     "<CommonPrefixes><Prefix>a%2</Prefix></CommonPrefixes>"),
                "CommonPrefixes");
  std::string many;
  for (int i = 0; i < (1 << 16) + 1; ++i)
    many += "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>";
  expect_broken(page(many), "more than 65536 common prefixes");
}

// Without IsTruncated.
TEST(ListReply, AFullPageOfCommonPrefixesIsNotTheLast) {
  std::string many;
  for (int i = 0; i < 1000; ++i)
    many += "<CommonPrefixes><Prefix>" + std::to_string(i) + "/</Prefix></CommonPrefixes>";
  EXPECT_TRUE(parse_list_page(page(many))->is_truncated);
}

TEST(ListReply, ReadsAPageAsOssSendsIt) {
  const Result<ListPage> result = parse_list_page(R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://doc.oss-cn-hangzhou.aliyuncs.com">
  <Name>examplebucket</Name><Prefix>fun%2F</Prefix><StartAfter></StartAfter><MaxKeys>1000</MaxKeys>
  <Delimiter/><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
  <NextContinuationToken>CgJiYw--</NextContinuationToken>
  <Contents>
    <Key>fun%2Fmovie%2F001.avi</Key>
    <LastModified>2012-02-24T08:43:07.000Z</LastModified>
    <ETag>&quot;5B3C1A2E053D763E1B002CC607C5A0FE-2&quot;</ETag>
    <Type>Multipart</Type><Size>344606</Size><StorageClass>Standard</StorageClass>
    <Owner><ID>0022012****</ID><DisplayName>user-example</DisplayName></Owner>
  </Contents>
  <Contents>
    <Key>fun%2Ftest.jpg</Key><Size>0</Size><StorageClass>IA</StorageClass>
  </Contents>
  <CommonPrefixes><Prefix>fun%2Fmore%2F</Prefix></CommonPrefixes>
  <KeyCount>3</KeyCount>
</ListBucketResult>)");
  ASSERT_TRUE(result.is_ok()) << result.status().message();
  ASSERT_EQ(result->objects.size(), 2u);
  const ListedObject& first = result->objects[0];
  EXPECT_EQ(first.key, "fun/movie/001.avi");
  EXPECT_EQ(first.size, 344606u);
  EXPECT_EQ(first.etag, "5B3C1A2E053D763E1B002CC607C5A0FE-2");
  EXPECT_EQ(first.last_modified_unix, 1330072987);
  EXPECT_EQ(first.storage_class, "Standard");
  EXPECT_EQ(result->common_prefixes, (std::vector<std::string_view>{"fun/more/"}));
  const ListedObject& second = result->objects[1];
  EXPECT_EQ(second.key, "fun/test.jpg");
  EXPECT_EQ(second.size, 0u);
  EXPECT_EQ(second.etag, "");
  EXPECT_EQ(second.last_modified_unix, 0);
  EXPECT_EQ(second.storage_class, "IA");
  EXPECT_TRUE(result->is_truncated);
  EXPECT_EQ(result->next_continuation_token, "CgJiYw--");
}

TEST(ListReply, AnyOrderAndAnyNamespace) {
  const Result<ListPage> result = parse_list_page(
      "<o:ListBucketResult "
      "xmlns:o=\"urn:x\"><o:NextContinuationToken>t%2Bt</o:NextContinuationToken>"
      "<o:Contents><o:Size> 7 </o:Size><o:Key>a%20b</o:Key></o:Contents>"
      "<o:IsTruncated> true\n</o:IsTruncated><o:EncodingType>url</o:EncodingType>"
      "</o:ListBucketResult>");
  ASSERT_TRUE(result.is_ok()) << result.status().message();
  ASSERT_EQ(result->objects.size(), 1u);
  EXPECT_EQ(result->objects[0].key, "a b");
  EXPECT_EQ(result->objects[0].size, 7u);
  EXPECT_EQ(result->next_continuation_token, "t+t");
}

TEST(ListReply, EntitiesFirstThenPercentOnce) {
  const std::string url = "<EncodingType>url</EncodingType>";
  EXPECT_EQ(key_of(url + object("a+b")), "a+b");
  EXPECT_EQ(key_of(url + object("%2541")), "%41");
  EXPECT_EQ(key_of(url + object("&#37;41&amp;%26amp;")), "A&&amp;");
  EXPECT_EQ(key_of(url + object("%E4%BD%A0%0A%01")), "\xE4\xBD\xA0\n\x01");
  // Not encoded: percent is an ordinary character.
  EXPECT_EQ(key_of(object("%41%")), "%41%");
  EXPECT_EQ(key_of("<EncodingType/>" + object("%41")), "%41");
  EXPECT_EQ(key_of(object("<![CDATA[a<b]]>")), "a<b");
  EXPECT_EQ(key_of(object("\xE4\xBD\xA0")), "\xE4\xBD\xA0");
  EXPECT_EQ(key_of(object(" a ")), " a ");
  EXPECT_EQ(key_of(object(" ")), " ");
}

TEST(ListReply, TheObjectsStayWhereTheyAreWhenThePageIsMoved) {
  Result<ListPage> result = parse_list_page(page(object("a&amp;b")));
  ASSERT_TRUE(result.is_ok());
  const ListPage moved = std::move(result).value();
  EXPECT_EQ(moved.objects[0].key, "a&b");
  EXPECT_GE(moved.objects[0].key.data(), moved.body.data());
  EXPECT_LE(moved.objects[0].key.data(), moved.body.data() + moved.body.size());
}

TEST(ListReply, EncodingTypeCountsWhereverItStands) {
  EXPECT_EQ(key_of(object("a%20b") + "<EncodingType>url</EncodingType>"), "a b");
  expect_broken(page(object("100%") + "<EncodingType>url</EncodingType>"), "Key");
}

TEST(ListReply, FieldsThatHoldElementsAreNone) {
  expect_broken(page("<Contents><Key>a<b>c</b>d</Key><Size>1</Size></Contents>"), "Key");
  expect_broken(page("<Contents><x><Key>k</Key><Size>1</Size></x></Contents>"), "Key");
  expect_broken(page("<x>" + object("k") + "</x><Contents/>"), "Key");
}

TEST(ListReply, EmptyAndMissingElements) {
  for (const char* inside :
       {"", "<IsTruncated>false</IsTruncated>", "<IsTruncated/><NextContinuationToken/>",
        "<Name/><Prefix/><KeyCount/><CommonPrefixes/><IsTruncated>false</IsTruncated>"}) {
    const Result<ListPage> result = parse_list_page(page(inside));
    ASSERT_TRUE(result.is_ok()) << inside;
    EXPECT_TRUE(result->objects.empty());
    EXPECT_FALSE(result->is_truncated);
  }
  EXPECT_TRUE(parse_list_page("<ListBucketResult/>").is_ok());
  const Result<ListPage> result =
      parse_list_page(page("<Contents><Key>k</Key><LastModified/><ETag/><Size>1</"
                           "Size><StorageClass/><Owner/></Contents>"));
  ASSERT_TRUE(result.is_ok()) << result.status().message();
  // An empty page may still go on.
  EXPECT_TRUE(parse_list_page(page("<IsTruncated>true</IsTruncated><NextContinuationToken>t"
                                   "</NextContinuationToken>"))
                  ->is_truncated);
}

TEST(ListReply, WhatWouldLoseObjectsIsAnError) {
  expect_broken(page("<IsTruncated>1</IsTruncated>"), "IsTruncated");
  expect_broken(page("<IsTruncated>yes</IsTruncated>"), "IsTruncated");
}

// What more a page says than its objects.
bool goes_on(std::string_view inside) {
  const Result<ListPage> result = parse_list_page(page(inside));
  EXPECT_TRUE(result.is_ok()) << result.status().message();
  return result.is_ok() && result->is_truncated;
}

TEST(ListReply, IsTruncatedInTheFormsThatStoresWrite) {
  for (const char* text : {"true", "True", "TRUE", " true\n"})
    EXPECT_TRUE(goes_on("<IsTruncated>" + std::string(text) + "</IsTruncated>")) << text;
  for (const char* text : {"false", "False", "FALSE"})
    EXPECT_FALSE(goes_on("<IsTruncated>" + std::string(text) + "</IsTruncated>")) << text;
}

TEST(ListReply, WithoutIsTruncatedAPageGoesOnThatIsFullOrSaysWhere) {
  std::string objects;
  for (int i = 0; i < 999; ++i) objects += object("k" + std::to_string(i));
  EXPECT_FALSE(goes_on(objects));
  EXPECT_TRUE(goes_on(objects + object("one more")));
  EXPECT_FALSE(goes_on(objects + object("one more") + "<IsTruncated>false</IsTruncated>"));
  EXPECT_TRUE(goes_on("<NextContinuationToken>t</NextContinuationToken>"));
  EXPECT_TRUE(goes_on("<NextMarker>k</NextMarker>"));
}

TEST(ListReply, APageOfV1HasAMarker) {
  const Result<ListPage> result = parse_list_page(
      page("<EncodingType>url</EncodingType><Marker>a</Marker><IsTruncated>true</IsTruncated>"
           "<NextMarker>b%20c</NextMarker>"));
  ASSERT_TRUE(result.is_ok()) << result.status().message();
  EXPECT_TRUE(result->is_truncated);
  EXPECT_EQ(result->next_marker, "b c");
  EXPECT_EQ(result->next_continuation_token, "");
}

// The keys of a page with EncodingType url, one line each.
std::string keys_of(const std::vector<std::string>& encoded, const PlusSigns& before = {}) {
  std::string inside = "<EncodingType>url</EncodingType>";
  for (const std::string& key : encoded) inside += object(key);
  const Result<ListPage> result = parse_list_page(page(inside), before);
  EXPECT_TRUE(result.is_ok()) << result.status().message();
  std::string lines;
  for (const ListedObject& one : result->objects) lines += std::string(one.key) + "\n";
  return lines;
}

TEST(ListReply, APlusIsAPlusUnlessOthersAreEncodedAndNoBlankIs) {
  EXPECT_EQ(keys_of({"a+b"}), "a+b\n");
  EXPECT_EQ(keys_of({"a+b", "c%20d"}), "a+b\nc d\n");
  EXPECT_EQ(keys_of({"a+b", "c%2Bd", "e%20f"}), "a+b\nc+d\ne f\n");
  EXPECT_EQ(keys_of({"a+b", "c%2Bd"}), "a b\nc+d\n");
  EXPECT_EQ(keys_of({"c%2bd", "a+b%2B"}), "c+d\na b+\n");
  EXPECT_EQ(keys_of({"a%252Bb+c"}), "a%2Bb+c\n");  // no plus
}

TEST(ListReply, WhatAPlusIsTheWholeListingTells) {
  PlusSigns before;
  before.encoded_plus = true;
  EXPECT_EQ(keys_of({"a+b"}, before), "a b\n");
  before.encoded_blank = true;
  EXPECT_EQ(keys_of({"a+b", "c%2Bd"}, before), "a+b\nc+d\n");
  const Result<ListPage> result =
      parse_list_page(page("<EncodingType>url</EncodingType>" + object("a+b%20")), {});
  EXPECT_TRUE(result->plus_signs.raw);
  EXPECT_TRUE(result->plus_signs.encoded_blank);
  EXPECT_FALSE(result->plus_signs.encoded_plus);
  EXPECT_FALSE(parse_list_page(page(object("a+b")))->plus_signs.raw);  // not encoded at all
}

TEST(ListReply, ATokensPlusIsAPlus) {
  const Result<ListPage> result = parse_list_page(
      page("<EncodingType>url</EncodingType>" + object("a+b%2B") +
           "<NextContinuationToken>x+/y=</NextContinuationToken><NextMarker>a+b%2B</NextMarker>"));
  EXPECT_EQ(result->objects[0].key, "a b+");
  EXPECT_EQ(result->next_continuation_token, "x+/y=");
  EXPECT_EQ(result->next_marker, "a b+");
}

TEST(ListReply, ADateThatCannotBeReadCostsThatFieldAlone) {
  for (const auto& [text, seconds] : {std::pair<const char*, double>{"now", 0.0},
                                      {"2024-03-01T18:00:00+08:00", 1709287200.0},
                                      {"Fri, 01 Mar 2024 10:00:00 GMT", 1709287200.0},
                                      {"", 0.0}}) {
    const Result<ListPage> result =
        parse_list_page(page("<Contents><Key>k</Key><Size>1</Size><LastModified>" +
                             std::string(text) + "</LastModified></Contents>"));
    ASSERT_TRUE(result.is_ok()) << result.status().message();
    EXPECT_EQ(result->objects[0].last_modified_unix, seconds) << text;
  }
}

TEST(ListReply, ObjectsThatCannotBe) {
  expect_broken(page("<Contents/>"), "Key");
  expect_broken(page("<Contents><Size>1</Size></Contents>"), "Key");
  expect_broken(page(object("")), "Key");
  expect_broken(page(object("\xFF")), "Key");
  expect_broken(page("<EncodingType>url</EncodingType>" + object("%FF")), "Key");
  expect_broken(page("<EncodingType>url</EncodingType>" + object("%ED%A0%80")), "Key");
  expect_broken(page("<EncodingType>url</EncodingType>" + object("100%")), "Key");
  expect_broken(page("<EncodingType>url</EncodingType>" + object("%4G")), "Key");
  expect_broken(page("<EncodingType>base64</EncodingType>" + object("k")), "EncodingType");
  expect_broken(page("<Contents><Key>k</Key></Contents>"), "Size");
  for (const char* size : {"", "-1", "1.5", "1e3", "9223372036854775808", "18446744073709551616"}) {
    expect_broken(page(object("k", size)), "Size");
  }
  EXPECT_EQ(parse_list_page(page(object("k", "9223372036854775807")))->objects[0].size,
            9223372036854775807u);
  expect_broken(page("<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
                     "<NextContinuationToken>%</NextContinuationToken>"),
                "NextContinuationToken");
}

TEST(ListReply, NotAListDocument) {
  for (const char* body : {
           "",
           "   ",
           "<html><body>502 Bad Gateway</body></html>",
           "<Error><Code>NoSuchBucket</Code></Error>",
           "{\"Contents\": []}",
           "<ListBucketResult>",
           "<ListBucketResult></ListBucketResult><ListBucketResult/>",
           "<ListBucketResult><Contents></ListBucketResult>",
           "<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult/>",
           "\xFE\xFF\0<",
       }) {
    expect_broken(body);
  }
}

TEST(ListReply, CutAnywhereIsAnError) {
  const std::string whole = page(object("k") + "<IsTruncated>false</IsTruncated>");
  ASSERT_TRUE(parse_list_page(whole).is_ok());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_list_page(whole.substr(0, size)).is_ok()) << size;
  }
}

TEST(ListReply, Limits) {
  std::string objects;
  for (int i = 0; i < 65536; ++i) objects += object("k" + std::to_string(i));
  EXPECT_EQ(parse_list_page(page(objects))->objects.size(), 65536u);
  expect_broken(page(objects + object("one more")), "65536 objects");
  expect_broken(page("<Name>" + std::string(8 << 20, 'n') + "</Name>"), "bytes");
  std::string tags;
  for (int i = 0; i < 1900000; ++i) tags += "<x/>";
  expect_broken(page(tags), "tags");
  std::string deep;
  for (int i = 0; i < 17; ++i) deep += "<x>";
  for (int i = 0; i < 17; ++i) deep += "</x>";
  expect_broken(page(deep), "deeper");
  EXPECT_TRUE(parse_list_page(page("<Name>" + std::string(1 << 20, '<' + 1) + "</Name>")).is_ok());
}

}  // namespace
}  // namespace ossmc
