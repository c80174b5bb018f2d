// Errors of listings: each names the listing, and the reply where there was one.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "protocol/http.h"

namespace ossmc {

// What a listing is called in texts and in the `uri` of errors. Made once a listing.
struct ListingName {
  ListingName(std::string_view bucket, std::string_view prefix);

  std::string what;  // "LIST oss://bucket/prefix", which opens every error text
  std::string uri;
};

// Puts the listing's name before texts that do not have it yet: a wait's own and a page's. `reply`:
// null if there was none.
Status named_error(const ListingName& name, const Status& status, const ResponseHead* reply);
Status no_page_in_time(const ListingName& name, Duration limit);

}  // namespace ossmc
