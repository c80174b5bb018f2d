// KeySpace: keys as numbers, in a mixed radix that is learnt from the keys seen.
//
// A place is a code point of the key behind the listing's prefix. Its symbols are those that
// occurred there, and "the key ends here", which sorts first; digits and letters are completed to
// their class once two of them occurred. So a number for every key in the order of its bytes (which
// is that of its code points), and for every number a key to cut at, which need not exist.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ossmc {

// Used by one thread at a time.
class KeySpace {
 public:
  // A number: a digit a place, the most significant first, after one for the carry.
  using Number = std::vector<std::uint32_t>;

  explicit KeySpace(std::string prefix) : prefix_(std::move(prefix)) {}

  // REQUIRES: valid UTF-8 that begins with the prefix.
  void learn(std::string_view key);
  // Numbers of different versions do not go together.
  std::uint64_t version() const { return version_; }

  // Of the largest spellable key that is not behind `key`. Right up to the next learn().
  // REQUIRES: as learn().
  Number number_of(std::string_view key) const;
  // Of the first key that is spelt with a carry: behind all others.
  Number end() const;
  // A key that sorts like the number, without what does not matter at its end.
  std::string spell(const Number& number) const;

  // REQUIRES: a >= b.
  Number difference(const Number& a, const Number& b) const;
  Number sum(const Number& a, const Number& b) const;
  // a x numerator / denominator, rounded down. REQUIRES: both < 2^16, denominator > 0.
  Number scaled(const Number& a, std::uint32_t numerator, std::uint32_t denominator) const;
  // Below 0: it is zero.
  double log2_of(const Number& a) const;
  // The number whose logarithm is about that; at least 1.
  Number power_of_two(double exponent) const;

 private:
  // Code points + 1, ascending; 0: the key ends.
  using Symbols = std::vector<std::uint32_t>;

  // False: it was there.
  static bool add_symbol(Symbols& symbols, std::uint32_t symbol);
  std::vector<std::uint32_t> symbols_of(std::string_view key) const;
  std::size_t radix(std::size_t place) const { return places_[place].size(); }
  void update_weights() const;

  const std::string prefix_;
  std::vector<Symbols> places_;
  std::uint64_t version_ = 0;
  // log2 of what a 1 at each place is worth; empty: to be computed.
  mutable std::vector<double> weights_;
};

}  // namespace ossmc
