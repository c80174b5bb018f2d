#include "protocol/list_reply.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "protocol/any_date.h"
#include "protocol/ascii.h"
#include "protocol/object_name.h"
#include "protocol/percent.h"
#include "protocol/xml_scanner.h"

namespace ossmc {

namespace {

constexpr std::size_t kMaxObjects = 1 << 16;
// An object with all that OSS may say of it has 14 elements, and each has two tags.
constexpr XmlScanner::Limits kPageLimits{8 << 20, 28 * kMaxObjects};
constexpr auto kMaxSize = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

Status broken(std::string_view what, std::string_view value) {
  return Status(StatusCode::kProtocol, "the list reply's " + std::string(what) +
                                           " cannot be used: \"" + printable(value, 120) + "\"");
}

std::string_view unquoted(std::string_view text) {
  text = trim_blanks(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  return text;
}

PlusSigns plus_signs_of(std::string_view encoded) {
  PlusSigns signs;
  signs.raw = encoded.find('+') != encoded.npos;
  for (std::size_t at = encoded.find('%'); at != encoded.npos; at = encoded.find('%', at + 1)) {
    const std::string_view code = encoded.substr(at + 1, 2);
    signs.encoded_blank = signs.encoded_blank || code == "20";
    signs.encoded_plus = signs.encoded_plus || equal_ignoring_case(code, "2B");
  }
  return signs;
}

// Reads `page->body` into the page.
class PageReader {
 public:
  PageReader(ListPage* page, const PlusSigns& before)
      : page_(*page), plus_signs_(before), scanner_(page->body, kPageLimits) {}

  Status read() {
    Status status = read_tags();
    if (!status.is_ok()) return status;
    if (!encoding_.empty() && !equal_ignoring_case(encoding_, "url"))
      return broken("EncodingType", encoding_);
    // At the end: EncodingType may come last.
    status = decode_keys();
    if (!status.is_ok()) return status;
    // A token may hold a plus that is one.
    status = decode("NextContinuationToken", false, &token_);
    if (status.is_ok()) status = decode("NextMarker", plus_signs_.mean_blanks(), &marker_);
    if (!status.is_ok()) return status;
    page_.next_continuation_token = token_;
    page_.next_marker = marker_;
    if (truncated_.empty()) {
      page_.is_truncated = !token_.empty() || !marker_.empty() ||
                           page_.objects.size() + page_.common_prefixes.size() >= kKeysOfFullPage;
      return Status::ok();
    }
    page_.is_truncated = equal_ignoring_case(truncated_, "true");
    if (!page_.is_truncated && !equal_ignoring_case(truncated_, "false"))
      return broken("IsTruncated", truncated_);
    return Status::ok();
  }

 private:
  Status decode_keys() {
    if (!encoding_.empty()) {
      for (const ListedObject& object : page_.objects)
        page_.plus_signs.add(plus_signs_of(object.key));
      for (const std::string_view prefix : page_.common_prefixes)
        page_.plus_signs.add(plus_signs_of(prefix));
      plus_signs_.add(page_.plus_signs);
    }
    const bool are_blanks = page_.plus_signs.raw && plus_signs_.mean_blanks();
    for (ListedObject& object : page_.objects) {
      Status status = decode("Key", are_blanks, &object.key);
      if (!status.is_ok()) return status;
      if (object.key.empty() || !is_utf8(object.key)) return broken("Key", object.key);
    }
    for (std::string_view& prefix : page_.common_prefixes) {
      Status status = decode("CommonPrefixes", are_blanks, &prefix);
      if (!status.is_ok()) return status;
      if (prefix.empty() || !is_utf8(prefix)) return broken("CommonPrefixes", prefix);
    }
    return Status::ok();
  }

  Status read_tags() {
    constexpr std::size_t kRoot = 1, kChild = 2, kField = 3;  // depths
    bool is_object = false;
    bool is_prefix = false;
    while (true) {
      const Result<XmlScanner::Event> event = scanner_.next();
      if (!event.is_ok()) return event.status().with_prefix("the list reply cannot be read");
      if (*event == XmlScanner::Event::kDone) return Status::ok();
      Status status;
      if (*event == XmlScanner::Event::kStart) {
        if (scanner_.depth() == kRoot && scanner_.name() != "ListBucketResult") {
          return Status(StatusCode::kProtocol,
                        "the list reply is no ListBucketResult document but begins with <" +
                            printable(scanner_.name(), 80) + ">");
        }
        if (scanner_.depth() == kChild) {
          is_object = scanner_.name() == "Contents";
          is_prefix = scanner_.name() == "CommonPrefixes";
          if (is_object) status = begin_object();
        }
      } else if (scanner_.depth() == kField && is_object) {
        status = read_field(&page_.objects.back());
      } else if (scanner_.depth() == kField && is_prefix) {
        status = read_common_prefix();
      } else if (scanner_.depth() == kChild) {
        status = is_object ? end_object() : read_child();
      }
      if (!status.is_ok()) return status;
    }
  }

  Status read_child() {
    const std::string_view name = scanner_.name();
    if (name == "EncodingType") encoding_ = trim_blanks(scanner_.text());
    if (name == "IsTruncated") truncated_ = trim_blanks(scanner_.text());
    if (name == "NextContinuationToken") token_ = trim_blanks(scanner_.text());
    if (name == "NextMarker") marker_ = scanner_.text();  // a key, mostly
    return Status::ok();
  }

  // One element may hold several.
  Status read_common_prefix() {
    if (scanner_.name() != "Prefix") return Status::ok();
    if (page_.common_prefixes.size() == kMaxObjects) {
      return Status(StatusCode::kProtocol, "the list reply has more than " +
                                               std::to_string(kMaxObjects) + " common prefixes");
    }
    page_.common_prefixes.push_back(scanner_.text());
    return Status::ok();
  }

  Status begin_object() {
    if (page_.objects.size() == kMaxObjects) {
      return Status(StatusCode::kProtocol,
                    "the list reply has more than " + std::to_string(kMaxObjects) + " objects");
    }
    page_.objects.emplace_back();
    size_.reset();
    size_text_ = {};
    is_symlink_ = false;
    return Status::ok();
  }

  Status read_field(ListedObject* object) {
    const std::string_view name = scanner_.name();
    const std::string_view text = scanner_.text();
    if (name == "Key") {
      object->key = text;  // not trimmed: a key may begin or end with blanks
    } else if (name == "LastModified") {
      object->last_modified_unix = parse_any_date(text).value_or(0.0);
    } else if (name == "ETag") {
      object->etag = unquoted(text);
    } else if (name == "Size") {
      size_text_ = text;
      size_ = parse_decimal(trim_blanks(text), kMaxSize);
    } else if (name == "StorageClass") {
      object->storage_class = trim_blanks(text);
    } else if (name == "Type") {
      is_symlink_ = trim_blanks(text) == "Symlink";
    }
    return Status::ok();
  }

  Status end_object() {
    ListedObject& object = page_.objects.back();
    if (object.key.empty()) return broken("Key", object.key);
    if (!size_) return broken("Size", size_text_);
    object.size = *size_;
    // It is the link's, and reading gives the target, which has another.
    if (is_symlink_) object.etag = {};
    return Status::ok();
  }

  // Where it lies, which is in the body, or empty.
  Status decode(std::string_view what, bool plus_is_blank, std::string_view* text) const {
    if (encoding_.empty() || text->empty()) return Status::ok();
    const std::span<char> encoded{const_cast<char*>(text->data()), text->size()};
    if (plus_is_blank) std::replace(encoded.begin(), encoded.end(), '+', ' ');
    const std::optional<std::size_t> size = percent_decode_in_place(encoded);
    if (!size) return broken(what, *text);
    *text = text->substr(0, *size);
    return Status::ok();
  }

  ListPage& page_;
  PlusSigns plus_signs_;  // of the listing so far
  XmlScanner scanner_;
  std::string_view encoding_;
  std::string_view truncated_;
  std::string_view token_;
  std::string_view marker_;
  // Of the object that is being read.
  std::optional<std::uint64_t> size_;
  std::string_view size_text_;
  bool is_symlink_ = false;
};

}  // namespace

void PlusSigns::add(const PlusSigns& more) {
  raw = raw || more.raw;
  encoded_plus = encoded_plus || more.encoded_plus;
  encoded_blank = encoded_blank || more.encoded_blank;
}

Result<ListPage> parse_list_page(std::string body, const PlusSigns& before) {
  ListPage page;
  page.body = std::move(body);
  page.objects.reserve(kKeysOfFullPage);
  Status status = PageReader(&page, before).read();
  if (!status.is_ok()) return status;
  return page;
}

}  // namespace ossmc
