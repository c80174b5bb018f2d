#include "support/csrc/key_shapes.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <functional>
#include <utility>

#include "support/csrc/pattern.h"

namespace ossmc {
namespace {

using Append = std::function<void(std::uint64_t index, std::string& out)>;
using Symbols = std::vector<std::string>;

// --- how keys are put together

void append_decimal(std::uint64_t value, int places, std::string& out) {
  char digits[20];
  char* const end = digits + sizeof digits;
  char* begin = end;
  do {
    *--begin = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  if (end - begin < places) out.append(static_cast<std::size_t>(places - (end - begin)), '0');
  out.append(begin, end);
}

void append_hex(std::uint64_t value, int places, std::string& out) {
  for (int place = places - 1; place >= 0; --place)
    out += "0123456789abcdef"[(value >> (4 * place)) & 15];
}

void append_utf8(char32_t point, std::string& out) {
  const auto last = [&](int shift) { out += static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | (point >> 6));
    last(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | (point >> 12));
    last(6);
    last(0);
  } else {
    out += static_cast<char>(0xF0 | (point >> 18));
    last(12);
    last(6);
    last(0);
  }
}

std::string utf8(char32_t point) {
  std::string text;
  append_utf8(point, text);
  return text;
}

Symbols ascii_symbols(std::string_view characters) {
  Symbols symbols;
  for (const char character : characters) symbols.emplace_back(1, character);
  std::sort(symbols.begin(), symbols.end());
  return symbols;
}

Symbols point_symbols(const std::vector<char32_t>& points) {
  Symbols symbols;
  for (const char32_t point : points) symbols.push_back(utf8(point));
  std::sort(symbols.begin(), symbols.end());
  return symbols;
}

Symbols point_range(char32_t first, int count) {
  Symbols symbols;
  for (int i = 0; i < count; ++i) symbols.push_back(utf8(first + static_cast<char32_t>(i)));
  return symbols;
}

void append_places(std::uint64_t value, const Symbols& symbols, int places, std::string& out) {
  std::uint64_t unit = 1;
  for (int place = 1; place < places; ++place) unit *= symbols.size();
  for (int place = 0; place < places; ++place, unit /= symbols.size())
    out += symbols[value / unit % symbols.size()];
}

std::uint64_t power(std::uint64_t base, int exponent) {
  std::uint64_t value = 1;
  for (int i = 0; i < exponent; ++i) value *= base;
  return value;
}

// Number i of `size` increasing ones in [0, range), range 0 being 2^64: each in its own part of the
// range, at a place in it that looks random.
class SpreadNumbers {
 public:
  SpreadNumbers(std::uint64_t size, std::uint64_t range, std::uint64_t seed)
      : step_(std::max<std::uint64_t>(
            (range == 0 ? ~std::uint64_t{0} : range) / std::max<std::uint64_t>(size, 1), 1)),
        seed_(seed) {}

  std::uint64_t operator()(std::uint64_t index) const {
    return index * step_ + pattern_word(seed_, index) % step_;
  }

 private:
  const std::uint64_t step_;
  const std::uint64_t seed_;
};

// Random names of `places` symbols, in order.
Append spread_text(std::uint64_t size, Symbols symbols, int places, std::uint64_t seed,
                   std::string_view behind = "") {
  const SpreadNumbers numbers(size, power(symbols.size(), places), seed);
  return [=, symbols = std::move(symbols), tail = std::string(behind)](std::uint64_t index,
                                                                       std::string& out) {
    append_places(numbers(index), symbols, places, out);
    out += tail;
  };
}

void append_uuid(std::uint64_t high, std::uint64_t low, std::string& out) {
  append_hex(high >> 32, 8, out);
  out += '-';
  append_hex(high >> 16, 4, out);
  out += "-4";
  append_hex(high >> 4, 3, out);
  out += '-';
  append_hex(0x8000 | ((low >> 48) & 0x3FFF), 4, out);
  out += '-';
  append_hex(low, 12, out);
}

// Folders by name and weight; all keys are shared out among them.
class Folders {
 public:
  void add(std::string name, double weight) { weighed_.emplace_back(std::move(name), weight); }

  void share(std::uint64_t size) {
    std::stable_sort(weighed_.begin(), weighed_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    double total = 0;
    for (const auto& [name, weight] : weighed_) total += weight;
    double sum = 0;
    for (const auto& [name, weight] : weighed_) {
      sum += weight;
      const auto end =
          static_cast<std::uint64_t>(std::llround(sum / total * static_cast<double>(size)));
      ends_.push_back(std::min(end, size));
    }
    ends_.back() = size;
  }

  struct Place {
    const std::string& folder;
    std::uint64_t folder_number;
    std::uint64_t number;  // of the key, in its folder
    std::uint64_t count;   // of the folder's keys
  };
  Place find(std::uint64_t index) const {
    const auto end = std::upper_bound(ends_.begin(), ends_.end(), index);
    const std::uint64_t begin = end == ends_.begin() ? 0 : *(end - 1);
    const auto number = static_cast<std::size_t>(end - ends_.begin());
    return {weighed_[number].first, number, index - begin, *end - begin};
  }

 private:
  std::vector<std::pair<std::string, double>> weighed_;
  std::vector<std::uint64_t> ends_;
};

template <typename File>
Append in_folders(std::uint64_t size, Folders folders, File file) {
  folders.share(size);
  return [folders = std::make_shared<const Folders>(std::move(folders)), file](std::uint64_t index,
                                                                               std::string& out) {
    const Folders::Place place = folders->find(index);
    out += place.folder;
    file(place, out);
  };
}

std::string text(const char* format, auto... values) {
  char buffer[256];
  const int size = std::snprintf(buffer, sizeof buffer, format, values...);
  return std::string(buffer, static_cast<std::size_t>(size));
}

double unit(std::uint64_t seed, std::uint64_t index) {
  return static_cast<double>(pattern_word(seed, index) >> 11) * 0x1p-53;
}

// --- the shapes

constexpr auto kNumbered = [](const Folders::Place& place, std::string& out) {
  out += "part-";
  append_decimal(place.number, 8, out);
};

Append flat_numbered(std::uint64_t) {
  return [](std::uint64_t index, std::string& out) {
    out += "shard-";
    append_decimal(index, 10, out);
    out += ".bin";
  };
}

Append hex_hashes(std::uint64_t size) {
  const SpreadNumbers numbers(size, 0, 1);
  return [=](std::uint64_t index, std::string& out) {
    append_hex(numbers(index), 16, out);
    append_hex(pattern_word(2, index), 16, out);
  };
}

Append uuids(std::uint64_t size) {
  const SpreadNumbers numbers(size, std::uint64_t{1} << 60, 3);
  return [=](std::uint64_t index, std::string& out) {
    append_uuid(numbers(index) << 4, pattern_word(4, index), out);
  };
}

// Weekends are quiet, hosts differ, and there is more every year.
Append dated_tree(std::uint64_t size) {
  Folders folders;
  for (int day = 0; day < 6 * 12 * 28; ++day) {
    for (int host = 0; host < 16; ++host) {
      const double busy = (day % 7 < 2 ? 0.3 : 1.0) * (1 + day / 500.0);
      folders.add(text("%04d/%02d/%02d/host-%02d/", 2016 + day / (12 * 28), day / 28 % 12 + 1,
                       day % 28 + 1, host),
                  busy * (0.2 + 2 * unit(5, host) * unit(6, day * 16 + host)));
    }
  }
  return in_folders(size, std::move(folders), [](const Folders::Place& place, std::string& out) {
    const std::uint64_t ms = place.number * (86'400'000 / std::max<std::uint64_t>(place.count, 1));
    append_decimal(ms / 3'600'000, 2, out);
    append_decimal(ms / 60'000 % 60, 2, out);
    append_decimal(ms / 1000 % 60, 2, out);
    out += '-';
    append_decimal(ms % 1000, 3, out);
    out += ".log.gz";
  });
}

// Months and days without a leading zero.
Append hive_partitions(std::uint64_t size) {
  Folders folders;
  for (int day = 0; day < 3 * 12 * 28; ++day) {
    folders.add(
        text("year=%d/month=%d/day=%d/", 2021 + day / (12 * 28), day / 28 % 12 + 1, day % 28 + 1),
        0.5 + unit(7, day));
  }
  return in_folders(size, std::move(folders), [](const Folders::Place& place, std::string& out) {
    kNumbered(place, out);
    out += '-';
    append_hex(pattern_word(8, place.number), 16, out);
    out += ".c000.snappy.parquet";
  });
}

Append one_deep_prefix(std::uint64_t) {
  return [](std::uint64_t index, std::string& out) {
    out +=
        "organisation/department/team/project-17/2024-05-13/experiments/run-0042/"
        "checkpoints/global_step/rank/shard/tensors/";
    append_decimal(index, 8, out);
    out += ".pt";
  };
}

Append long_common_prefix(std::uint64_t) {
  std::string common;
  while (common.size() < 1000)
    common += "0123456789abcdefghijklmnopqrstuvwxyz/"[common.size() % 37];
  return [common](std::uint64_t index, std::string& out) {
    out += common;
    append_decimal(index, 9, out);
  };
}

// x, xx, xxx... behind each number.
Append prefix_chains(std::uint64_t) {
  return [](std::uint64_t index, std::string& out) {
    append_decimal(index / 200, 7, out);
    out.append(index % 200, 'x');
  };
}

// A binary tree in preorder: k, k/, k//, k//a, k/a...: every key but the leaves is a prefix of two.
Append prefix_tree(std::uint64_t size) {
  std::uint64_t whole = 1;
  while (whole < size) whole = 2 * whole + 1;
  return [whole](std::uint64_t index, std::string& out) {
    out += 'k';
    std::uint64_t tree = whole;
    while (index != 0) {
      tree /= 2;
      --index;
      out += index < tree ? '/' : 'a';
      if (index >= tree) index -= tree;
    }
  };
}

Append zipf_folders(std::uint64_t size) {
  Folders folders;
  for (int rank = 1; rank <= 3000; ++rank)
    folders.add(text("%08x/", static_cast<unsigned>(pattern_word(9, rank) >> 32)), 1.0 / rank);
  return in_folders(size, std::move(folders), kNumbered);
}

Append huge_and_tiny_folders(std::uint64_t size) {
  Folders folders;
  for (int i = 0; i < 10'000; ++i) folders.add(text("d%05d/", i), 1 + 2 * unit(10, i));
  folders.add("d05000-huge/", std::max(2e4, static_cast<double>(size)) - 2e4 + 1e-9);
  return in_folders(size, std::move(folders), kNumbered);
}

Append one_key_a_folder(std::uint64_t size) {
  const SpreadNumbers numbers(size, 1'000'000'000, 11);
  return [=](std::uint64_t index, std::string& out) {
    out += "user-";
    append_decimal(numbers(index), 9, out);
    out += "/profile/picture.jpg";
  };
}

Append cjk(std::uint64_t size) {
  return spread_text(size, point_range(0x4E00, 20'000), 2, 12, ".txt");
}

Append emoji(std::uint64_t size) {
  return spread_text(size, point_range(0x1F300, 768), 3, 13, ".png");
}

// From all planes: byte order is not the order of UTF-16.
Append all_planes(std::uint64_t size) {
  return spread_text(
      size,
      point_symbols({'0', '9', 'A', 'z', 0xE9, 0xDF, 0x416, 0x5D0, 0x3042, 0x4E2D, 0xAC00, 0xE000,
                     0xFB01, 0xFF21, 0xFFEE, 0x10000, 0x1F600, 0x20000, 0x2F800}),
      7, 14);
}

Append special_characters(std::uint64_t size) {
  return spread_text(size, ascii_symbols(" !\"#%&'*+,/:;<=>?@\\~"), 7, 15, " %2B+");
}

// The ends of what UTF-8 can say, the largest key of all among them.
Append extreme_characters(std::uint64_t size) {
  const Symbols symbols =
      point_symbols({0x1, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF});
  const SpreadNumbers numbers(size, power(symbols.size(), 9), 16);
  return [=](std::uint64_t index, std::string& out) {
    const bool is_last = index + 1 == size;
    append_places(is_last ? power(symbols.size(), 9) - 1 : numbers(index), symbols, 9, out);
  };
}

Append one_first_letter(std::uint64_t size) {
  Append rest = spread_text(size, ascii_symbols("abcdefghijklmnopqrstuvwxyz"), 6, 17, ".json");
  return [rest = std::move(rest)](std::uint64_t index, std::string& out) {
    out += 'm';
    rest(index, out);
  };
}

// Letters as often as in English, vowels and consonants in turn: decoded from evenly spread
// fractions as an arithmetic coder would, each until no other key can share it.
Append words(std::uint64_t size) {
  struct Letter {
    char letter;
    std::uint32_t begin, end;  // of 1024
  };
  struct Model {
    std::vector<Letter> vowels, consonants;
  };
  const auto letters = [](std::string_view characters, const std::vector<int>& weights) {
    std::vector<Letter> made;
    int total = 0, sum = 0;
    for (const int weight : weights) total += weight;
    for (std::size_t i = 0; i < characters.size(); ++i) {
      const auto begin = static_cast<std::uint32_t>(sum * 1024 / total);
      sum += weights[i];
      made.push_back({characters[i], begin, static_cast<std::uint32_t>(sum * 1024 / total)});
    }
    return made;
  };
  auto model = std::make_shared<Model>();
  model->vowels = letters("aeiouy", {82, 127, 70, 75, 28, 20});
  model->consonants = letters("bcdfghjklmnpqrstvwxz", {15, 28, 43, 22, 20, 61, 2,  8,  40, 24,
                                                       67, 19, 1,  60, 63, 91, 10, 24, 2,  1});
  const std::uint64_t range = std::uint64_t{1} << 62;
  const std::uint64_t step = range / std::max<std::uint64_t>(size, 1);
  return [=](std::uint64_t index, std::string& out) {
    // Half a step at least from any other.
    const std::uint64_t fraction = index * step + step / 4 + pattern_word(18, index) % (step / 2);
    std::uint64_t begin = 0, width = range;
    for (bool vowel = false; width >= step / 4; vowel = !vowel) {
      const auto& choice = vowel ? model->vowels : model->consonants;
      const std::uint64_t part = width / 1024;
      const auto place =
          static_cast<std::uint32_t>(std::min<std::uint64_t>((fraction - begin) / part, 1023));
      const auto found = std::upper_bound(
          choice.begin(), choice.end(), place,
          [](std::uint32_t wanted, const Letter& letter) { return wanted < letter.end; });
      out += found->letter;
      begin += found->begin * part;
      // The last letter takes what division left over.
      width = found->end == 1024 ? width - found->begin * part : (found->end - found->begin) * part;
    }
  };
}

// 1, 10, 100, 1000, 1001... to `size`, in byte order.
Append unpadded_numbers(std::uint64_t size) {
  return [size](std::uint64_t index, std::string& out) {
    std::uint64_t number = 1;
    while (index != 0) {
      // How many of the numbers begin with `number`.
      std::uint64_t count = 0;
      for (std::uint64_t low = number, high = number; low <= size; low *= 10, high = high * 10 + 9)
        count += std::min(high, size) - low + 1;
      if (index >= count) {
        index -= count;
        ++number;
      } else {
        --index;
        number *= 10;
      }
    }
    out += "item-";
    append_decimal(number, 1, out);
  };
}

Append mixed_case(std::uint64_t size) {
  return spread_text(size, ascii_symbols("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"), 5,
                     19);
}

Append base64(std::uint64_t size) {
  return spread_text(
      size, ascii_symbols("-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"), 10,
      20);
}

// Two dense places and nothing between them.
Append two_clusters(std::uint64_t size) {
  return [size](std::uint64_t index, std::string& out) {
    out += index < size / 2 ? "aaa/" : "zzz/zzzzzzzz-";
    append_decimal(index, 9, out);
  };
}

// A dense place, and single keys all around it.
Append outliers(std::uint64_t size) {
  static const std::vector<std::string> kBefore = {" ",  "$", "0",   "9z", "A",
                                                   "Zz", "a", "b/c", "mm"};
  static const std::vector<std::string> kBehind = {
      "n0", "o", "z", "~", "\xC3\xA9", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80"};
  const std::uint64_t before = std::min<std::uint64_t>(kBefore.size(), size / 4);
  const std::uint64_t behind = std::min<std::uint64_t>(kBehind.size(), size / 4);
  return [=](std::uint64_t index, std::string& out) {
    if (index < before) {
      out += kBefore[index];
    } else if (index >= size - behind) {
      out += kBehind[index - (size - behind)];
    } else {
      out += "n/";
      append_decimal(index, 10, out);
    }
  };
}

// Random names below random names below random names.
Append nested_uuids(std::uint64_t size) {
  std::uint64_t side = 1;
  while (side * side * side < size) ++side;
  const SpreadNumbers level1(side, 0, 21), level2(side, 0, 22), level3(side, 0, 23);
  return [=](std::uint64_t index, std::string& out) {
    const std::uint64_t a = index / (side * side), b = index / side % side, c = index % side;
    append_uuid(level1(a), pattern_word(24, a), out);
    out += '/';
    append_uuid(level2(b), pattern_word(25, a * side + b), out);
    out += '/';
    append_uuid(level3(c), pattern_word(26, index), out);
  };
}

// Each doubling of the number holds as many keys as the one before.
Append geometric(std::uint64_t size) {
  return [size](std::uint64_t index, std::string& out) {
    const double exponent = 58.0 * static_cast<double>(index) / static_cast<double>(size);
    append_hex(index + static_cast<std::uint64_t>(std::exp2(exponent)), 16, out);
  };
}

// Milliseconds since 1970, busy by day and in bursts.
Append timestamps(std::uint64_t size) {
  Folders hours;  // without a name
  for (int hour = 0; hour < 24 * 365; ++hour) {
    const double by_day = hour % 24 > 7 && hour % 24 < 20 ? 8 : 1;
    hours.add("", by_day * (unit(27, hour) < 0.02 ? 30 : 1));
  }
  return in_folders(size, std::move(hours), [](const Folders::Place& place, std::string& out) {
    const std::uint64_t ms = place.number * (3'600'000 / std::max<std::uint64_t>(place.count, 1));
    append_decimal(1'546'300'800'000 + place.folder_number * 3'600'000 + ms, 13, out);
    out += "-event";
  });
}

// Files in a folder, and in the folder in it, and so on.
Append comb(std::uint64_t size) {
  Folders folders;
  for (int level = 0; level < 150; ++level) {
    std::string name;
    for (int i = 0; i < level; ++i) name += "d/";
    folders.add(name + "a-", 1);
  }
  return in_folders(size, std::move(folders), kNumbered);
}

Append releases(std::uint64_t size) {
  Folders folders;
  for (int package = 0; package < 200; ++package) {
    const int versions = 1 + static_cast<int>(120 * std::pow(unit(28, package), 3));
    for (int i = 0; i < versions; ++i) {
      folders.add(text("pkg-%d/v%d.%d.%d/", package * 7, i / 30, i / 4 % 12, i % 13),
                  0.1 + unit(29, package * 1000 + i));
    }
  }
  return in_folders(size, std::move(folders), kNumbered);
}

struct Shape {
  KeyShapeName name;
  std::string_view prefix;
  Append (*make)(std::uint64_t size);
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> kShapes = {
      {{"flat_numbered", true}, "", flat_numbered},
      {{"hex_hashes", true}, "objects/", hex_hashes},
      {{"uuids", true}, "", uuids},
      {{"dated_tree", false}, "logs/", dated_tree},
      {{"hive_partitions", false}, "warehouse/events/", hive_partitions},
      {{"one_deep_prefix", false}, "", one_deep_prefix},
      {{"long_common_prefix", false}, "", long_common_prefix},
      {{"prefix_chains", false}, "chain-", prefix_chains},
      {{"prefix_tree", false}, "", prefix_tree},
      {{"zipf_folders", false}, "", zipf_folders},
      {{"huge_and_tiny_folders", false}, "", huge_and_tiny_folders},
      {{"one_key_a_folder", false}, "", one_key_a_folder},
      {{"cjk", false}, "\xE6\x95\xB0\xE6\x8D\xAE/", cjk},
      {{"emoji", false}, "", emoji},
      {{"all_planes", false}, "", all_planes},
      {{"special_characters", false}, "a+b &c%25/", special_characters},
      {{"extreme_characters", false}, "", extreme_characters},
      {{"one_first_letter", false}, "", one_first_letter},
      {{"words", false}, "", words},
      {{"unpadded_numbers", false}, "", unpadded_numbers},
      {{"mixed_case", false}, "", mixed_case},
      {{"base64", false}, "", base64},
      {{"two_clusters", false}, "", two_clusters},
      {{"outliers", false}, "", outliers},
      {{"nested_uuids", false}, "", nested_uuids},
      {{"geometric", false}, "", geometric},
      {{"timestamps", false}, "", timestamps},
      {{"comb", false}, "", comb},
      {{"releases", false}, "", releases},
  };
  return kShapes;
}

class ShapeOfFunction final : public KeyShape {
 public:
  ShapeOfFunction(const Shape& shape, std::uint64_t size)
      : KeyShape(shape.name.name, size), prefix_(shape.prefix), append_(shape.make(size)) {}

  const std::string& prefix() const override { return prefix_; }
  void append_key(std::uint64_t index, std::string& out) const override {
    out += prefix_;
    append_(index, out);
  }

 private:
  const std::string prefix_;
  const Append append_;
};

}  // namespace

const std::vector<KeyShapeName>& key_shape_names() {
  static const std::vector<KeyShapeName> kNames = [] {
    std::vector<KeyShapeName> names;
    for (const Shape& shape : shapes()) names.push_back(shape.name);
    return names;
  }();
  return kNames;
}

std::string KeyShape::key(std::uint64_t index) const {
  std::string key;
  append_key(index, key);
  return key;
}

std::uint64_t KeyShape::first_behind(std::string_view after) const {
  std::string key;
  std::uint64_t begin = 0, end = size_;
  while (begin < end) {
    const std::uint64_t middle = begin + (end - begin) / 2;
    key.clear();
    append_key(middle, key);
    if (std::string_view(key) <= after) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

std::unique_ptr<KeyShape> make_key_shape(std::string_view name, std::uint64_t size) {
  for (const Shape& shape : shapes())
    if (shape.name.name == name) return std::make_unique<ShapeOfFunction>(shape, size);
  assert(!"no such shape");
  return nullptr;
}

void KeyPage::fill(const KeyShape& shape, std::string_view after, std::uint64_t limit) {
  const std::uint64_t begin = shape.first_behind(after);
  const std::uint64_t count = std::min(limit, shape.size() - begin);
  std::vector<std::uint64_t> indices = std::move(indices_);
  indices.resize(count);
  for (std::uint64_t i = 0; i < count; ++i) indices[i] = begin + i;
  fill(shape, std::move(indices), begin + count < shape.size());
}

void KeyPage::fill(const KeyShape& shape, std::vector<std::uint64_t> indices, bool is_truncated) {
  indices_ = std::move(indices);
  is_truncated_ = is_truncated;
  bytes_.clear();
  ends_.clear();
  keys_.clear();
  for (const std::uint64_t index : indices_) {
    shape.append_key(index, bytes_);
    ends_.push_back(bytes_.size());
  }
  // Not before all are there: the bytes may have moved.
  const char* const bytes = bytes_.data();
  std::size_t begin = 0;
  for (const std::size_t end : ends_) {
    keys_.emplace_back(bytes + begin, end - begin);
    begin = end;
  }
}

}  // namespace ossmc
