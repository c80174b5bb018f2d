// What becomes of an exchange for which libcurl has no memory.
#include <curl/curl.h>
#include <gtest/gtest.h>

#include <string>

#include "csrc/transfer/io_pool_fixture.h"
#include "support/csrc/wire_server.h"
#include "transfer/curl_handle.h"

namespace ossmc {
namespace {

// It was one of the attempts, and spent the quota of retries.
TEST(OutOfMemory, IsAShortageAndNotAFailureOfTheStore) {
  EXPECT_EQ(transport_error(CURLE_OUT_OF_MEMORY, "Out of memory"), TransportError::kNoMemory);
  EXPECT_EQ(transport_error(CURLE_COULDNT_RESOLVE_HOST, "getaddrinfo() thread failed to start"),
            TransportError::kNoMemory);
  EXPECT_TRUE(is_shortage(TransportError::kNoMemory));
  EXPECT_EQ(transport_error(CURLE_COULDNT_RESOLVE_HOST, "Could not resolve host: a"),
            TransportError::kDns);
}

using OutOfMemoryPool = IoPoolTest;

// libcurl 7.88 says "Out of memory" of it: a server could have itself asked for ever.
TEST_F(OutOfMemoryPool, ALineOfTheHeadThatIsTooLongIsNone) {
  WireServer server([](WireConnection& peer, const WireRequest&) {
    peer.send("HTTP/1.1 200 OK\r\nX-Long: " + std::string(1 << 20, 'x') + "\r\n\r\n");
    peer.wait_for_peer_to_close();
    peer.close();
  });
  RecordedExchange exchange(server.url("/"));
  const ExchangeOutcome outcome = run(exchange);
  EXPECT_NE(outcome.error, TransportError::kNone);
  EXPECT_FALSE(is_shortage(outcome.error)) << outcome.text;
}

}  // namespace
}  // namespace ossmc
