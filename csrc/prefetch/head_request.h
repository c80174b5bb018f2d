// HEAD of one object: sent, and what its reply says of the object. Where that is not its size, a
// GET of the first byte, whose head tells it.
#pragma once

#include <memory>

#include "base/status.h"
#include "fetch/response_check.h"
#include "fetch/small_request_queue.h"
#include "protocol/object_name.h"

namespace ossmc {

std::shared_ptr<PendingReply> ask_head(SmallRequestQueue& queue, const ObjectName& name,
                                       PendingReply::Done done = {});

// Of an empty object some gateways leave Content-Length out, and of others too.
bool tells_size(const PendingReply& head);
std::shared_ptr<PendingReply> ask_size(SmallRequestQueue& queue, const ObjectName& name,
                                       PendingReply::Done done = {});

// Of either. kObjectChanged: it is not `listed`, if that is set. REQUIRES: the reply ended with
// kOk.
Result<ObjectVersion> version_of_head(const PendingReply& reply, const ObjectName& name,
                                      const ListedVersion* listed = nullptr);
Result<ObjectVersion> version_of_size(const PendingReply& reply, const ObjectName& name,
                                      const ListedVersion* listed = nullptr);

}  // namespace ossmc
