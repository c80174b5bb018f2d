#include "protocol/xml_scanner.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace ossmc {
namespace {

constexpr XmlScanner::Limits kScanLimits{10000, 100};

// "+name" and "-name:text" for each tag, or "! " and what is wrong.
std::string tags_of(std::string xml, XmlScanner::Limits limits = kScanLimits) {
  XmlScanner scanner(xml, limits);
  std::string seen;
  while (true) {
    const Result<XmlScanner::Event> event = scanner.next();
    if (!event.is_ok()) {
      EXPECT_EQ(event.status().code(), StatusCode::kProtocol);
      return "! " + event.status().message();
    }
    if (*event == XmlScanner::Event::kDone) return seen;
    const bool is_start = *event == XmlScanner::Event::kStart;
    seen += (is_start ? "+" : "-") + std::string(scanner.name());
    seen += std::to_string(scanner.depth());
    if (!is_start && !scanner.text().empty()) seen += ":" + std::string(scanner.text());
    seen += " ";
  }
}

// The text of the outermost element.
std::string scanned_text(const std::string& xml) {
  const std::string tags = tags_of(xml);
  const std::size_t colon = tags.find("-a1:");
  if (tags.starts_with("! ")) return tags;
  return colon == tags.npos ? "" : tags.substr(colon + 4, tags.size() - colon - 5);
}

std::string nested_tags(int depth) {
  std::string xml;
  for (int i = 0; i < depth; ++i) xml += "<a>";
  for (int i = 0; i < depth; ++i) xml += "</a>";
  return xml;
}

TEST(XmlScanner, TagsInTheirOrder) {
  EXPECT_EQ(tags_of("<?xml version=\"1.0\"?>\n<!-- x --><o:Top xmlns:o='urn:>' a = \"b\"\n>"
                    "<In/><p:In >x</p:In ><In\n/> </o:Top>\n<!-- y -->"),
            "+Top1 +In2 -In2 +In2 -In2:x +In2 -In2 -Top1 ");
  EXPECT_EQ(tags_of("<a/>"), "+a1 -a1 ");
  EXPECT_EQ(tags_of("<a><b>1</b>mixed<c/></a>"), "+a1 +b2 -b2:1 +c2 -c2 -a1 ");
}

TEST(XmlScanner, TextOfAllKinds) {
  EXPECT_EQ(scanned_text("<a>x &amp; &lt;y&gt; &#x4F60;&#33;</a>"), "x & <y> \xE4\xBD\xA0!");
  EXPECT_EQ(scanned_text("<a>&quot;&apos;&#x1F600;&#228;</a>"), "\"'\xF0\x9F\x98\x80\xC3\xA4");
  EXPECT_EQ(scanned_text("<a>one<![CDATA[<two>&amp;]]>three</a>"), "one<two>&amp;three");
  EXPECT_EQ(scanned_text("<a>one<!-- not this -->two<?nor this?>3</a>"), "onetwo3");
  EXPECT_EQ(scanned_text("<a> </a>"), " ");
  EXPECT_EQ(scanned_text("<a>1\r\n2\r3</a>"), "1\n2\n3");
  EXPECT_EQ(scanned_text("<a>&#13;</a>"), "\r");
  EXPECT_EQ(scanned_text("<a>&unknown; & &#; &#x; &#zz; &#12</a>"),
            "&unknown; & &#; &#x; &#zz; &#12");
  EXPECT_EQ(scanned_text("<a>&amp;amp;</a>"), "&amp;");
  EXPECT_EQ(scanned_text("\xEF\xBB\xBF<a>x</a>"), "x");
  EXPECT_EQ(scanned_text("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xC3\xA4</a>"),
            "\xC3\xA4");
}

TEST(XmlScanner, RefusesWhatIsHostile) {
  for (const char* xml :
       {"<!DOCTYPE a [<!ENTITY e \"eeee\">]><a>&e;</a>", "<a>&#0;</a>", "<a>&#x0;</a>",
        "<a>&#x110000;</a>", "<a>&#x100000000;</a>", "<a>&#4294967296;</a>", "<a>&#xD800;</a>"}) {
    EXPECT_TRUE(tags_of(xml).starts_with("! ")) << xml;
  }
  EXPECT_TRUE(tags_of(std::string("<a>x\0y</a>", 10)).starts_with("! XML with a NUL"));
  EXPECT_TRUE(tags_of("<a>" + std::string(10000, 'x') + "</a>").starts_with("! XML of more"));
  std::string many = "<a>";
  for (int i = 0; i < 100; ++i) many += "<b/>";
  EXPECT_TRUE(tags_of(many + "</a>").starts_with("! XML with more than 100 tags"));
  EXPECT_FALSE(tags_of(nested_tags(16)).starts_with("! "));
  EXPECT_TRUE(tags_of(nested_tags(17)).starts_with("! XML deeper"));
}

TEST(XmlScanner, RefusesWhatIsNotWellFormed) {
  for (const char* xml : {"",
                          " ",
                          "plain",
                          "{}",
                          "<",
                          "<a",
                          "<a>",
                          "<a></b>",
                          "<a><b></a></b>",
                          "<a x=></a>",
                          "</a>",
                          "<a></aa>",
                          "<a></a",
                          "<a></a b>",
                          "<a>]]></a><",
                          "<![CDATA[",
                          "<a><![CDATA[",
                          "<!--",
                          "<?",
                          "<a/><b/>",
                          "<a/>x",
                          "x<a/>",
                          "<1/>",
                          "<a b/>",
                          "<a b=c/>",
                          "<a b='c/>",
                          "<a b='<'/>",
                          "<a /",
                          "<a / >",
                          "<a b='c'd='e'/ >",
                          "< a/>",
                          "<a><!x></a>",
                          "<![CDATA[x]]><a/>",
                          "<a='b'/>"}) {
    EXPECT_TRUE(tags_of(xml).starts_with("! not well-formed XML")) << xml;
  }
}

TEST(XmlScanner, AnyBytesAreReadOrRefused) {
  const std::string whole =
      "<?xml version=\"1.0\"?><a x=\"1\"><b>one &amp; <![CDATA[two]]>\r\n</b><!-- c "
      "--><c/>&#65;</a>";
  constexpr std::string_view kBytes = "<>/!?&;#x[]-='\" a\r\n\xC3";
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string xml = whole;
    for (unsigned changes = random() % 4 + 1; changes > 0 && !xml.empty(); --changes) {
      const std::size_t at = random() % xml.size();
      switch (random() % 3) {
        case 0:
          xml[at] = kBytes[random() % kBytes.size()];
          break;
        case 1:
          xml.erase(at, random() % 8);
          break;
        default:
          xml.insert(at, 1, kBytes[random() % kBytes.size()]);
      }
    }
    xml.shrink_to_fit();
    (void)tags_of(xml);
  }
}

}  // namespace
}  // namespace ossmc
