#include "connector/memory_limit.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include "protocol/ascii.h"

namespace ossmc {

namespace {

// Kernel files are small; whatever stands in a place of theirs is read no further than this.
constexpr std::size_t kMaxFileBytes = 1u << 20;
// Version 1 says "no limit" with the largest page-aligned number; anything near it means the same.
constexpr std::uint64_t kNoLimit = 1ULL << 60;

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string text;
  char piece[4096];
  while (text.size() < kMaxFileBytes && (file.read(piece, sizeof piece), file.gcount() > 0)) {
    text.append(piece, static_cast<std::size_t>(file.gcount()));
  }
  return text;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::optional<std::uint64_t> read_number(const std::string& path) {
  const std::optional<std::string> text = read_file(path);
  return text ? parse_decimal(trim_blanks(*text)) : std::nullopt;
}

// The number behind `name` and blanks at the start of a line: "MemAvailable:   123 kB",
// "inactive_file 123".
std::optional<std::uint64_t> read_field(const std::string& path, std::string_view name) {
  const std::optional<std::string> text = read_file(path);
  if (!text) return std::nullopt;
  for (const std::string& line : split(*text, '\n')) {
    if (!std::string_view(line).starts_with(name)) continue;
    std::string_view rest = std::string_view(line).substr(name.size());
    if (rest.empty() || rest[0] != ' ') continue;
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    return parse_decimal(rest.substr(0, rest.find(' ')));
  }
  return std::nullopt;
}

// A control-group file system that limits memory, and this process's place in it.
struct Hierarchy {
  bool is_v2 = false;
  std::string mount_point;
  std::string mount_root;  // which group the mount point shows
  std::string group;       // of this process, from the hierarchy's own root
};

// mountinfo writes blank, tab, newline and backslash as \ooo.
std::string unescape_octal(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 1] + 3, value, 8).ptr == &text[i + 1] + 3) {
      out.push_back(static_cast<char>(value));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::vector<Hierarchy> find_hierarchies(const std::string& root) {
  std::vector<Hierarchy> found;
  std::optional<std::string> group_v1;
  std::optional<std::string> group_v2;
  // "0::/group" is version 2, "4:memory:/group" version 1.
  for (const std::string& line : split(read_file(root + "/proc/self/cgroup").value_or(""), '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) group_v2 = line.substr(second + 1);
    for (const std::string& controller : split(controllers, ',')) {
      if (controller == "memory") group_v1 = line.substr(second + 1);
    }
  }
  // "36 35 98:0 /root /mount/point rw,noatime shared:1 - type source options"
  for (const std::string& line :
       split(read_file(root + "/proc/self/mountinfo").value_or(""), '\n')) {
    const std::vector<std::string> fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    Hierarchy hierarchy;
    hierarchy.mount_root = unescape_octal(fields[3]);
    hierarchy.mount_point = unescape_octal(fields[4]);
    const std::vector<std::string> options = split(dash[3], ',');
    if (dash[1] == "cgroup2" && group_v2) {
      hierarchy.is_v2 = true;
      hierarchy.group = *group_v2;
    } else if (dash[1] == "cgroup" && group_v1 &&
               std::find(options.begin(), options.end(), "memory") != options.end()) {
      hierarchy.group = *group_v1;
    } else {
      continue;
    }
    found.push_back(hierarchy);
  }
  return found;
}

// What one group still allows; nothing when it sets no limit. Page cache that was not used lately
// is given up by the kernel before it refuses memory, so it counts as free.
std::optional<std::uint64_t> free_in_group(const std::string& folder, bool is_v2) {
  std::optional<std::uint64_t> limit;
  std::optional<std::uint64_t> used;
  std::optional<std::uint64_t> reclaimable;
  if (is_v2) {
    // Above memory.high the kernel slows the group down to a crawl: not usable either.
    for (const char* name : {"/memory.max", "/memory.high"}) {
      const std::optional<std::uint64_t> value = read_number(folder + name);
      if (value && (!limit || *value < *limit)) limit = value;
    }
    used = read_number(folder + "/memory.current");
    reclaimable = read_field(folder + "/memory.stat", "inactive_file");
  } else {
    limit = read_number(folder + "/memory.limit_in_bytes");
    used = read_number(folder + "/memory.usage_in_bytes");
    reclaimable = read_field(folder + "/memory.stat", "total_inactive_file");
    if (!reclaimable) reclaimable = read_field(folder + "/memory.stat", "inactive_file");
  }
  if (!limit || *limit >= kNoLimit) return std::nullopt;
  const std::uint64_t busy = used.value_or(0);
  const std::uint64_t held = busy - std::min(busy, reclaimable.value_or(0));
  return *limit - std::min(*limit, held);
}

}  // namespace

FreeMemory measure_free_memory(const std::string& root) {
  FreeMemory least;
  const auto take = [&least](std::uint64_t bytes, const std::string& source) {
    if (least.source.empty() || bytes < least.bytes) least = {bytes, source};
  };
  if (const auto kib = read_field(root + "/proc/meminfo", "MemAvailable:");
      kib && *kib < kNoLimit / 1024) {
    take(*kib * 1024, "the machine");
  }
  for (const Hierarchy& hierarchy : find_hierarchies(root)) {
    // A mount shows the hierarchy from mount_root down. With the group outside of it (a namespace's
    // "/.."), the mount point is the nearest that can be seen.
    std::string below = hierarchy.group;
    if (hierarchy.mount_root != "/") {
      const bool inside =
          below.starts_with(hierarchy.mount_root) && (below.size() == hierarchy.mount_root.size() ||
                                                      below[hierarchy.mount_root.size()] == '/');
      below = inside ? below.substr(hierarchy.mount_root.size()) : "";
    }
    if (!below.starts_with('/') || below == "/" || below.find("/..") != std::string::npos)
      below.clear();
    // The group itself and each one above it, up to the mount point.
    while (true) {
      const std::string folder = hierarchy.mount_point + below;
      if (const auto bytes = free_in_group(root + folder, hierarchy.is_v2))
        take(*bytes, "cgroup " + folder);
      if (below.empty()) break;
      below.resize(below.rfind('/'));
    }
  }
  return least;
}

std::uint64_t processes_from_environment(const char* text) {
  if (text == nullptr) return 1;
  const std::optional<std::uint64_t> number = parse_decimal(text);
  return number ? std::max<std::uint64_t>(*number, 1) : 1;
}

MemoryChoice choose_memory_bytes(const FreeMemory& free, std::uint64_t processes,
                                 std::uint64_t minimum_bytes) {
  const auto mib = [](std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
  MemoryChoice choice;
  choice.bytes = free.bytes / 2 / std::max<std::uint64_t>(processes, 1);
  choice.reason = free.source.empty() ? "free memory is not known"
                                      : "half of " + mib(free.bytes) + " free in " + free.source;
  if (processes > 1)
    choice.reason += ", shared by " + std::to_string(processes) + " processes (LOCAL_WORLD_SIZE)";
  if (choice.bytes < minimum_bytes) {
    choice.bytes = minimum_bytes;
    choice.reason += ", raised to 4 chunks";
  }
  return choice;
}

}  // namespace ossmc
