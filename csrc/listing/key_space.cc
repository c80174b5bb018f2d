#include "listing/key_space.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <iterator>

#include "base/utf8.h"

namespace ossmc {

namespace {

// Beyond it a place learns no more: its numbers are rounded then, which costs balance alone.
constexpr std::size_t kMaxSymbols = 512;

constexpr std::uint32_t kEnd = 0;

// Code points that go together: once two of them occurred at a place, others are expected there.
// Of large alphabets every step-th stands for those behind it.
struct SymbolClass {
  std::uint32_t first;
  std::uint32_t last;
  std::uint32_t step;
};
constexpr SymbolClass kClasses[] = {
    {'0', '9', 1},          {'A', 'Z', 1},           {'a', 'z', 1},         {0xc0, 0x24f, 8},
    {0x370, 0x52f, 8},      {0x590, 0x6ff, 8},       {0x900, 0xdff, 16},    {0xe00, 0xe7f, 4},
    {0x3040, 0x30ff, 4},    {0x3400, 0x4dbf, 64},    {0x4e00, 0x9fff, 128}, {0xac00, 0xd7a3, 128},
    {0x1f300, 0x1faff, 16}, {0x20000, 0x323af, 512},
};

// Letters end at the last hexadecimal digit while no other letter occurred.
constexpr std::uint32_t last_of(const SymbolClass& one, std::uint32_t largest_seen) {
  const bool is_letters = one.first == 'A' || one.first == 'a';
  return is_letters && largest_seen <= one.first + 5 ? one.first + 5 : one.last;
}

}  // namespace

std::vector<std::uint32_t> KeySpace::symbols_of(std::string_view key) const {
  assert(key.starts_with(prefix_));
  std::vector<std::uint32_t> symbols;
  for (key.remove_prefix(prefix_.size()); !key.empty();) {
    const auto [size, point] = decode_utf8_sequence(key);
    if (size == 0) break;  // against the contract, and no reason to go on for ever
    symbols.push_back(point + 1);
    key.remove_prefix(size);
  }
  return symbols;
}

bool KeySpace::add_symbol(Symbols& symbols, std::uint32_t symbol) {
  const auto at = std::lower_bound(symbols.begin(), symbols.end(), symbol);
  if (at != symbols.end() && *at == symbol) return false;
  if (symbols.size() >= kMaxSymbols) return false;
  symbols.insert(at, symbol);
  for (const SymbolClass& one : kClasses) {
    if (symbol <= one.first || symbol > one.last + 1) continue;
    const auto begin = std::lower_bound(symbols.begin(), symbols.end(), one.first + 1);
    const auto end = std::upper_bound(begin, symbols.end(), one.last + 1);
    if (end - begin < 2) break;
    const std::uint32_t last = last_of(one, *(end - 1) - 1);
    Symbols expected;
    for (std::uint32_t c = one.first; c <= last; c += one.step) expected.push_back(c + 1);
    Symbols both;
    std::set_union(symbols.begin(), symbols.end(), expected.begin(), expected.end(),
                   std::back_inserter(both));
    symbols = std::move(both);
    break;
  }
  return true;
}

void KeySpace::learn(std::string_view key) {
  std::vector<std::uint32_t> symbols = symbols_of(key);
  symbols.push_back(kEnd);
  if (places_.size() < symbols.size()) places_.resize(symbols.size());
  bool is_new = false;
  for (std::size_t i = 0; i < symbols.size(); ++i) is_new |= add_symbol(places_[i], symbols[i]);
  if (!is_new) return;
  ++version_;
  weights_.clear();
}

KeySpace::Number KeySpace::number_of(std::string_view key) const {
  const std::vector<std::uint32_t> symbols = symbols_of(key);
  Number number(places_.size() + 1);
  for (std::size_t i = 0; i < places_.size() && i < symbols.size(); ++i) {
    const Symbols& known = places_[i];
    const auto above = std::upper_bound(known.begin(), known.end(), symbols[i]);
    // Smaller than all that are known: the smallest stands for it.
    if (above == known.begin()) break;
    number[i + 1] = static_cast<std::uint32_t>(above - known.begin() - 1);
    if (*(above - 1) == symbols[i]) continue;
    // Between two that are known: behind all keys that begin with the smaller one.
    for (std::size_t k = i + 1; k < places_.size(); ++k)
      number[k + 1] = static_cast<std::uint32_t>(radix(k) - 1);
    break;
  }
  return number;
}

KeySpace::Number KeySpace::end() const {
  Number number(places_.size() + 1);
  number[0] = 1;
  return number;
}

std::string KeySpace::spell(const Number& number) const {
  assert(number.size() == places_.size() + 1 && number[0] == 0);
  std::size_t size = number.size();
  while (size > 1 && number[size - 1] == 0) --size;
  std::string key = prefix_;
  for (std::size_t i = 1; i < size; ++i) {
    const std::uint32_t symbol = places_[i - 1][number[i]];
    if (symbol == kEnd) break;
    char bytes[4];
    key.append(bytes, encode_utf8(symbol - 1, bytes));
  }
  return key;
}

KeySpace::Number KeySpace::difference(const Number& a, const Number& b) const {
  Number result(a.size());
  std::uint32_t borrow = 0;
  for (std::size_t i = a.size(); i-- > 0;) {
    const std::uint32_t take = b[i] + borrow;
    borrow = a[i] < take ? 1 : 0;
    assert(i > 0 || borrow == 0);
    result[i] = a[i] + (borrow == 0 ? 0 : static_cast<std::uint32_t>(radix(i - 1))) - take;
  }
  return result;
}

KeySpace::Number KeySpace::sum(const Number& a, const Number& b) const {
  Number result(a.size());
  std::uint32_t carry = 0;
  for (std::size_t i = a.size(); i-- > 0;) {
    result[i] = a[i] + b[i] + carry;
    carry = 0;
    if (i > 0 && result[i] >= radix(i - 1)) {
      result[i] -= static_cast<std::uint32_t>(radix(i - 1));
      carry = 1;
    }
  }
  return result;
}

KeySpace::Number KeySpace::scaled(const Number& a, std::uint32_t numerator,
                                  std::uint32_t denominator) const {
  std::vector<std::uint64_t> product(a.size());
  std::uint64_t carry = 0;
  for (std::size_t i = a.size(); i-- > 0;) {
    product[i] = std::uint64_t{a[i]} * numerator + carry;
    carry = 0;
    if (i > 0) {
      carry = product[i] / radix(i - 1);
      product[i] %= radix(i - 1);
    }
  }
  Number result(a.size());
  std::uint64_t rest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::uint64_t here = (i == 0 ? 0 : rest * radix(i - 1)) + product[i];
    result[i] = static_cast<std::uint32_t>(here / denominator);
    rest = here % denominator;
  }
  return result;
}

void KeySpace::update_weights() const {
  if (weights_.size() == places_.size() + 1) return;
  weights_.assign(places_.size() + 1, 0.0);
  for (std::size_t i = places_.size(); i-- > 0;)
    weights_[i] = weights_[i + 1] + std::log2(static_cast<double>(radix(i)));
}

double KeySpace::log2_of(const Number& a) const {
  update_weights();
  std::size_t first = 0;
  while (first < a.size() && a[first] == 0) ++first;
  if (first == a.size()) return -1.0;
  // Three places more than make up for a leading 1.
  double leading = 0.0;
  for (std::size_t i = first; i < a.size() && i < first + 12; ++i)
    leading += a[i] * std::exp2(weights_[i] - weights_[first]);
  return weights_[first] + std::log2(leading);
}

KeySpace::Number KeySpace::power_of_two(double exponent) const {
  update_weights();
  Number number(places_.size() + 1);
  std::size_t place = 0;
  // Places with one symbol have no digit but 0.
  while (place + 1 < number.size() &&
         (weights_[place] > exponent || (place > 0 && radix(place - 1) == 1)))
    ++place;
  while (place > 0 && radix(place - 1) == 1) --place;
  const double digit = std::exp2(std::max(0.0, exponent - weights_[place]));
  const double most = place == 0 ? 1.0 : static_cast<double>(radix(place - 1) - 1);
  number[place] = static_cast<std::uint32_t>(std::clamp(digit, 1.0, most));
  return number;
}

}  // namespace ossmc
