// A stress test of the whole core: callers in threads open, read, view and close at random, under
// small budgets, from a server on a socket whose replies take every form and break; each byte is
// compared. For a build under a sanitizer, which finds what no byte shows.
//
//   ossmc_stress [--seconds S] [--seed N] [--canary]
//
// Runs rounds until the time is up, each with a connector and a server of its own. A seed decides
// what callers do and what breaks, not how threads meet: a rare failure may take several runs.
// --canary: the server sends a wrong byte now and then, and the run must fail.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "stress/stress_caller.h"
#include "stress/stress_store.h"

namespace ossmc {
namespace {

constexpr std::uint64_t kCallers = 6;
constexpr Duration kRound = std::chrono::seconds(1);
// A call ends within timeout.readSeconds of its last byte; the machine may be busy.
constexpr Duration kLongestCall = std::chrono::seconds(90);

struct Options {
  double seconds = 5;
  std::uint64_t seed = 1;
  bool canary = false;
};

// Who hangs is told, and the run ended: by a signal, so that a debugger or a core file has it.
void watch(const std::list<StressCaller>& callers) {
  const auto ended = [](const StressCaller& caller) { return caller.has_ended(); };
  while (!std::all_of(callers.begin(), callers.end(), ended)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    for (const StressCaller& caller : callers) {
      if (caller.has_ended() || caller.doing_for() < kLongestCall) continue;
      std::printf("FAILED: a call hangs: %s\n", caller.doing());
      std::abort();
    }
  }
}

void check_closed(const Connector& connector, StressTally& tally) {
  const ConnectorStats stats = connector.stats();
  tally.note_round(stats.requests, stats.retries, stats.hedges);
  if (stats.memory_bytes != 0)
    tally.complain("a closed connector has " + std::to_string(stats.memory_bytes) + " bytes");
  if (stats.memory_peak_bytes > stats.memory_limit_bytes)
    tally.complain("the budget was passed: " + std::to_string(stats.memory_peak_bytes));
}

void run_round(const StressObjects& objects, const StressRound& round, Duration length, bool canary,
               StressTally& tally) {
  StressStore store(objects, round, tally, canary);
  WireServer server(
      [&store](WireConnection& peer, const WireRequest& request) { store.answer(peer, request); });
  Credentials nobody;
  nobody.anonymous = true;
  const auto connector =
      Connector::make(server.url(""), "", round.config,
                      CredentialsCache::make_fixed(system_clock(), std::move(nobody)));
  if (!connector.is_ok()) return tally.complain(connector.status().message());
  const TimePoint end = system_clock().now() + length;
  {
    StressShared shared(*round.config.prefetch_memory_bytes / 2);
    std::list<StressCaller> callers;
    std::vector<std::thread> threads;
    for (std::uint64_t number = 0; number < kCallers; ++number)
      callers.emplace_back(objects, round, tally, **connector, shared, number);
    for (StressCaller& caller : callers) threads.emplace_back([&caller, end] { caller.work(end); });
    if (round.is_closed_in_the_middle) {
      std::this_thread::sleep_for(length / 2);
      (*connector)->close();
    }
    watch(callers);
    for (std::thread& thread : threads) thread.join();
  }
  (*connector)->close();
  check_closed(**connector, tally);
}

int run(const Options& options) {
  const StressObjects objects;
  StressTally tally;
  const TimePoint end = system_clock().now() + std::chrono::duration_cast<Duration>(
                                                   std::chrono::duration<double>(options.seconds));
  for (std::uint64_t number = 0; !tally.has_complaints(); ++number) {
    const Duration left = end - system_clock().now();
    if (left <= Duration::zero()) break;
    run_round(objects, StressRound::draw(options.seed, number), std::min(left, kRound),
              options.canary, tally);
  }
  tally.check_variety();
  std::printf("--seed %llu: %s", static_cast<unsigned long long>(options.seed),
              tally.text().c_str());
  return tally.has_complaints() ? 1 : 0;
}

}  // namespace
}  // namespace ossmc

int main(int count, char** arguments) {
  ossmc::Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = arguments[i];
    const char* const value = i + 1 < count ? arguments[i + 1] : "";
    if (word == "--canary") {
      options.canary = true;
    } else if (word == "--seconds") {
      options.seconds = std::strtod(value, nullptr);
      ++i;
    } else if (word == "--seed") {
      options.seed = std::strtoull(value, nullptr, 10);
      ++i;
    } else {
      std::fprintf(stderr, "usage: %s [--seconds S] [--seed N] [--canary]\n", arguments[0]);
      return 2;
    }
  }
  return ossmc::run(options);
}
