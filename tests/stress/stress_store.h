// StressStore: the store of a stress test, behind a WireServer: right replies in all the forms that
// a store or a gateway may choose, and replies that break.
//
// Forms: 206 with a length or chunked; 200 where the range is the whole object; for an empty object
// 200 or 416. Faults: a reset before the reply or in it, an end that comes early, a pause, a
// silence longer than timeout.stallSeconds, 500 and 503.
#pragma once

#include <cstdint>
#include <string>

#include "stress/stress_objects.h"
#include "stress/stress_round.h"
#include "stress/stress_tally.h"
#include "support/csrc/chance.h"
#include "support/csrc/wire_server.h"

namespace ossmc {

// Thread-safe: the server's threads call answer(). All it refers to outlives it.
class StressStore {
 public:
  // `canary`: now and then a byte of a body is wrong, which the test must find.
  StressStore(const StressObjects& objects, const StressRound& round, StressTally& tally,
              bool canary)
      : objects_(objects), round_(round), tally_(tally), canary_(canary) {}

  // Plays the reply. The round's seed and the request's place on its connection decide how.
  void answer(WireConnection& peer, const WireRequest& request);

 private:
  struct Reply {
    std::string head;
    std::string body;
  };

  Reply right_reply(const StressObject& object, const WireRequest& request, Chance& chance);
  // What is there instead of a reply, or of the rest of one.
  void break_before(WireConnection& peer, Chance& chance);
  void break_within(WireConnection& peer, const Reply& reply, Chance& chance);

  const StressObjects& objects_;
  const StressRound& round_;
  StressTally& tally_;
  const bool canary_;
};

}  // namespace ossmc
