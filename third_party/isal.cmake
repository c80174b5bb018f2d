# ISA-L (Intel Intelligent Storage Acceleration Library), github.com/intel/isa-l.
# Version: 2.30 (Debian 12, Ubuntu 22.04) or newer 2.x; only crc64_ecma_refl is used, there since 2.16.
# Licence: BSD-3-Clause.
# Why: CRC-64 by carry-less multiplication, 0.02 to 0.04 cpu-seconds a GB, where a table takes about 0.5.
find_path(ISAL_INCLUDE_DIR isa-l/crc64.h)
find_library(ISAL_LIBRARY isal)
mark_as_advanced(ISAL_INCLUDE_DIR ISAL_LIBRARY)
if(NOT ISAL_INCLUDE_DIR OR NOT ISAL_LIBRARY)
  ossmc_missing("ISA-L" APT libisal-dev DNF isa-l-devel)
endif()
# For build_info(); a build of ISA-L's own makefile installs no isa-l.h, which has it.
set(OSSMC_ISAL_VERSION "unknown")
if(OSSMC_BUNDLED)
  ossmc_bundled_version(isa-l OSSMC_ISAL_VERSION)
elseif(EXISTS "${ISAL_INCLUDE_DIR}/isa-l.h")
  file(STRINGS "${ISAL_INCLUDE_DIR}/isa-l.h" _ossmc_isal_lines REGEX "define ISAL_(MAJOR|MINOR|PATCH)_VERSION")
  string(REGEX MATCHALL "[0-9]+" _ossmc_isal_numbers "${_ossmc_isal_lines}")
  string(REPLACE ";" "." OSSMC_ISAL_VERSION "${_ossmc_isal_numbers}")
endif()
if(NOT TARGET isal::isal)
  add_library(isal::isal UNKNOWN IMPORTED)
  set_target_properties(isal::isal PROPERTIES IMPORTED_LOCATION "${ISAL_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES
                                                                                  "${ISAL_INCLUDE_DIR}")
endif()
