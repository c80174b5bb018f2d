// FastListing against a store, and answers in an order, that the input makes up. The first byte
// says whether the store is honest: then the listing must be whole and give each key once. If it is
// not, the listing must end or refuse. The keys are numbered as well, half of them known.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "listing/fast_listing.h"
#include "listing/key_space.h"
#include "require.h"

namespace {

// Bytes of the input, then zeros.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  unsigned next() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  std::size_t below(std::size_t end) { return end == 0 ? 0 : next() % end; }
  bool is_empty() const { return left_ == 0; }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

constexpr std::string_view kSymbols[] = {"a", "b", "f",      "z",      "0",          "1", "9", "/",
                                         "-", " ", "\u00e9", "\u6570", "\U0001f600", "A", "~", "%"};

std::string made_up_key(Choices& choices, const std::string& before) {
  std::string key = before.substr(0, choices.below(before.size() + 1));
  while (!key.empty() && (static_cast<unsigned char>(key.back()) & 0x80) != 0) key.pop_back();
  const std::size_t length = 1 + choices.below(6);
  for (std::size_t i = 0; i < length; ++i) key += kSymbols[choices.below(std::size(kSymbols))];
  return key;
}

void check_numbers(const std::string& prefix, const std::set<std::string>& keys) {
  ossmc::KeySpace space(prefix);
  bool is_known = false;
  for (const std::string& key : keys) {
    if ((is_known = !is_known)) space.learn(key);
  }
  auto before = space.number_of(prefix);
  for (const std::string& key : keys) {
    const auto number = space.number_of(key);
    require(before <= number && number < space.end(), "numbers have the order of keys");
    require(space.spell(number) <= key, "no number is of a key behind");
    before = number;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  const bool honest = choices.next() % 4 != 0;
  const std::string prefix = choices.next() % 2 == 0 ? "" : "p/";
  const int slots = 1 + static_cast<int>(choices.below(40));
  const std::size_t page_keys = 1 + choices.below(9);
  const std::size_t count = choices.below(200);
  std::set<std::string> store;
  std::string before;
  for (std::size_t i = 0; i < count; ++i) {
    before = made_up_key(choices, before);
    store.insert(prefix + before);
  }

  check_numbers(prefix, store);

  ossmc::FastListing listing(prefix, slots);
  std::vector<ossmc::PageWanted> asked;
  std::vector<std::string> got;
  // A page a key, and what guesses may cost on top.
  const std::size_t most_pages = 200 + 4 * (store.size() + 1);
  for (std::size_t pages = 0; pages < most_pages; ++pages) {
    while (auto wanted = listing.next()) asked.push_back(std::move(*wanted));
    require(static_cast<int>(asked.size()) <= slots, "no more requests than slots");
    if (listing.is_done() && asked.empty()) break;
    require(!asked.empty(), "it waits for something");
    const std::size_t which = choices.below(asked.size());
    const ossmc::PageWanted wanted = std::move(asked[which]);
    asked.erase(asked.begin() + static_cast<std::ptrdiff_t>(which));
    if (choices.next() % 16 == 1) listing.note_throttled();
    std::vector<std::string> keys;
    auto at = wanted.after.empty() ? store.begin() : store.upper_bound(wanted.after);
    const std::size_t limit = 1 + choices.below(page_keys);
    for (; at != store.end() && keys.size() < limit; ++at) keys.push_back(*at);
    bool is_truncated = at != store.end();
    if (!honest) {
      if (choices.next() % 4 == 1) keys.push_back(prefix + made_up_key(choices, before));
      if (choices.next() % 4 == 1) keys.emplace_back("outside");
      if (choices.next() % 4 == 1) std::reverse(keys.begin(), keys.end());
      if (choices.next() % 4 == 1) is_truncated = !is_truncated;
      if (choices.next() % 4 == 1) keys.clear();
    }
    const std::vector<std::string_view> views(keys.begin(), keys.end());
    const auto kept = listing.take_page(wanted.id, views, is_truncated);
    if (!kept.is_ok()) {
      require(!honest, "an honest store is listed");
      require(kept.status().code() == ossmc::StatusCode::kProtocol, "a refusal is kProtocol");
      return 0;
    }
    require(*kept <= keys.size(), "rows of the page");
    got.insert(got.end(), keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(*kept));
  }
  if (!honest) return 0;
  require(listing.is_done() && asked.empty(), "the listing ends");
  std::sort(got.begin(), got.end());
  require(std::equal(got.begin(), got.end(), store.begin(), store.end()),
          "every key once, and no other");
  return 0;
}
