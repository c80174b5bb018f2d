#include "prefetch/head_request.h"

#include <utility>

namespace ossmc {

namespace {

// A HEAD has no body; what a proxy sends instead is read and dropped.
constexpr std::size_t kMaxBodyBytes = 64 * 1024;

}  // namespace

std::shared_ptr<PendingReply> ask_head(SmallRequestQueue& queue, const ObjectName& name,
                                       PendingReply::Done done) {
  return queue.submit(Operation::kHeadObject, head_request(name), "HEAD " + printable(name.uri()),
                      name.uri(), kMaxBodyBytes, std::move(done));
}

Result<ObjectVersion> version_of_head(const PendingReply& reply, const ObjectName& name,
                                      const ListedVersion* listed) {
  CheckedReply checked = check_head_reply(reply.head(), {.id = name.version_id, .listed = listed});
  if (checked.failure.has_value())
    return checked.failure->status.with_prefix("HEAD " + printable(name.uri()));
  return std::move(checked.version);
}

}  // namespace ossmc
