// What becomes of a curl multi handle that has failed, and of the work that it held.
#include "transfer/multi.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <string>

#include "csrc/transfer/io_pool_fixture.h"
#include "support/csrc/wire_server.h"

namespace {

// How often the next calls fail.
std::atomic<int> failing_adds{0};
std::atomic<int> failing_actions{0};
std::atomic<int> failing_inits{0};
std::atomic<int> failing_watches{0};

bool fails(std::atomic<int>& left) { return left.load() > 0 && left.fetch_sub(1) > 0; }

template <typename Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// Seen by the code under test instead of the libraries' own.
extern "C" {

__attribute__((visibility("default"))) CURLM* curl_multi_init() {
  static const auto kReal = real<CURLM* (*)()>("curl_multi_init");
  return fails(failing_inits) ? nullptr : kReal();
}

__attribute__((visibility("default"))) CURLMcode curl_multi_add_handle(CURLM* multi, CURL* easy) {
  static const auto kReal = real<CURLMcode (*)(CURLM*, CURL*)>("curl_multi_add_handle");
  return fails(failing_adds) ? CURLM_OUT_OF_MEMORY : kReal(multi, easy);
}

__attribute__((visibility("default"))) CURLMcode curl_multi_socket_action(CURLM* multi,
                                                                          curl_socket_t socket,
                                                                          int events,
                                                                          int* running) {
  using Function = CURLMcode (*)(CURLM*, curl_socket_t, int, int*);
  static const auto kReal = real<Function>("curl_multi_socket_action");
  return fails(failing_actions) ? CURLM_INTERNAL_ERROR : kReal(multi, socket, events, running);
}

// As where fs.epoll.max_user_watches is reached.
__attribute__((visibility("default"))) int epoll_ctl(int epoll, int operation, int socket,
                                                     epoll_event* event) noexcept {
  static const auto kReal = real<int (*)(int, int, int, epoll_event*)>("epoll_ctl");
  if (operation == EPOLL_CTL_ADD && fails(failing_watches)) {
    errno = ENOSPC;
    return -1;
  }
  return kReal(epoll, operation, socket, event);
}

}  // extern "C"

namespace ossmc {
namespace {

class FailedMulti : public IoPoolTest {
 protected:
  static void half_or_hello(WireConnection& peer, const WireRequest& request) {
    if (request.target != "/half") {
      peer.send(http_reply(200, "hello"));
      return;
    }
    peer.send(http_head("200 OK", {"Content-Length: 100000"}) + std::string(1000, 'x'));
    peer.wait_for_peer_to_close();
    peer.close();
  }

  WireServer server_{half_or_hello};
};

// It was used on: what it held stood still until it was taken for stalled, and what came after was
// refused until then.
TEST_F(FailedMulti, WhatItHeldEndsAtOnceAndItsThreadWorksOn) {
  struct Case {
    const char* name;
    std::atomic<int>& failing;
    const char* text;
  };
  const Case cases[] = {
      {"an action", failing_actions, "Internal error"},
      {"a new request", failing_adds, "Out of memory"},
      {"a socket that the system does not watch", failing_watches, "No space left on device"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    if (!pool_) start();
    RecordedExchange in_progress(server_.url("/half"));
    submit(in_progress);
    ASSERT_TRUE(in_progress.wait_for_body(1000));
    RecordedExchange next(server_.url("/next"));
    next.on_start_ = [&one] { one.failing.store(1); };
    submit(next);
    for (RecordedExchange* exchange : {&in_progress, &next}) {
      const ExchangeOutcome outcome = exchange->wait();
      EXPECT_EQ(outcome.error, TransportError::kOther) << "one that may be retried";
      EXPECT_NE(outcome.text.find(one.text), std::string::npos) << outcome.text;
    }
    EXPECT_EQ(one.failing.load(), 0);
    RecordedExchange again(server_.url("/again"));
    EXPECT_EQ(run(again).error, TransportError::kNone);
    EXPECT_EQ(again.body(), "hello");
    EXPECT_EQ(load(counters_.connections), 1u);
    EXPECT_TRUE(server_.wait_until([&] { return server_.open_connections() == 1; }, kHang));
  }
}

TEST_F(FailedMulti, WithoutMemoryForAnotherItTriesAgain) {
  start();
  failing_inits.store(3);
  failing_adds.store(1);
  RecordedExchange first(server_.url("/first"));
  EXPECT_EQ(run(first).error, TransportError::kOther);
  RecordedExchange second(server_.url("/second"));
  EXPECT_EQ(run(second).error, TransportError::kNone);
  EXPECT_EQ(failing_inits.load(), 0);
}

TEST_F(FailedMulti, StopWithoutOne) {
  start();
  failing_inits.store(INT_MAX);
  failing_adds.store(1);
  RecordedExchange first(server_.url("/first"));
  EXPECT_EQ(run(first).error, TransportError::kOther);
  RecordedExchange queued(server_.url("/queued"));
  submit(queued);
  pool_->stop();
  failing_inits.store(0);
  EXPECT_EQ(queued.calls(), "") << "it is the source's still";
}

}  // namespace
}  // namespace ossmc
