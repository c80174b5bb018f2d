#include "connector/memory_limit.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/ascii.h"
#include "transfer/descriptor_limit.h"
#include "transfer/socket_watch.h"

namespace ossmc {

namespace {

// Kernel files are small; whatever stands in a place of theirs is read no further than this.
constexpr std::size_t kMaxFileBytes = 1u << 20;
// Version 1 says "no limit" with the largest page-aligned number; anything near it means the same.
constexpr std::uint64_t kNoLimit = 1ULL << 60;

// Plain calls: these files are read again and again.
class File {
 public:
  explicit File(const std::string& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    lacks_descriptor_ = !is_open() && (is_descriptor_shortage(errno) || errno == ENOMEM);
  }

  bool is_open() const { return file_.get() >= 0; }
  bool lacks_descriptor() const { return lacks_descriptor_; }
  // Up to `size` bytes; fewer only at the end.
  std::size_t read(char* data, std::size_t size) const {
    std::size_t got = 0;
    while (got < size) {
      const ssize_t more = ::read(file_.get(), data + got, size - got);
      if (more <= 0) break;
      got += static_cast<std::size_t>(more);
    }
    return got;
  }

 private:
  Descriptor file_;
  bool lacks_descriptor_ = false;
};

std::string read_file(const std::string& path) {
  const File file(path);
  std::string text;
  char piece[4096];
  while (file.is_open() && text.size() < kMaxFileBytes) {
    const std::size_t got = file.read(piece, sizeof piece);
    text.append(piece, got);
    if (got < sizeof piece) break;
  }
  return text;
}

// The beginning of a small file, in a buffer of its own.
class SmallText {
 public:
  // False: for want of a descriptor it is not known what the file says.
  bool read(const std::string& path) {
    const File file(path);
    size_ = file.is_open() ? file.read(data_, sizeof data_) : 0;
    return !file.lacks_descriptor();
  }
  std::string_view get() const { return {data_, size_}; }
  std::optional<std::uint64_t> number() const { return parse_decimal(trim_blanks(get())); }
  // The number behind `name` and blanks at the start of a line: "MemAvailable:   123 kB",
  // "inactive_file 123".
  std::optional<std::uint64_t> field(std::string_view name) const {
    std::string_view rest = get();
    while (!rest.empty()) {
      std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      if (!line.starts_with(name)) continue;
      line.remove_prefix(name.size());
      if (line.empty() || line[0] != ' ') continue;
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      return parse_decimal(line.substr(0, line.find(' ')));
    }
    return std::nullopt;
  }

 private:
  char data_[16384];  // memory.stat has 5 KiB at most
  std::size_t size_ = 0;
};

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
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

std::vector<Hierarchy> find_hierarchies(const std::string& root, const std::string& groups_text) {
  std::vector<Hierarchy> found;
  std::optional<std::string> group_v1;
  std::optional<std::string> group_v2;
  // "0::/group" is version 2, "4:memory:/group" version 1.
  for (const std::string& line : split(groups_text, '\n')) {
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
  for (const std::string& line : split(read_file(root + "/proc/self/mountinfo"), '\n')) {
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

constexpr std::uint64_t kLeastMargin = 256u << 20;
constexpr std::uint64_t kTinyLimit = 1u << 30;

}  // namespace

std::uint64_t memory_margin(std::uint64_t limit_bytes) {
  const std::uint64_t margin = std::max(kLeastMargin, limit_bytes / 8);
  return limit_bytes < kTinyLimit ? std::min(margin, limit_bytes / 4) : margin;
}

FreeMemoryGauge::FreeMemoryGauge(std::string root) : root_(std::move(root)) {
  if (root_ == "/") root_.clear();
  machine_.source = "the machine";
  machine_.details = root_ + "/proc/meminfo";
}

FreeMemory FreeMemoryGauge::measure() {
  const std::string groups_text = read_file(root_ + "/proc/self/cgroup");
  // Empty: there are none, or no descriptor is to be had.
  if (!groups_text.empty() && groups_text != groups_text_) {
    groups_text_ = groups_text;
    find_groups();
  }
  FreeMemory least;
  const auto take = [&least](const Place& place) {
    if (!place.has_limit) return;
    const auto room = static_cast<std::int64_t>(place.free_bytes) -
                      static_cast<std::int64_t>(memory_margin(place.limit_bytes));
    const bool is_first = least.source.empty();
    least.room_bytes = is_first ? room : std::min(least.room_bytes, room);
    if (!is_first && place.free_bytes >= least.bytes) return;
    least.bytes = place.free_bytes;
    least.source = place.source;
  };
  measure_machine();
  take(machine_);
  for (Place& group : groups_) {
    measure_group(group);
    take(group);
  }
  return least;
}

void FreeMemoryGauge::find_groups() {
  groups_.clear();
  for (const Hierarchy& hierarchy : find_hierarchies(root_, groups_text_)) {
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
      const std::string shown = hierarchy.mount_point + below;
      const std::string folder = root_ + shown;
      Place& group = groups_.emplace_back();
      group.source = "cgroup " + shown;
      group.is_v2 = hierarchy.is_v2;
      if (hierarchy.is_v2) {
        // Above memory.high the kernel slows the group down to a crawl: not usable either.
        group.limits = {folder + "/memory.max", folder + "/memory.high"};
        group.used = folder + "/memory.current";
      } else {
        group.limits = {folder + "/memory.limit_in_bytes"};
        group.used = folder + "/memory.usage_in_bytes";
      }
      group.details = folder + "/memory.stat";
      if (below.empty()) break;
      below.resize(below.rfind('/'));
    }
  }
}

void FreeMemoryGauge::measure_machine() {
  SmallText text;
  if (!text.read(machine_.details)) return;
  const auto available_kib = text.field("MemAvailable:");
  machine_.has_limit = available_kib && *available_kib < kNoLimit / 1024;
  if (!machine_.has_limit) return;
  machine_.free_bytes = *available_kib * 1024;
  const auto total_kib = text.field("MemTotal:");
  machine_.limit_bytes =
      std::max(std::min(total_kib.value_or(0), kNoLimit / 1024) * 1024, machine_.free_bytes);
}

// Page cache that was not used lately is given up by the kernel before it refuses memory, so it
// counts as free.
void FreeMemoryGauge::measure_group(Place& group) {
  SmallText text;
  std::optional<std::uint64_t> limit;
  for (const std::string& file : group.limits) {
    if (!text.read(file)) return;
    const std::optional<std::uint64_t> value = text.number();
    if (value && (!limit || *value < *limit)) limit = value;
  }
  if (!limit || *limit >= kNoLimit) {
    group.has_limit = false;
    return;
  }
  if (!text.read(group.used)) return;
  const std::uint64_t used = text.number().value_or(0);
  if (!text.read(group.details)) return;
  std::optional<std::uint64_t> reclaimable;
  if (!group.is_v2) reclaimable = text.field("total_inactive_file");
  if (!reclaimable) reclaimable = text.field("inactive_file");
  const std::uint64_t held = used - std::min(used, reclaimable.value_or(0));
  group.has_limit = true;
  group.limit_bytes = *limit;
  group.free_bytes = *limit - std::min(*limit, held);
}

FreeMemory measure_free_memory(const std::string& root) { return FreeMemoryGauge(root).measure(); }

std::uint64_t processes_from_environment(const char* text) {
  if (text == nullptr) return 1;
  const std::optional<std::uint64_t> number = parse_decimal(text);
  return number ? std::max<std::uint64_t>(*number, 1) : 1;
}

}  // namespace ossmc
