// A server that lists a shape of keys, for measuring listings on loopback.
//
//   ossmc_list_server --shape words --keys 1000000 --latency 20
//
// Prints its port as its first line, and ends when its standard input does: with its parent.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "support/csrc/key_shapes.h"
#include "support/csrc/list_server.h"

int main(int count, char** arguments) {
  std::string name = "flat_numbered";
  std::uint64_t keys = 1'000'000;
  double latency_ms = 0;
  std::vector<std::string> names;
  for (const auto& shape : ossmc::key_shape_names()) names.emplace_back(shape.name);
  CLI::App app("Answers ListObjectsV2 over a shape of keys");
  app.add_option("--shape", name, "which keys")->check(CLI::IsMember(names));
  app.add_option("--keys", keys, "how many")->check(CLI::Range(0, 10'000'000));
  app.add_option("--latency", latency_ms, "milliseconds before each reply")
      ->check(CLI::NonNegativeNumber);
  CLI11_PARSE(app, count, arguments);

  const auto shape = ossmc::make_key_shape(name, keys);
  const ossmc::ListServer server(*shape, latency_ms);
  if (server.port() == 0) {
    std::perror("ossmc_list_server: cannot listen");
    return 1;
  }
  std::printf("%d\n", server.port());
  std::fflush(stdout);
  std::thread([] {
    char byte;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    // Connections may be in the middle of anything.
    std::_Exit(0);
  }).detach();
  server.serve();
}
