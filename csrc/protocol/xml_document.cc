#include "protocol/xml_document.h"

#include <cstdint>

#include "protocol/ascii.h"

namespace ossmc {

namespace {

Status broken(std::string message) { return Status(StatusCode::kProtocol, std::move(message)); }

// `text` is what follows "&#". pugixml computes such numbers modulo 2^32 and writes what comes out,
// a zero included, which would end the text early.
bool is_legal_reference(std::string_view text) {
  std::uint32_t base = 10;
  if (text.starts_with('x')) {
    base = 16;
    text.remove_prefix(1);
  }
  std::uint32_t value = 0;
  for (const char c : text) {
    if (c == ';') break;
    const int digit = hex_digit_value(c);
    if (digit < 0 || static_cast<std::uint32_t>(digit) >= base) return true;  // left as it stands
    value = value * base + static_cast<std::uint32_t>(digit);
    if (value > 0x10FFFF) return false;
  }
  return value != 0;
}

// What must be known before the text is worth parsing.
Status scan(std::string_view text, XmlDocument::Limits limits) {
  if (text.size() > limits.bytes) {
    return broken("XML of more than " + std::to_string(limits.bytes) + " bytes");
  }
  if (text.find('\0') != text.npos) return broken("XML with a NUL character");
  std::size_t tags = 0;
  for (std::size_t at = text.find('<'); at != text.npos; at = text.find('<', at + 1)) {
    if (++tags > limits.tags) {
      return broken("XML with more than " + std::to_string(limits.tags) + " tags");
    }
    if (text.substr(at).starts_with("<!DOCTYPE")) return broken("XML with a DOCTYPE");
  }
  for (std::size_t at = text.find("&#"); at != text.npos; at = text.find("&#", at + 2)) {
    if (!is_legal_reference(text.substr(at + 2))) {
      return broken("XML with a reference to a character that does not exist");
    }
  }
  return Status::ok();
}

bool is_deeper_than(pugi::xml_node top, int limit) {
  pugi::xml_node node = top;
  int depth = 0;
  while (true) {
    if (node.type() == pugi::node_element && depth > limit) return true;
    if (const pugi::xml_node child = node.first_child()) {
      node = child;
      ++depth;
      continue;
    }
    while (node != top && !node.next_sibling()) {
      node = node.parent();
      --depth;
    }
    if (node == top) return false;
    node = node.next_sibling();
  }
}

}  // namespace

Status XmlDocument::load(std::string_view text, Limits limits) {
  Status status = scan(text, limits);
  if (!status.is_ok()) return status;
  text_ = text;
  text_ += '\n';  // the last character of an unfinished text gets lost
  // CDATA, entities, line ends, and blanks alone where they are all an element holds (a key may be
  // one blank); neither comments nor processing instructions.
  constexpr unsigned kOptions =
      pugi::parse_cdata | pugi::parse_escapes | pugi::parse_eol | pugi::parse_ws_pcdata_single;
  const pugi::xml_parse_result result =
      document_.load_buffer_inplace(text_.data(), text_.size(), kOptions, pugi::encoding_utf8);
  if (is_deeper_than(document_, kMaxDepth)) {
    document_.reset();
    return broken("XML deeper than " + std::to_string(kMaxDepth) + " elements");
  }
  if (!result) {
    return broken("not well-formed XML: " + std::string(result.description()) + " at byte " +
                  std::to_string(result.offset));
  }
  return Status::ok();
}

pugi::xml_node XmlDocument::root() const {
  pugi::xml_node root;
  for (const pugi::xml_node node : document_.children()) {
    if (node.type() != pugi::node_element) continue;
    if (root) return {};
    root = node;
  }
  return root;
}

std::string_view local_name(pugi::xml_node node) {
  const std::string_view name = node.name();
  const std::size_t colon = name.rfind(':');
  return colon == name.npos ? name : name.substr(colon + 1);
}

std::string element_text(pugi::xml_node node) {
  std::string text;
  for (const pugi::xml_node child : node.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata)
      text += child.value();
  }
  return text;
}

}  // namespace ossmc
