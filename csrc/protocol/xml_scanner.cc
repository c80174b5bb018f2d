#include "protocol/xml_scanner.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "protocol/ascii.h"

namespace ossmc {

namespace {

Status refused(std::string text) { return {StatusCode::kProtocol, std::move(text)}; }

constexpr std::array<bool, 256> name_characters() {
  std::array<bool, 256> is_name{};
  for (std::size_t c = 0; c < is_name.size(); ++c) {
    is_name[c] = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '_' || c == ':' || c == '-' || c == '.' || c >= 0x80;
  }
  return is_name;
}
constexpr std::array<bool, 256> kIsName = name_characters();

bool is_name_start(char c) {
  return kIsName[static_cast<unsigned char>(c)] && !is_ascii_digit(c) && c != '-' && c != '.';
}

char* name_end(char* at, const char* end) {
  while (at < end && kIsName[static_cast<unsigned char>(*at)]) ++at;
  return at;
}

char* skip_blanks(char* at, const char* end) {
  while (at < end && is_ascii_blank(*at)) ++at;
  return at;
}

char* find(char* begin, char* end, char wanted) {
  if (begin == end) return end;
  void* const found = std::memchr(begin, wanted, static_cast<std::size_t>(end - begin));
  return found == nullptr ? end : static_cast<char*>(found);
}

std::string_view view(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

enum class Reference { kCharacter, kNone, kIllegal };

// `text` is what follows '&'. kCharacter: which, and how many characters the reference has with its
// semicolon.
Reference read_reference(std::string_view text, std::uint32_t* point, std::size_t* size) {
  struct Entity {
    std::string_view name;
    char character;
  };
  static constexpr Entity kEntities[] = {
      {"quot;", '"'}, {"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"apos;", '\''}};
  for (const Entity& entity : kEntities) {
    if (!text.starts_with(entity.name)) continue;
    *point = static_cast<unsigned char>(entity.character);
    *size = entity.name.size();
    return Reference::kCharacter;
  }
  if (!text.starts_with('#')) return Reference::kNone;
  std::size_t at = 1;
  std::uint32_t base = 10;
  if (text.substr(at).starts_with('x')) {
    base = 16;
    ++at;
  }
  const std::size_t first_digit = at;
  std::uint32_t value = 0;
  bool too_large = false;
  for (; at < text.size() && text[at] != ';'; ++at) {
    const int digit = hex_digit_value(text[at]);
    if (digit < 0 || static_cast<std::uint32_t>(digit) >= base) return Reference::kNone;
    value = std::min<std::uint32_t>(value * base + static_cast<std::uint32_t>(digit), 0x110000);
    too_large = too_large || value > 0x10FFFF;
  }
  if (at == text.size() || at == first_digit) return Reference::kNone;
  if (too_large || value == 0 || (value >= 0xD800 && value <= 0xDFFF)) return Reference::kIllegal;
  *point = value;
  *size = at + 1;
  return Reference::kCharacter;
}

}  // namespace

XmlScanner::XmlScanner(std::span<char> text, Limits limits)
    : begin_(text.data()),
      end_(text.data() + text.size()),
      limits_(limits),
      at_(begin_),
      next_ampersand_(find(begin_, end_, '&')),
      next_return_(find(begin_, end_, '\r')) {}

Status XmlScanner::broken(std::string_view what) const {
  return refused("not well-formed XML: " + std::string(what) + " at byte " +
                 std::to_string(at_ - begin_));
}

Status XmlScanner::check_start() const {
  const auto size = static_cast<std::size_t>(end_ - begin_);
  if (size > limits_.bytes) {
    return refused("XML of more than " + std::to_string(limits_.bytes) + " bytes");
  }
  if (find(begin_, end_, '\0') != end_) return refused("XML with a NUL character");
  return Status::ok();
}

Result<XmlScanner::Event> XmlScanner::next() {
  if (!started_) {
    started_ = true;
    Status status = check_start();
    if (!status.is_ok()) return status;
    if (rest().starts_with("\xEF\xBB\xBF")) at_ += 3;
  }
  depth_ = open_depth_;
  if (is_empty_tag_) {
    is_empty_tag_ = false;
    --open_depth_;
    is_leaf_ = false;
    text_ = {};
    return Event::kEnd;
  }
  while (true) {
    char* const tag = find(at_, end_, '<');
    if (depth_ > 0) {
      // Only a leaf's text is wanted.
      if (is_leaf_ && tag != at_) {
        Status status = add_text(at_, tag, false);
        if (!status.is_ok()) return status;
      }
    } else if (char* const junk = skip_blanks(at_, tag); junk != tag) {
      at_ = junk;
      return broken("text outside of all elements");
    }
    at_ = tag;
    if (at_ == end_) {
      if (depth_ > 0 || !root_seen_) return broken("the end is missing");
      return Event::kDone;
    }
    if (++tags_ > limits_.tags) {
      return refused("XML with more than " + std::to_string(limits_.tags) + " tags");
    }
    const char kind = end_ - at_ > 1 ? at_[1] : '\0';
    if (kind == '!' || kind == '?') {
      Status status = scan_markup();
      if (!status.is_ok()) return status;
      continue;
    }
    const bool is_end = kind == '/';
    Status status = is_end ? scan_end_tag() : scan_start_tag();
    if (!status.is_ok()) return status;
    return is_end ? Event::kEnd : Event::kStart;
  }
}

Status XmlScanner::scan_start_tag() {
  char* const name = at_ + 1;
  if (name == end_ || !is_name_start(*name)) return broken("a tag without a name");
  if (depth_ == 0 && root_seen_) return broken("a second outermost element");
  if (depth_ == kMaxDepth) {
    return refused("XML deeper than " + std::to_string(kMaxDepth) + " elements");
  }
  root_seen_ = true;
  char* local = name;
  for (at_ = name; at_ < end_ && kIsName[static_cast<unsigned char>(*at_)]; ++at_) {
    if (*at_ == ':') local = at_ + 1;
  }
  const Name opened{view(name, at_), view(local, at_)};
  if (at_ == end_ || *at_ != '>') {
    Status status = skip_attributes();
    if (!status.is_ok()) return status;
  } else {
    ++at_;
  }
  open_[depth_] = opened;
  open_depth_ = ++depth_;
  name_ = opened.local;
  is_leaf_ = true;
  text_begin_ = text_end_ = nullptr;
  return Status::ok();
}

// From behind the name up to behind the '>'.
Status XmlScanner::skip_attributes() {
  while (true) {
    char* const before = at_;
    at_ = skip_blanks(at_, end_);
    if (at_ == end_) return broken("a tag without an end");
    if (*at_ == '>') {
      ++at_;
      return Status::ok();
    }
    if (rest().starts_with("/>")) {
      at_ += 2;
      is_empty_tag_ = true;
      return Status::ok();
    }
    if (at_ == before || !is_name_start(*at_)) return broken("a tag that is none");
    at_ = skip_blanks(name_end(at_, end_), end_);
    if (at_ == end_ || *at_ != '=') return broken("an attribute without a value");
    at_ = skip_blanks(at_ + 1, end_);
    if (at_ == end_ || (*at_ != '"' && *at_ != '\'')) return broken("an attribute without quotes");
    char* const close = find(at_ + 1, end_, *at_);
    if (close == end_ || find(at_, close, '<') != close) return broken("an attribute without end");
    at_ = close + 1;
  }
}

Status XmlScanner::scan_end_tag() {
  if (depth_ == 0) return broken("an end tag of nothing");
  const std::string_view full = open_[depth_ - 1].full;
  char* const name = at_ + 2;
  if (!view(name, end_).starts_with(full)) return broken("an end tag of another element");
  char* const stop = skip_blanks(name + full.size(), end_);
  if (stop == end_ || *stop != '>') return broken("an end tag of another element");
  at_ = stop + 1;
  name_ = open_[depth_ - 1].local;
  text_ = is_leaf_ ? view(text_begin_, text_end_) : std::string_view();
  is_leaf_ = false;
  --open_depth_;
  return Status::ok();
}

Status XmlScanner::scan_markup() {
  constexpr std::string_view kCdata = "<![CDATA[";
  const std::string_view markup = rest();
  if (markup.starts_with("<?")) return skip_to("?>");
  if (markup.starts_with("<!--")) return skip_to("-->");
  if (markup.starts_with("<!DOCTYPE")) return refused("XML with a DOCTYPE");
  if (depth_ == 0 || !markup.starts_with(kCdata)) return broken("a tag without a name");
  char* const begin = at_ + kCdata.size();
  const std::size_t size = view(begin, end_).find("]]>");
  if (size == std::string_view::npos) return broken("the end is missing");
  at_ = begin + size + 3;
  return is_leaf_ ? add_text(begin, begin + size, true) : Status::ok();
}

Status XmlScanner::skip_to(std::string_view end) {
  const std::size_t found = rest().find(end, 2);
  if (found == std::string_view::npos) return broken("the end is missing");
  at_ += found + end.size();
  return Status::ok();
}

Status XmlScanner::add_text(char* begin, char* end, bool is_cdata) {
  char* decoded_end = end;
  if (next_ampersand_ < begin) next_ampersand_ = find(begin, end_, '&');
  if (next_return_ < begin) next_return_ = find(begin, end_, '\r');
  if (next_ampersand_ < end || next_return_ < end) {
    Status status = decode(begin, &decoded_end, is_cdata);
    if (!status.is_ok()) return status;
  }
  if (text_begin_ == nullptr) {
    text_begin_ = begin;
    text_end_ = decoded_end;
  } else {  // a further piece, behind a comment or around CDATA
    const auto size = static_cast<std::size_t>(decoded_end - begin);
    std::memmove(text_end_, begin, size);
    text_end_ += size;
  }
  return Status::ok();
}

Status XmlScanner::decode(char* begin, char** end, bool is_cdata) {
  const char* from = begin;
  const char* const stop = *end;
  char* to = begin;
  while (from < stop) {
    if (*from == '\r') {  // "\r\n" and "\r" alone are "\n"
      *to++ = '\n';
      ++from;
      if (from < stop && *from == '\n') ++from;
    } else if (*from == '&' && !is_cdata) {
      std::uint32_t point = 0;
      std::size_t size = 0;
      switch (read_reference(view(from + 1, stop), &point, &size)) {
        case Reference::kCharacter:
          to = encode_utf8(point, to);  // no longer than the reference: "&#9;" is 4 bytes
          from += 1 + size;
          break;
        case Reference::kNone:
          *to++ = *from++;
          break;
        case Reference::kIllegal:
          return refused("XML with a reference to a character that does not exist");
      }
    } else {
      *to++ = *from++;
    }
  }
  *end = to;
  return Status::ok();
}

}  // namespace ossmc
