#include "protocol/list_reply.h"

#include <limits>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "protocol/ascii.h"
#include "protocol/dates.h"
#include "protocol/object_name.h"
#include "protocol/percent.h"
#include "protocol/xml_scanner.h"

namespace ossmc {

namespace {

constexpr std::size_t kMaxObjects =
    1000;  // what list_request() asks for, and the most that OSS gives
// An object with all that OSS may say of it has 14 elements, and each has two tags.
constexpr XmlScanner::Limits kPageLimits{8 << 20, 100 * kMaxObjects};
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

// Reads `page->body` into the page.
class PageReader {
 public:
  explicit PageReader(ListPage* page) : page_(*page), scanner_(page->body, kPageLimits) {}

  Status read() {
    Status status = read_tags();
    if (!status.is_ok()) return status;
    if (!encoding_.empty() && encoding_ != "url") return broken("EncodingType", encoding_);
    // At the end: EncodingType may come last.
    for (ListedObject& object : page_.objects) {
      status = decode("Key", &object.key);
      if (!status.is_ok()) return status;
      if (object.key.empty() || !is_utf8(object.key)) return broken("Key", object.key);
    }
    // An absent IsTruncated beside a token would end the list early without a word.
    const bool is_absent_by_right = truncated_.empty() && token_.empty();
    if (truncated_ != "true" && truncated_ != "false" && !is_absent_by_right) {
      return broken("IsTruncated", truncated_);
    }
    page_.is_truncated = truncated_ == "true";
    if (page_.is_truncated && token_.empty()) {
      return Status(StatusCode::kProtocol,
                    "the list reply says that it goes on (IsTruncated) and not where "
                    "(NextContinuationToken)");
    }
    status = decode("NextContinuationToken", &token_);
    page_.next_continuation_token = token_;
    return status;
  }

 private:
  Status read_tags() {
    constexpr std::size_t kRoot = 1, kChild = 2, kField = 3;  // depths
    bool is_object = false;
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
          if (is_object) status = begin_object();
        }
      } else if (scanner_.depth() == kField && is_object) {
        status = read_field(&page_.objects.back());
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
    return Status::ok();
  }

  Status begin_object() {
    if (page_.objects.size() == kMaxObjects) {
      return Status(StatusCode::kProtocol, "the list reply has more than 1,000 objects");
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
      if (trim_blanks(text).empty()) return Status::ok();
      const auto seconds = parse_iso_date(text);
      if (!seconds) return broken("LastModified", text);
      object->last_modified_unix = *seconds;
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
  Status decode(std::string_view what, std::string_view* text) const {
    if (encoding_.empty() || text->empty()) return Status::ok();
    const std::optional<std::size_t> size =
        percent_decode_in_place({const_cast<char*>(text->data()), text->size()});
    if (!size) return broken(what, *text);
    *text = text->substr(0, *size);
    return Status::ok();
  }

  ListPage& page_;
  XmlScanner scanner_;
  std::string_view encoding_;
  std::string_view truncated_;
  std::string_view token_;
  // Of the object that is being read.
  std::optional<std::uint64_t> size_;
  std::string_view size_text_;
  bool is_symlink_ = false;
};

}  // namespace

Result<ListPage> parse_list_page(std::string body) {
  ListPage page;
  page.body = std::move(body);
  page.objects.reserve(kMaxObjects);
  Status status = PageReader(&page).read();
  if (!status.is_ok()) return status;
  return page;
}

}  // namespace ossmc
