// The command line, taken apart; its help is the program's manual.
#pragma once

#include <optional>
#include <string>

#include "bench/options.h"

namespace ossmc::bench {

inline constexpr int kExitFailed = 1;  // a run that was begun
inline constexpr int kExitUsage = 2;   // what was asked for makes no sense

struct CommandLine {
  std::optional<Options> options;  // nothing: print `text` and exit
  int exit_code = 0;
  std::string text;  // help or version for standard output, or an error for standard error
};

// Reads the environment for --endpoint and --region alone. Secrets are no part of a command line.
CommandLine parse_command_line(int argc, const char* const* argv);

}  // namespace ossmc::bench
