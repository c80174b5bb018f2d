# ossmc_missing(<library> APT <package> DNF <package>)
#
# Stops the configuration and says which package of the system has the library.
function(ossmc_missing library)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "APT;DNF" "")
  message(
    FATAL_ERROR
      "${library} was not found. Install its development package:\n"
      "  Debian, Ubuntu:  apt-get install ${arg_APT}\n"
      "  Fedora, RHEL:    dnf install ${arg_DNF}\n"
      "All packages the build needs are listed in third_party/apt-packages.txt; `make setup` installs them.")
endfunction()
