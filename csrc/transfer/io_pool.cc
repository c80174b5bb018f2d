#include "transfer/io_pool.h"

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "base/fork_gate.h"
#include "base/fork_guard.h"
#include "transfer/curl_handle.h"
#include "transfer/descriptor_limit.h"
#include "transfer/io_thread.h"
#include "transfer/shared_descriptors.h"

namespace ossmc {

namespace {

// For one thread with one connection, over http.
constexpr int kLeastDescriptors = 5;
// What a further thread takes itself, besides connections.
constexpr int kOfThread = 5;
// For the connections of all threads, or one thread does better alone.
constexpr int kForConnections = 8;

constexpr Duration kLongestWait = std::chrono::seconds(2);
constexpr Duration kLook = std::chrono::milliseconds(20);

// Until the other threads of the process have given enough up for one more. REQUIRES: inside.
Status wait_for_descriptors(const Clock& clock) {
  SharedDescriptors& shared = SharedDescriptors::of_this_process();
  const TimePoint deadline = clock.now() + kLongestWait;
  while (const int error = find_descriptor_shortage(kLeastDescriptors)) {
    if (!shared.holds_any() || clock.now() >= deadline)
      return descriptor_shortage("I/O thread", error);
    shared.ask_to_give_way();
    const ForkGate::Outside outside(fork_gate());
    std::this_thread::sleep_for(kLook);
  }
  return {};
}

}  // namespace

IoPool::IoPool(IoPoolOptions options, WorkSource& source, const Clock& clock, Counters& counters)
    : options_(std::move(options)),
      source_(source),
      clock_(clock),
      counters_(counters),
      fork_generation_(fork_generation()) {}

IoPool::~IoPool() {
  stop();
  if (fork_generation() == fork_generation_) return;
  // The threads are the parent's, and so are their sockets: leaked.
  for (auto& thread : threads_) static_cast<void>(thread.release());
  static_cast<void>(settings_.release());
}

Status IoPool::start() {
  if (!threads_.empty()) return {StatusCode::kInternal, "the I/O threads were started before"};
  if (options_.threads < 1 || options_.max_connections_per_thread < 1 ||
      options_.connect_timeout <= Duration::zero() || options_.stall_timeout <= Duration::zero()) {
    return {StatusCode::kInvalidArgument, "I/O threads, connections and timeouts must be positive"};
  }
  const ForkGate::Inside inside(fork_gate());
  if (Status status = init_curl(); !status.is_ok()) return status;
  if (Status status = wait_for_descriptors(clock_); !status.is_ok()) return status;
  auto roots = find_tls_roots(options_.ca_file, options_.ca_path);
  if (!roots.is_ok()) return roots.status();
  auto proxies = find_proxies(options_.proxy_from_environment, options_.proxy);
  if (!proxies.is_ok()) return proxies.status();
  settings_ = std::make_unique<const TransferSettings>(
      TransferSettings{options_, std::move(*roots), std::move(*proxies)});

  for (int number = 0; number < options_.threads; ++number) {
    threads_.push_back(std::make_unique<IoThread>(number, *settings_, source_, clock_, counters_));
  }
  // The vector stays as it is from now on: the threads' own calls may end in wake().
  started_.store(true, std::memory_order_release);
  Status status = start_threads();
  if (!status.is_ok()) stop();
  return status;
}

Status IoPool::start_threads() {
  bool any = false;
  for (const auto& thread : threads_) {
    const int shortage = any ? find_descriptor_shortage(kOfThread + kForConnections) : 0;
    Status status = shortage != 0 ? descriptor_shortage("I/O thread", shortage) : thread->start();
    if (status.is_ok()) {
      any = true;
    } else if (any && status.code() != StatusCode::kInternal) {
      thread->join();  // what it has, the others can use
    } else {
      return status;
    }
  }
  return {};
}

void IoPool::stop() {
  if (fork_generation() != fork_generation_) return;  // the threads are the parent's
  for (const auto& thread : threads_) thread->request_stop();
  for (const auto& thread : threads_) thread->join();
}

void IoPool::wake() noexcept {
  if (!started_.load(std::memory_order_acquire)) return;
  if (fork_generation() != fork_generation_) return;  // as in stop(); a view may outlive a fork
  for (const auto& thread : threads_) thread->wake();
}

}  // namespace ossmc
