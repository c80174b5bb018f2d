#include "protocol/error_document.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "protocol/ascii.h"
#include "protocol/object_name.h"
#include "protocol/secrets.h"
#include "protocol/xml_document.h"

namespace ossmc {

namespace {

constexpr std::size_t kMaxBodyBytes = 64 << 10;
constexpr XmlDocument::Limits kDocumentLimits{kMaxBodyBytes, 2000};
constexpr std::size_t kMaxMessageBytes = 512;  // the dots of one that was cut among them
constexpr std::size_t kMaxCleanedBytes = 4096;
constexpr std::size_t kMaxWordBytes = 128;  // codes, ids, hosts

// Shorter pieces of what was signed (a method, a date's parts) are no secret and would blot out
// ordinary words.
constexpr std::size_t kMinSecretBytes = 12;
// A string to sign has some ten lines; this bounds the work that a hostile one makes.
constexpr std::size_t kMaxSecrets = 64;

void replace_all(std::string* text, std::string_view what, std::string_view with) {
  for (std::size_t at = text->find(what); at != text->npos;
       at = text->find(what, at + with.size())) {
    text->replace(at, what.size(), with);
  }
}

// What must not be repeated of a string to sign: itself, its lines, and the values in them.
void add_secrets(std::string_view signed_text, std::vector<std::string>* secrets) {
  const auto add = [&](std::string_view piece) {
    piece = trim_blanks(piece);
    if (piece.size() < kMinSecretBytes || secrets->size() == kMaxSecrets) return;
    secrets->emplace_back(piece);
  };
  add(signed_text);
  while (!signed_text.empty()) {
    const std::size_t end = std::min(signed_text.find('\n'), signed_text.size());
    std::string_view line = signed_text.substr(0, end);
    signed_text.remove_prefix(std::min(end + 1, signed_text.size()));
    add(line);
    if (const std::size_t colon = line.find(':'); colon != line.npos) add(line.substr(colon + 1));
    const std::size_t question = line.find('?');
    for (line.remove_prefix(std::min(question, line.size())); !line.empty();) {
      line.remove_prefix(1);
      const std::size_t amp = std::min(line.find('&'), line.size());
      const std::string_view item = line.substr(0, amp);
      if (const std::size_t equals = item.find('='); equals != item.npos) {
        add(item.substr(equals + 1));
      }
      line.remove_prefix(amp);
    }
  }
}

// Where the next value after a "security-token" lies; both npos: there is none.
struct TokenValue {
  std::size_t begin;
  std::size_t end;
};
TokenValue find_token_value(std::string_view text, std::string_view lower, std::size_t from) {
  constexpr std::string_view kName = "security-token";
  const std::size_t at = lower.find(kName, from);
  if (at == lower.npos) return {at, at};
  const std::size_t begin =
      std::min(text.find_first_not_of(" :=\"'", at + kName.size()), text.size());
  return {begin, std::min(text.find_first_of(" \t\r\n\"'&<>,;", begin), text.size())};
}

// The tokens that stand anywhere in the raw body, where it may be no document at all.
void add_token_values(std::string_view body, std::vector<std::string>* secrets) {
  const std::string lower = to_ascii_lower(body);
  for (TokenValue value = find_token_value(body, lower, 0); value.begin != body.npos;
       value = find_token_value(body, lower, value.end)) {
    if (value.end - value.begin < kMinSecretBytes) continue;
    if (secrets->size() == kMaxSecrets) return;
    secrets->emplace_back(body.substr(value.begin, value.end - value.begin));
  }
}

// `text` as one short line without `secrets`.
std::string clean_text(std::string text, std::vector<std::string> secrets) {
  // The longest first, so that none leaves a piece of a longer one behind.
  std::sort(secrets.begin(), secrets.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  for (const std::string& secret : secrets) replace_all(&text, secret, kBlot);
  return printable(redact_security_tokens(collapse_blanks(text)), kMaxMessageBytes - 3);
}

std::string clean_message(std::string text, std::vector<std::string> secrets) {
  // No message of the store is that long, and blotting out is quadratic.
  if (text.size() > kMaxCleanedBytes) {
    return "(a message of " + std::to_string(text.size()) + " bytes, left out)";
  }
  return clean_text(std::move(text), std::move(secrets));
}

// A code, an id, a host: one word, or what the server sent is none.
std::string clean_word(std::string_view text) {
  text = trim_blanks(text);
  if (std::any_of(text.begin(), text.end(), is_ascii_blank)) return {};
  return printable(text, kMaxWordBytes);
}

// The element that the cut document `body` ends in, if it lacks its end: a cut code is another
// code.
pugi::xml_node cut_element(pugi::xml_node root, std::string_view body) {
  const pugi::xml_node last = root.last_child();
  const std::string closing = "</" + std::string(last.name()) + ">";
  return body.find(closing) == body.npos ? last : pugi::xml_node();
}

constexpr std::pair<std::string_view, std::string ErrorReply::*> kWords[] = {
    {"Code", &ErrorReply::code},
    {"RequestId", &ErrorReply::request_id},
    {"EC", &ErrorReply::ec},
    {"Endpoint", &ErrorReply::endpoint},
    {"ServerTime", &ErrorReply::server_time},
    {"HostId", &ErrorReply::host_id},
};
constexpr std::string_view kSignedTexts[] = {"StringToSign", "StringToSignBytes",
                                             "CanonicalRequest", "CanonicalRequestBytes",
                                             "SignatureProvided"};

// Where an excerpt of a body leaves everything out: what is no prose, and what may hold a token.
constexpr std::pair<std::string_view, std::string_view> kLeftOut[] = {
    {"<style", "</style"},
    {"<script", "</script"},
    {"<!--", "-->"},
    {"<StringToSign", "</StringToSign"},
    {"<CanonicalRequest", "</CanonicalRequest"},
};

// Bytes up to the first character that base64 does not have.
std::string decode_base64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : trim_blanks(text)) {
    const std::size_t value = kAlphabet.find(c);
    if (value == kAlphabet.npos) break;
    bits = (bits << 6 | static_cast<unsigned>(value)) & 0xFFFFFF;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xFF));
    }
  }
  return out;
}

}  // namespace

ErrorReply parse_error_body(std::string_view body) {
  ErrorReply reply;
  XmlDocument document;
  body = body.substr(0, kMaxBodyBytes);
  const bool is_whole = document.load(body, kDocumentLimits).is_ok();
  const pugi::xml_node root = document.root();
  if (local_name(root) != "Error") return reply;
  const pugi::xml_node cut = is_whole ? pugi::xml_node() : cut_element(root, body);
  std::string message;
  std::vector<std::string> secrets;
  for (const pugi::xml_node node : root.children()) {
    const std::string_view name = local_name(node);
    if (name == "Message") message = element_text(node);
    if (std::find(std::begin(kSignedTexts), std::end(kSignedTexts), name) !=
        std::end(kSignedTexts)) {
      add_secrets(element_text(node), &secrets);
    }
    if (!is_whole && node == cut) continue;
    for (const auto& [word, field] : kWords) {
      if (name == word) reply.*field = clean_word(element_text(node));
    }
  }
  if (!message.empty()) {
    add_token_values(body, &secrets);
    reply.message = clean_message(std::move(message), std::move(secrets));
  }
  return reply;
}

ErrorReply parse_error_header(std::string_view base64) {
  return parse_error_body(decode_base64(base64.substr(0, kMaxBodyBytes / 3 * 4)));
}

std::string body_excerpt(std::string_view body) {
  // Enough to find some words behind the styles and scripts that such pages begin with.
  body = body.substr(0, kMaxBodyBytes);
  std::vector<std::string> secrets;
  add_token_values(body, &secrets);
  std::string text;
  while (!body.empty()) {
    if (body.front() != '<') {
      const std::size_t end = std::min(body.find('<'), body.size());
      text += body.substr(0, end);
      body.remove_prefix(end);
      continue;
    }
    // Of these elements the content goes with the tags.
    std::string_view closing = ">";
    for (const auto& [open, close] : kLeftOut) {
      if (equal_ignoring_case(body.substr(0, open.size()), open)) closing = close;
    }
    text += ' ';
    const std::size_t end = body.find(closing);
    if (end == body.npos) break;
    body.remove_prefix(end);
    body.remove_prefix(std::min(body.find('>'), body.size() - 1) + 1);
  }
  return clean_text(std::move(text), std::move(secrets));
}

std::string redact_security_tokens(std::string_view text) {
  const std::string lower = to_ascii_lower(text);
  std::string out;
  std::size_t done = 0;
  for (TokenValue value = find_token_value(text, lower, 0); value.begin != text.npos;
       value = find_token_value(text, lower, done)) {
    out += text.substr(done, value.begin - done);
    if (value.end > value.begin) out += kBlot;
    done = value.end;
  }
  return out += text.substr(done);
}

}  // namespace ossmc
