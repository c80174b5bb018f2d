#include "listing/listing_error.h"

#include <chrono>

#include "protocol/object_name.h"

namespace ossmc {

ListingName::ListingName(std::string_view bucket, std::string_view prefix)
    : what("LIST oss://" + printable(bucket) + "/" + printable(prefix)),
      uri("oss://" + std::string(bucket) + "/" + std::string(prefix)) {}

Status named_error(const ListingName& name, const Status& status, const ResponseHead* reply) {
  if (!status.detail().uri.empty()) return status;
  ErrorDetail detail = status.detail();
  detail.uri = name.uri;
  if (reply != nullptr) {
    detail.http_status = reply->status;
    detail.request_id = reply->request_id;
  }
  std::string prefix = name.what;
  if (!detail.request_id.empty())
    prefix += " (request id " + printable(detail.request_id, 80) + ")";
  return status.with_prefix(prefix).with_detail(std::move(detail));
}

Status no_page_in_time(const ListingName& name, Duration limit) {
  ErrorDetail detail;
  detail.uri = name.uri;
  const auto limit_s = std::chrono::duration_cast<std::chrono::seconds>(limit).count();
  return Status(
      StatusCode::kTransferTimeout,
      name.what + ": no page within timeout.readSeconds, " + std::to_string(limit_s) + " s",
      detail);
}

}  // namespace ossmc
