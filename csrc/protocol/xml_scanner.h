// XmlScanner: a reply's XML, tag after tag, in the memory where it lies. For pages of listings,
// which are many: a tree of each (xml_document.h) costs several times as much.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "base/status.h"

namespace ossmc {

// Owns nothing: it writes decoded texts over the raw ones, and what it gives points there. Takes no
// memory whatever comes. Used by one thread.
//
// As xml_document.h: UTF-8 whatever the declaration says; entities, line ends and CDATA are
// resolved; comments and processing instructions are nothing; an entity that XML does not know by
// itself stays as it stands.
class XmlScanner {
 public:
  struct Limits {
    std::size_t bytes;
    std::size_t tags;
  };
  static constexpr std::size_t kMaxDepth = 16;

  enum class Event { kStart, kEnd, kDone };

  // REQUIRES: `text` stays where it is while it is used, and what points into it.
  XmlScanner(std::span<char> text, Limits limits);

  // The next tag. kStart and kEnd come in pairs, for <a/> too; after kDone the document was whole.
  // kProtocol: beyond a limit, a DOCTYPE, a character that XML forbids, deeper than kMaxDepth, or
  // not well-formed.
  Result<Event> next();

  // Of the tag just given: its name, without a namespace prefix.
  std::string_view name() const { return name_; }
  // The elements that it is in, itself included.
  std::size_t depth() const { return depth_; }
  // At kEnd: the text of an element that holds no other; empty for one that does.
  std::string_view text() const { return text_; }

 private:
  Status check_start() const;
  Status scan_start_tag();
  Status scan_end_tag();
  Status skip_attributes();
  Status scan_markup();  // what begins with <! or <?
  Status skip_to(std::string_view end);
  // Adds the characters from `begin` to `end` to the text of the open element.
  Status add_text(char* begin, char* end, bool is_cdata);
  // Resolves references and line ends from `begin` to `*end`, which moves to the new end.
  static Status decode(char* begin, char** end, bool is_cdata);
  std::string_view rest() const { return {at_, static_cast<std::size_t>(end_ - at_)}; }
  Status broken(std::string_view what) const;

  char* const begin_;
  char* const end_;
  const Limits limits_;
  char* at_;
  std::size_t tags_ = 0;
  struct Name {
    std::string_view full, local;
  };
  std::array<Name, kMaxDepth> open_;
  std::size_t depth_ = 0;
  std::size_t open_depth_ = 0;  // depth_ less an element that was just ended
  bool root_seen_ = false;
  bool is_empty_tag_ = false;  // its kEnd is due
  bool is_leaf_ = false;       // the open element held none so far
  bool started_ = false;
  std::string_view name_;
  std::string_view text_;
  char* text_begin_ = nullptr;
  char* text_end_ = nullptr;
  // The next of those characters, or the end: most texts have neither.
  char* next_ampersand_;
  char* next_return_;
};

}  // namespace ossmc
