// FastList in virtual time: requests a page and time over ideal, by shape, size, slots and limits.
//
//   ossmc_list_simulation --shape words --up-to 10000000
//   ossmc_list_simulation --shape words --keys 1000000 --slots 32 --throttle 0 --latency-ms 20
//
// A line of JSON for each listing. Without --keys a plan of its own: all that the options give at
// 10^3 to 10^6 keys, and of the larger sizes a choice, for they take seconds each.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "support/csrc/key_shapes.h"
#include "support/csrc/list_simulation.h"

namespace {

using ossmc::KeyShape;
using ossmc::ListConditions;
using ossmc::ListOutcome;

struct Options {
  std::vector<std::string> shapes;
  std::vector<std::uint64_t> keys;
  std::uint64_t up_to = 10'000'000;
  std::vector<int> slots = {16, 32, 128, 256};
  std::vector<double> throttles = {0, 2000, 10'000};
  std::vector<double> latencies_ms = {20, 100};
  std::uint64_t seed = 1;
  bool is_constant = false;
};

bool is_in_plan(const Options& options, std::uint64_t keys, int slots, double throttle,
                double latency_ms) {
  if (!options.keys.empty() || keys <= 1'000'000) return true;
  if (latency_ms != options.latencies_ms.front()) return false;
  return throttle == 0 || slots == 128;
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// False: the listing lost or doubled a key, or did not end.
bool run(const KeyShape& shape, bool is_even, const ListConditions& conditions) {
  const double begin = cpu_seconds();
  const ListOutcome outcome = ossmc::simulate_fast_list(shape, conditions);
  if (!outcome.failure.empty()) {
    std::fprintf(stderr, "%s\n", outcome.failure.c_str());
    return false;
  }
  const auto count = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "{\"shape\": \"%s\", \"even\": %s, \"keys\": %llu, \"slots\": %d, \"throttle\": %g, "
      "\"latency_ms\": %g, \"least_pages\": %llu, \"requests\": %llu, \"pages\": %llu, "
      "\"empty_pages\": %llu, \"throttled\": %llu, \"given_up\": %llu, \"seconds\": %.4f, "
      "\"ideal_seconds\": %.4f, \"requests_a_page\": %.4f, \"pages_a_page\": %.4f, "
      "\"time_over_ideal\": %.4f, \"busy_share\": %.4f, \"cpu_seconds\": %.3f}\n",
      shape.name().c_str(), is_even ? "true" : "false", count(shape.size()), conditions.slots,
      conditions.requests_per_second, conditions.latency_seconds * 1000, count(outcome.least_pages),
      count(outcome.attempts), count(outcome.pages), count(outcome.empty_pages),
      count(outcome.throttled), count(outcome.given_up), outcome.seconds, outcome.ideal_seconds,
      outcome.attempts_a_page(), outcome.pages_a_page(), outcome.time_over_ideal(),
      outcome.busy_share, cpu_seconds() - begin);
  std::fflush(stdout);
  return true;
}

bool run_all(const Options& options) {
  std::vector<std::uint64_t> sizes = options.keys;
  if (sizes.empty())
    for (std::uint64_t size = 1000; size <= options.up_to; size *= 10) sizes.push_back(size);
  bool is_good = true;
  for (const auto& [name, is_even] : ossmc::key_shape_names()) {
    if (!options.shapes.empty() &&
        std::find(options.shapes.begin(), options.shapes.end(), name) == options.shapes.end())
      continue;
    for (const std::uint64_t size : sizes) {
      const auto shape = ossmc::make_key_shape(name, size);
      for (const double latency_ms : options.latencies_ms) {
        for (const double throttle : options.throttles) {
          for (const int slots : options.slots) {
            if (!is_in_plan(options, size, slots, throttle, latency_ms)) continue;
            ListConditions conditions;
            conditions.slots = slots;
            conditions.latency_seconds = latency_ms / 1000;
            conditions.latency_spreads = !options.is_constant;
            conditions.requests_per_second = throttle;
            conditions.seed = options.seed;
            is_good = run(*shape, is_even, conditions) && is_good;
          }
        }
      }
    }
  }
  return is_good;
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  std::vector<std::string> names;
  for (const auto& shape : ossmc::key_shape_names()) names.emplace_back(shape.name);
  CLI::App app("FastList in virtual time");
  app.add_option("--shape", options.shapes, "which keys; all shapes unless named")
      ->check(CLI::IsMember(names));
  app.add_option("--keys", options.keys, "how many keys, instead of the plan")
      ->check(CLI::Range(0, 100'000'000));
  app.add_option("--up-to", options.up_to, "the most keys of the plan")
      ->check(CLI::Range(1000, 100'000'000));
  app.add_option("--slots", options.slots, "requests at once")->check(CLI::PositiveNumber);
  app.add_option("--throttle", options.throttles, "requests a second; 0: no limit")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--latency-ms", options.latencies_ms, "of a page")->check(CLI::PositiveNumber);
  app.add_flag("--constant", options.is_constant, "the latency, without spread and stragglers");
  app.add_option("--seed", options.seed, "of all that is left to chance");
  CLI11_PARSE(app, count, arguments);
  return run_all(options) ? 0 : 1;
}
