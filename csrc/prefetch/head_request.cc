#include "prefetch/head_request.h"

#include <utility>

namespace ossmc {

namespace {

// A HEAD has no body; what a proxy sends instead is read and dropped. Of a GET for the size so much
// is, before the connection is closed.
constexpr std::size_t kMaxBodyBytes = 64 * 1024;

Result<ObjectVersion> version_or_why_not(CheckedReply checked, std::string_view method,
                                         const ObjectName& name) {
  if (!checked.failure.has_value()) return std::move(checked.version);
  ErrorDetail detail = checked.failure->status.detail();
  detail.uri = name.uri();
  return checked.failure->status.with_prefix(std::string(method) + " " + printable(name.uri()))
      .with_detail(std::move(detail));
}

}  // namespace

std::shared_ptr<PendingReply> ask_head(SmallRequestQueue& queue, const ObjectName& name,
                                       PendingReply::Done done) {
  return queue.submit(Operation::kHeadObject, head_request(name), "HEAD " + printable(name.uri()),
                      name.uri(), kMaxBodyBytes, std::move(done));
}

Result<ObjectVersion> version_of_head(const PendingReply& head, const ObjectName& name,
                                      const AskedVersion& version) {
  return version_or_why_not(check_head_reply(head.head(), version), "HEAD", name);
}

bool tells_size(const PendingReply& head, const AskedVersion& version) {
  return check_head_reply(head.head(), version).next != CheckedReply::Next::kSize;
}

bool is_unexplained(const Status& head) {
  return head.code() == StatusCode::kProtocol && head.detail().http_status == 404;
}

std::shared_ptr<PendingReply> ask_size(SmallRequestQueue& queue, const ObjectName& name,
                                       PendingReply::Done done) {
  return queue.submit(Operation::kGetObject, get_range_request(name, {0, 1}, {}),
                      "GET " + printable(name.uri()) + " bytes [0, 1)", name.uri(), kMaxBodyBytes,
                      std::move(done));
}

Result<ObjectVersion> version_of_size(const ResponseHead& head, const PendingReply& size,
                                      const ObjectName& name, const AskedVersion& version) {
  return version_or_why_not(check_size_reply(size.head(), version, &head), "GET", name);
}

}  // namespace ossmc
