# CLI11, github.com/CLIUtils/CLI11. The benchmark program only.
# Version: 2.1 (Debian 12, Ubuntu 22.04) or newer 2.x. Licence: BSD-3-Clause.
# Why: command lines with subcommands and their help; header-only, packaged everywhere.
find_package(CLI11 2.1 CONFIG QUIET)
if(NOT CLI11_FOUND)
  message(FATAL_ERROR "CLI11 2.1 or newer was not found; the benchmark program ossmc_bench needs it. Install it:\n"
                      "  Debian, Ubuntu:  apt-get install libcli11-dev\n"
                      "  Fedora, RHEL:    dnf install cli11-devel\n"
                      "or build without the program: -DOSSMC_BUILD_BENCH=OFF")
endif()
