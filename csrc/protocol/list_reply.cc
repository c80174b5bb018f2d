#include "protocol/list_reply.h"

#include <limits>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "protocol/ascii.h"
#include "protocol/dates.h"
#include "protocol/object_name.h"
#include "protocol/percent.h"
#include "protocol/xml_document.h"

namespace ossmc {

namespace {

constexpr std::size_t kMaxObjects =
    1000;  // what list_request() asks for, and the most that OSS gives
// An object with all that OSS may say of it has 14 elements, and each has two tags.
constexpr XmlDocument::Limits kLimits{8 << 20, 100 * kMaxObjects};
constexpr auto kMaxSize = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

Status broken(std::string_view what, std::string_view value) {
  return Status(StatusCode::kProtocol, "the list reply's " + std::string(what) +
                                           " cannot be used: \"" + printable(value, 120) + "\"");
}

// Texts of one page, decoded as its EncodingType says.
class PageReader {
 public:
  Status read(pugi::xml_node root, ListPage* page) {
    std::string truncated;
    std::string token;
    // First, since it may come last.
    for (const pugi::xml_node node : root.children()) {
      if (local_name(node) == "EncodingType") encoding_ = trim_blanks(element_text(node));
    }
    if (!encoding_.empty() && encoding_ != "url") return broken("EncodingType", encoding_);
    for (const pugi::xml_node node : root.children()) {
      const std::string_view name = local_name(node);
      if (name == "Contents") {
        if (page->objects.size() == kMaxObjects) {
          return Status(StatusCode::kProtocol, "the list reply has more than 1,000 objects");
        }
        Status status = read_object(node, &page->objects.emplace_back());
        if (!status.is_ok()) return status;
      } else if (name == "IsTruncated") {
        truncated = trim_blanks(element_text(node));
      } else if (name == "NextContinuationToken") {
        token = trim_blanks(element_text(node));
      }
    }
    // An absent IsTruncated beside a token would end the list early without a word.
    const bool is_absent_by_right = truncated.empty() && token.empty();
    if (truncated != "true" && truncated != "false" && !is_absent_by_right) {
      return broken("IsTruncated", truncated);
    }
    page->is_truncated = truncated == "true";
    if (page->is_truncated && token.empty()) {
      return Status(StatusCode::kProtocol,
                    "the list reply says that it goes on (IsTruncated) and not where "
                    "(NextContinuationToken)");
    }
    return decode("NextContinuationToken", token, &page->next_continuation_token);
  }

 private:
  Status read_object(pugi::xml_node contents, ListedObject* object) const {
    std::optional<std::uint64_t> size;
    std::string size_text;
    std::string key;
    for (const pugi::xml_node node : contents.children()) {
      const std::string_view name = local_name(node);
      if (name == "Key") {
        key = element_text(node);  // not trimmed: a key may begin or end with blanks
      } else if (name == "Size") {
        size_text = element_text(node);
        size = parse_decimal(trim_blanks(size_text), kMaxSize);
      } else if (name == "ETag") {
        object->etag = unquoted(element_text(node));
      } else if (name == "LastModified") {
        const std::string text = element_text(node);
        if (trim_blanks(text).empty()) continue;
        const auto seconds = parse_iso_date(text);
        if (!seconds) return broken("LastModified", text);
        object->last_modified_unix = *seconds;
      } else if (name == "StorageClass") {
        object->storage_class = trim_blanks(element_text(node));
      }
    }
    Status status = decode("Key", key, &object->key);
    if (!status.is_ok()) return status;
    if (object->key.empty() || !is_utf8(object->key)) return broken("Key", object->key);
    if (!size) return broken("Size", size_text);
    object->size = *size;
    return Status::ok();
  }

  Status decode(std::string_view what, const std::string& text, std::string* out) const {
    if (encoding_.empty()) {
      *out = text;
      return Status::ok();
    }
    std::optional<std::string> decoded = percent_decode(text);
    if (!decoded) return broken(what, text);
    *out = *std::move(decoded);
    return Status::ok();
  }

  static std::string_view unquoted(std::string_view text) {
    text = trim_blanks(text);
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
      text = text.substr(1, text.size() - 2);
    }
    return text;
  }

  std::string encoding_;
};

}  // namespace

Result<ListPage> parse_list_page(std::string_view body) {
  XmlDocument document;
  Status status = document.load(body, kLimits);
  if (!status.is_ok()) return status.with_prefix("the list reply cannot be read");
  const pugi::xml_node root = document.root();
  if (local_name(root) != "ListBucketResult") {
    return Status(StatusCode::kProtocol,
                  "the list reply is no ListBucketResult document but begins with <" +
                      printable(local_name(root), 80) + ">");
  }
  ListPage page;
  status = PageReader().read(root, &page);
  if (!status.is_ok()) return status;
  return page;
}

}  // namespace ossmc
