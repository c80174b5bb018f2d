// XmlDocument: a reply's XML as a tree, within bounds, which also keeps what a cut reply still
// says. For error_document.cc, nobody else: it shows pugixml.
#pragma once

#include <cstddef>
#include <pugixml.hpp>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ossmc {

// Owns the text, which is parsed in place. Used by one thread.
class XmlDocument {
 public:
  struct Limits {
    std::size_t bytes;
    std::size_t tags;  // '<' characters: what the tree's memory grows with
  };
  static constexpr int kMaxDepth = 16;

  XmlDocument() = default;
  XmlDocument(const XmlDocument&) = delete;
  XmlDocument& operator=(const XmlDocument&) = delete;

  // UTF-8 whatever the declaration says. kProtocol: beyond a limit, a DOCTYPE, a character that XML
  // forbids, deeper than kMaxDepth: the tree is empty then. Or not well-formed: the tree holds what
  // came before, its last element perhaps cut. Once only.
  Status load(std::string_view text, Limits limits);

  // The only outermost element; null: none, or several.
  pugi::xml_node root() const;

 private:
  std::string text_;
  pugi::xml_document document_;
};

// Name without its namespace prefix.
std::string_view local_name(pugi::xml_node node);
// Character data directly inside `node`, entities decoded, CDATA included.
std::string element_text(pugi::xml_node node);

}  // namespace ossmc
