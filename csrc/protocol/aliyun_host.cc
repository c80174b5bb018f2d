#include "protocol/aliyun_host.h"

#include <algorithm>
#include <utility>

#include "protocol/ascii.h"
#include "protocol/region.h"

namespace ossmc {

namespace {

constexpr std::string_view kSuffix = ".aliyuncs.com";

std::string_view last_label(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == name.npos ? name : name.substr(dot + 1);
}

// Without the last label and the dot before it.
std::string_view without_last(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == name.npos ? std::string_view() : name.substr(0, dot);
}

// One host, its end taken off. `front` is always what stands before the labels read so far.
class HostReader {
 public:
  explicit HostReader(std::string_view name)
      : name_(name), label_(last_label(name)), front_(without_last(name)) {}

  AliyunHost read() {
    if (label_ == "oss") {
      read_dual_stack();
    } else if (label_ == "privatelink") {
      found_.region = region_of_zone(last_label(front_));
    } else if (is_vpc_label()) {
      found_.region = region_id(label_.substr(label_.find("oss-")));
      if (found_.region) split();
    } else if (label_.starts_with("oss-")) {
      read_oss_label(label_.substr(4));
    }
    return std::move(found_);
  }

 private:
  // vpc100-oss-cn-beijing: the endpoints of a time when VPCs had their own.
  bool is_vpc_label() const {
    if (!label_.starts_with("vpc")) return false;
    const std::size_t end = label_.find_first_not_of("0123456789", 3);
    return end != label_.npos && label_.substr(end).starts_with("-oss-");
  }

  void read_dual_stack() {
    const std::string_view before = last_label(front_);
    found_.region = region_id(before);
    if (found_.region) return split_one_earlier();
    // What looks like a region of an area that is not known here is no bucket for certain.
    if (before.size() < 3 || before[2] != '-') split();
  }

  void read_oss_label(std::string_view word) {
    if (word == "internal" || word.starts_with("accelerate")) return split();
    if (word == "cloudbox" || word == "cloudbox-control") return read_cloud_box();
    found_.region = region_id(word);
    if (found_.region) {
      return last_label(front_) == "s3" ? split_one_earlier() : split();
    }
    constexpr std::string_view kOldAccelerator = "cache-";
    if (word.starts_with(kOldAccelerator)) {
      found_.region = region_of_zone(word.substr(kOldAccelerator.size()));
      if (found_.region) split();
      return;
    }
    // A region's name that lacks something is no service, and what stands before it a bucket.
    if (likely_region(word)) return;
    found_.region = region_of_zone(last_label(front_));
    if (found_.region) split_one_earlier();
  }

  void read_cloud_box() {
    const std::string_view region = last_label(front_);
    const std::string_view id = last_label(without_last(front_));
    if (region.empty() || !id.starts_with("cb-") || !normalize_region(id).is_ok()) return;
    found_.cloud_box = std::string(id);
    front_ = without_last(front_);
    split_one_earlier();
  }

  // The last label of `front_` belongs to the endpoint.
  void split_one_earlier() {
    front_ = without_last(front_);
    split();
  }

  // The endpoint is all behind `front_`.
  void split() {
    found_.bucket = front_;
    found_.endpoint =
        std::string(front_.empty() ? name_ : name_.substr(front_.size() + 1)).append(kSuffix);
  }

  const std::string_view name_;
  const std::string_view label_;
  std::string_view front_;
  AliyunHost found_;
};

}  // namespace

std::optional<AliyunHost> read_aliyun_host(std::string_view host_text) {
  const std::string host = to_ascii_lower(host_text);
  std::string_view name = host;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (!name.ends_with(kSuffix)) return std::nullopt;
  name.remove_suffix(kSuffix.size());
  return HostReader(name).read();
}

std::optional<std::string> region_from_host(std::string_view host) {
  const std::optional<AliyunHost> found = read_aliyun_host(host);
  return found ? found->region : std::nullopt;
}

}  // namespace ossmc
