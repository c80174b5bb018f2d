// ossmc_bench: the benchmark program. Table of contents.
#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>

#include "bench/access.h"
#include "bench/command_line.h"
#include "bench/ctrl_c.h"
#include "bench/download.h"
#include "bench/first_byte.h"
#include "bench/list.h"
#include "bench/meter.h"
#include "bench/run.h"
#include "bench/small.h"

namespace ossmc::bench {
namespace {

int fail(const Status& status) {
  std::fprintf(stderr, "ossmc_bench: %s\n", status.message().c_str());
  return status.code() == StatusCode::kInvalidArgument ? kExitUsage : kExitFailed;
}

Status work(Run& run) {
  switch (run.access.options().workload) {
    case Workload::kDownload:
      return run_download(run);
    case Workload::kFirstByte:
      return run_first_byte(run);
    case Workload::kSmall:
      return run_small(run);
    case Workload::kList:
      break;
  }
  return run_list(run);
}

bool write_file(const std::string& path, const std::string& text) {
  std::FILE* const file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && written;
}

int print(const Report& report, const std::string& json_file) {
  const bool json_only = json_file == "-";
  std::fputs((json_only ? json_text(report) : human_text(report)).c_str(), stdout);
  if (std::fflush(stdout) != 0) return kExitFailed;
  if (json_only || json_file.empty() || write_file(json_file, json_text(report))) return 0;
  std::fprintf(stderr, "ossmc_bench: %s: cannot be written\n", json_file.c_str());
  return kExitFailed;
}

int run_program(int argc, const char* const* argv) {
  CommandLine line = parse_command_line(argc, argv);
  if (!line.options) {
    std::fputs(line.text.c_str(), line.exit_code == 0 ? stdout : stderr);
    return line.exit_code;
  }
  Meter meter;  // first: only threads that come later are counted
  const Result<Access> access = Access::make(std::move(*line.options));
  if (!access.is_ok()) return fail(access.status());
  const Options& options = access->options();
  Run run{.access = *access,
          .meter = meter,
          .interrupt = ctrl_c(),
          .progress = options.progress.value_or(isatty(STDERR_FILENO) == 1),
          .report = {}};
  const Status status = work(run);
  print_log();
  if (!status.is_ok()) return fail(status);
  return print(run.report, options.json_file);
}

}  // namespace
}  // namespace ossmc::bench

int main(int argc, char** argv) { return ossmc::bench::run_program(argc, argv); }
