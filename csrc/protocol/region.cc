#include "protocol/region.h"

#include <algorithm>
#include <utility>

#include "protocol/ascii.h"
#include "protocol/object_name.h"

namespace ossmc {

namespace {

// For advice, and for judging which of two regions is the wrong one; no region is refused because
// it is not here.
constexpr std::string_view kKnown[] = {
    "cn-hangzhou",
    "cn-shanghai",
    "cn-nanjing",
    "cn-fuzhou",
    "cn-wuhan",
    "cn-wuhan-lr",
    "cn-qingdao",
    "cn-beijing",
    "cn-zhangjiakou",
    "cn-huhehaote",
    "cn-wulanchabu",
    "cn-shenzhen",
    "cn-heyuan",
    "cn-guangzhou",
    "cn-chengdu",
    "cn-zhongwei",
    "cn-zhengzhou-jva",
    "cn-hongkong",
    "us-west-1",
    "us-east-1",
    "us-southeast-1",
    "na-south-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ap-south-1",
    "eu-central-1",
    "eu-west-1",
    "me-east-1",
    "me-central-1",
    "cn-hangzhou-finance",
    "cn-beijing-finance-1",
    "cn-shanghai-finance-1",
    "cn-shenzhen-finance-1",
    "cn-north-2-gov-1",
    "cn-beijing-gov-1",
    "rg-china-mainland",
};

// Names of the finance clouds in endpoints that differ from the region's id.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"cn-hzjbp", "cn-hangzhou-finance"},
    {"cn-hzjbp-a", "cn-hangzhou-finance"},
    {"cn-hzjbp-b", "cn-hangzhou-finance"},
    {"cn-hzfinance", "cn-hangzhou-finance"},
    {"cn-szfinance", "cn-shenzhen-finance-1"},
    {"cn-beijing-finance", "cn-beijing-finance-1"},
    {"cn-shanghai-finance", "cn-shanghai-finance-1"},
    {"cn-shenzhen-finance", "cn-shenzhen-finance-1"},
};

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

bool is_region_text(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_ascii_digit(c) || c == '-';
  });
}

bool remove_suffix(std::string_view* text, std::string_view suffix) {
  if (!text->ends_with(suffix)) return false;
  text->remove_suffix(suffix.size());
  return true;
}

// Without what endpoints put before and behind an id.
std::string_view bare(std::string_view name) {
  if (name.starts_with("oss-")) name.remove_prefix(4);
  while (remove_suffix(&name, "-internal") || remove_suffix(&name, "-vpc") ||
         remove_suffix(&name, "-pub")) {
  }
  return name;
}

// What an area's name is followed by outside China: southeast-1.
bool is_direction_and_number(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == 0 || dash == text.npos) return false;
  const std::string_view direction = text.substr(0, dash);
  const std::string_view number = text.substr(dash + 1);
  return std::all_of(direction.begin(), direction.end(), is_letter) && !number.empty() &&
         std::all_of(number.begin(), number.end(), is_ascii_digit);
}

// A zone is a region's id and a letter: behind a dash, or at once where the id ends in a number.
std::string_view without_zone(std::string_view name) {
  if (name.size() < 3 || !is_letter(name.back())) return name;
  const char before = name[name.size() - 2];
  if (is_ascii_digit(before)) return name.substr(0, name.size() - 1);
  // "cn-x" is all place and no zone.
  if (before == '-' && std::count(name.begin(), name.end(), '-') >= 2) {
    return name.substr(0, name.size() - 2);
  }
  return name;
}

bool has_form_of_id(std::string_view id) {
  if (!is_region_text(id) || id.ends_with('-') || id.find("--") != id.npos) return false;
  if (without_zone(id) != id) return false;
  if (id.starts_with("cn-") || id.starts_with("rg-")) return id.size() > 3;
  for (const std::string_view area : {"ap-", "us-", "eu-", "me-", "na-", "sa-", "af-"}) {
    if (id.starts_with(area)) return is_direction_and_number(id.substr(area.size()));
  }
  return false;
}

std::optional<std::string> id_of(std::string_view bare_name) {
  for (const auto& [alias, id] : kAliases) {
    if (bare_name == alias) return std::string(id);
  }
  if (!has_form_of_id(bare_name)) return std::nullopt;
  return std::string(bare_name);
}

// The first label of a host in what may be a URL; "_" and blanks are how some write "-".
std::string first_label(std::string_view text) {
  if (const std::size_t mark = text.find("://"); mark != text.npos) text.remove_prefix(mark + 3);
  std::string label = to_ascii_lower(trim_blanks(text.substr(0, text.find_first_of("./:?"))));
  std::replace_if(label.begin(), label.end(), [](char c) { return c == '_' || c == ' '; }, '-');
  return label;
}

Status not_a_region(std::string_view region) {
  std::string text = "not a region: region=" + quoted_address(region);
  const auto likely = likely_region(region);
  if (likely) {
    text += "; write region=\"" + *likely + "\"";
  } else {
    text += "; an example: region=\"cn-hangzhou\"";
  }
  return invalid_argument(text);
}

}  // namespace

std::optional<std::string> region_id(std::string_view name) {
  const std::string lower = to_ascii_lower(name);
  return id_of(bare(lower));
}

std::optional<std::string> region_of_zone(std::string_view name) {
  const std::string lower = to_ascii_lower(name);
  const std::string_view id = bare(lower);
  if (auto region = id_of(id)) return region;
  return id_of(without_zone(id));
}

std::optional<std::string> likely_region(std::string_view text) {
  const std::string label = first_label(text);
  if (auto region = region_of_zone(label)) return region;
  const std::string_view name = bare(label);
  if (name.empty()) return std::nullopt;
  // "beijing", and "us-west" without its number.
  for (const std::string& whole : {"cn-" + std::string(name), std::string(name) + "-1"}) {
    if (is_known_region(whole)) return whole;
  }
  return std::nullopt;
}

std::optional<std::string> misspelt_region(std::string_view id) {
  if (is_known_region(id)) return std::nullopt;
  for (const std::string_view known : kKnown) {
    if (differs_by_a_letter(id, known)) return std::string(known);
  }
  return std::nullopt;
}

bool is_known_region(std::string_view id) {
  return std::find(std::begin(kKnown), std::end(kKnown), id) != std::end(kKnown);
}

Result<std::string> normalize_region(std::string_view region) {
  std::string id = to_ascii_lower(region);
  if (id.starts_with("oss-")) id.erase(0, 4);
  if (!is_region_text(id)) return not_a_region(region);
  return id;
}

Result<std::string> normalize_oss_region(std::string_view region) {
  Result<std::string> text = normalize_region(region);
  if (!text.is_ok() || text->starts_with("cb-")) return text;  // a cloud box
  if (auto id = region_id(*text)) return *std::move(id);
  return not_a_region(region);
}

}  // namespace ossmc
