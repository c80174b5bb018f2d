// Regions of Alibaba Cloud: their ids, and the other names that people and hosts have for them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ossmc {

// The id in a name that says more or less than one: "oss-" before it, "-internal", "-vpc" or "-pub"
// behind it, capitals, the short names of the finance clouds. Nothing if the rest has not the form
// of an id (cn- and a place; else an area, a direction and a number), or is the name of a zone. A
// new region need not be known here. Source: Alibaba Cloud, "Regions and endpoints".
std::optional<std::string> region_id(std::string_view name);
// As region_id, and of a zone the region that it is in: of cn-hangzhou-j cn-hangzhou, of
// ap-southeast-1c ap-southeast-1.
std::optional<std::string> region_of_zone(std::string_view name);
// What was likely meant by a text that is no id: of "beijing", of "cn-beijing-h" and of
// "oss-cn-beijing.aliyuncs.com" cn-beijing. For advice: never to be taken without a word.
std::optional<std::string> likely_region(std::string_view text);
// The known id that `id`, which is none of those, is one letter away from.
std::optional<std::string> misspelt_region(std::string_view id);
// Among those that there were when this was written.
bool is_known_region(std::string_view id);

// A region given for a store that may be any: "oss-" taken off, lower case. kInvalidArgument unless
// [a-z0-9-]+.
Result<std::string> normalize_region(std::string_view region);
// The same for OSS itself: kInvalidArgument for what has not the form of an id either, with what
// was likely meant.
Result<std::string> normalize_oss_region(std::string_view region);

}  // namespace ossmc
