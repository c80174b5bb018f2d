// Which signature to use, and for which region: decided once, from what the user said and the
// endpoint tells.
#pragma once

#include <string_view>

#include "auth/signer.h"
#include "base/status.h"
#include "protocol/endpoint.h"

namespace ossmc {

// V4 when the region is given or can be read off the endpoint's host; of a cloud box the region is
// its id (cb-...). Given and another one than the host tells, or no region's id: kInvalidArgument.
// Not known: kInvalidArgument that asks for region= on *.aliyuncs.com and under cname; V1 on IP
// literals, localhost and other hosts, and *warn_v1 is true then: the caller owes the user one
// warning with v1_warning(). `warn_v1` may be null.
Result<SigningOptions> choose_signature(const Endpoint& endpoint, Addressing addressing,
                                        std::string_view region_or_empty, bool* warn_v1);

std::string_view v1_warning();

}  // namespace ossmc
