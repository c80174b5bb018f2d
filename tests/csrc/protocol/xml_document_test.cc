#include "protocol/xml_document.h"

#include <gtest/gtest.h>

#include <string>

namespace ossmc {
namespace {

constexpr XmlDocument::Limits kLimits{10000, 100};

Status load(std::string_view text) {
  XmlDocument document;
  return document.load(text, kLimits);
}

// The text of the outermost element.
std::string text_of(std::string_view xml) {
  XmlDocument document;
  const Status status = document.load(xml, kLimits);
  return status.is_ok() ? element_text(document.root()) : "! " + status.message();
}

std::string nested(int depth) {
  std::string xml;
  for (int i = 0; i < depth; ++i) xml += "<a>";
  for (int i = 0; i < depth; ++i) xml += "</a>";
  return xml;
}

TEST(XmlDocument, NamesWithoutNamespaces) {
  XmlDocument document;
  ASSERT_TRUE(
      document.load("<?xml version=\"1.0\"?><o:Top xmlns:o=\"urn:x\"><In/></o:Top>\n", kLimits)
          .is_ok());
  EXPECT_EQ(local_name(document.root()), "Top");
  EXPECT_EQ(local_name(document.root().first_child()), "In");
  EXPECT_EQ(local_name({}), "");
  EXPECT_EQ(element_text({}), "");
}

TEST(XmlDocument, TextOfAllKinds) {
  EXPECT_EQ(text_of("<a>x &amp; &lt;y&gt; &#x4F60;&#33;</a>"), "x & <y> \xE4\xBD\xA0!");
  EXPECT_EQ(text_of("<a>one<![CDATA[<two>]]>three</a>"), "one<two>three");
  EXPECT_EQ(text_of("<a>one<!-- not this -->two</a>"), "onetwo");
  EXPECT_EQ(text_of("<a> </a>"), " ");
  EXPECT_EQ(text_of("<a>&unknown;</a>"), "&unknown;");
  EXPECT_EQ(text_of("<a>&amp;amp;</a>"), "&amp;");
  EXPECT_EQ(text_of("\xEF\xBB\xBF<a>x</a>"), "x");
}

TEST(XmlDocument, Utf8WhateverTheDeclarationSays) {
  EXPECT_EQ(text_of("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xC3\xA4</a>"), "\xC3\xA4");
}

TEST(XmlDocument, RefusesWhatIsHostile) {
  EXPECT_EQ(load("<!DOCTYPE a [<!ENTITY e \"eeee\">]><a>&e;</a>").code(), StatusCode::kProtocol);
  EXPECT_FALSE(load("<a>&#0;</a>").is_ok());
  EXPECT_FALSE(load("<a>&#x0;</a>").is_ok());
  EXPECT_FALSE(load("<a>&#x110000;</a>").is_ok());
  EXPECT_FALSE(load("<a>&#x100000000;</a>").is_ok());
  EXPECT_FALSE(load("<a>&#4294967296;</a>").is_ok());
  EXPECT_FALSE(load(std::string_view("<a>x\0y</a>", 10)).is_ok());
  EXPECT_FALSE(load("<a>" + std::string(10000, 'x') + "</a>").is_ok());
  std::string many = "<a>";
  for (int i = 0; i < 100; ++i) many += "<b/>";
  EXPECT_FALSE(load(many + "</a>").is_ok());
}

TEST(XmlDocument, DepthIsBounded) {
  EXPECT_TRUE(load(nested(16)).is_ok());
  EXPECT_FALSE(load(nested(17)).is_ok());
  std::string late = nested(15);
  late.insert(late.size() / 2, "x<b/><b/>");
  EXPECT_FALSE(load("<a>" + late + "</a>").is_ok()) << "deeper only in a later sibling";
  XmlDocument document;
  ASSERT_FALSE(document.load(nested(17), kLimits).is_ok());
  EXPECT_FALSE(document.root());
}

TEST(XmlDocument, NotWellFormedKeepsWhatCameBefore) {
  for (const char* text : {"", " ", "plain", "{}", "<", "<a", "<a>", "<a></b>", "<a><b></a></b>",
                           "<a x=></a>", "</a>", "<a>]]></a><", "<![CDATA[", "<!--", "<?"}) {
    EXPECT_EQ(load(text).code(), StatusCode::kProtocol) << text;
  }
  XmlDocument document;
  ASSERT_FALSE(document.load("<a><b>one</b><c>tw", kLimits).is_ok());
  EXPECT_EQ(local_name(document.root()), "a");
  EXPECT_EQ(element_text(document.root().child("b")), "one");
}

TEST(XmlDocument, SeveralOutermostElementsAreNoDocument) {
  XmlDocument document;
  (void)document.load("<a/><b/>", kLimits);
  EXPECT_FALSE(document.root());
}

}  // namespace
}  // namespace ossmc
