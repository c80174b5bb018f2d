// What a host of *.aliyuncs.com says: the region, a cloud box, a bucket before the endpoint.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ossmc {

struct AliyunHost {
  std::optional<std::string> region;     // nothing: the host names none
  std::optional<std::string> cloud_box;  // its id, cb-...
  // The host in two, where it is known which of its labels are the endpoint: `endpoint` is empty
  // where that is not so, `bucket` where nothing stands before the endpoint.
  std::string bucket;
  std::string endpoint;
};

// Nothing for hosts outside *.aliyuncs.com. A region is read only out of the labels that the forms
// of endpoints have for it, never out of a bucket's name, and nothing is taken for a region that
// has not the form of one. Forms, R a region, Z a zone, each with or without -internal:
//
//     oss-R, oss-R-vpc, vpc100-oss-R, s3.oss-R      also with the names of finance clouds
//     R.oss                                         dual stack
//     R.oss-dls, Z.oss-data-acc, oss-R.oss-...      services of a region; oss-cache-Z: the old form
//     ID.oss.R.privatelink
//     cb-ID.R.oss-cloudbox, ...-cloudbox-control
//     oss, oss-internal, oss-accelerate...          without a region
//
// Hosts come from servers too: any text will do.
std::optional<AliyunHost> read_aliyun_host(std::string_view host);

std::optional<std::string> region_from_host(std::string_view host);

}  // namespace ossmc
