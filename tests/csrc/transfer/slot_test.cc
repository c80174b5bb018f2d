#include "transfer/slot.h"

#include <gtest/gtest.h>

#include "base/counters.h"
#include "transfer/curl_handle.h"
#include "transfer/open_sockets.h"
#include "transfer/socket_watch.h"

namespace ossmc {
namespace {

TEST(Slot, IsFoundByItsHandle) {
  ASSERT_TRUE(init_curl().is_ok());
  Counters counters;
  SocketWatch watch;
  OpenSockets sockets(counters, watch);
  const TransferSettings settings{};
  std::uint64_t body_bytes = 0;
  const Slot slot(settings, sockets, system_clock(), body_bytes);
  ASSERT_NE(slot.easy(), nullptr);
  EXPECT_EQ(Slot::of(slot.easy()), &slot);
}

// libcurl 8.10 and later have sockets watched for a handle of their own, while they end a TLS
// connection: the I/O thread took it for a slot's and crashed.
TEST(Slot, AHandleOfLibcurlsOwnHasNone) {
  ASSERT_TRUE(init_curl().is_ok());
  const EasyHandle handle(curl_easy_init());
  EXPECT_EQ(Slot::of(handle.get()), nullptr);
}

}  // namespace
}  // namespace ossmc
