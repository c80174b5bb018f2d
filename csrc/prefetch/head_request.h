// HEAD of one object: sent, and what its reply says of the object. Where that is not its size, a
// GET of the first byte, whose reply tells it.
#pragma once

#include <memory>

#include "base/status.h"
#include "fetch/response_check.h"
#include "fetch/small_request_queue.h"
#include "protocol/object_name.h"

namespace ossmc {

std::shared_ptr<PendingReply> ask_head(SmallRequestQueue& queue, const ObjectName& name,
                                       PendingReply::Done done = {});

// Some gateways leave Content-Length out, of an empty object or of all, or send 0 for all.
bool tells_size(const PendingReply& head, const AskedVersion& version);
std::shared_ptr<PendingReply> ask_size(SmallRequestQueue& queue, const ObjectName& name,
                                       PendingReply::Done done = {});

// What a HEAD's 404 means, whose reply has no body, a GET's may tell: of a store that has no
// headers of its own, or of something that is none.
bool is_unexplained(const Status& head);

// Of either. kObjectChanged: it is not version.listed, if that is set. REQUIRES: the replies ended
// with kOk.
Result<ObjectVersion> version_of_head(const PendingReply& head, const ObjectName& name,
                                      const AskedVersion& version);
Result<ObjectVersion> version_of_size(const ResponseHead& head, const PendingReply& size,
                                      const ObjectName& name, const AskedVersion& version);

}  // namespace ossmc
