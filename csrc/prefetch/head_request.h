// HEAD of one object: sent, and what its reply says of the object.
#pragma once

#include <memory>

#include "base/status.h"
#include "fetch/response_check.h"
#include "fetch/small_request_queue.h"
#include "protocol/object_name.h"

namespace ossmc {

std::shared_ptr<PendingReply> ask_head(SmallRequestQueue& queue, const ObjectName& name,
                                       PendingReply::Done done = {});

// kObjectChanged: it is not `listed`, if that is set. REQUIRES: the reply ended with kOk.
Result<ObjectVersion> version_of_head(const PendingReply& reply, const ObjectName& name,
                                      const ListedVersion* listed = nullptr);

}  // namespace ossmc
