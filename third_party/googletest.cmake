# GoogleTest and GoogleMock, github.com/google/googletest. Tests only.
# Version: 1.11 (Ubuntu 22.04) or newer. Licence: BSD-3-Clause.
# Why: the C++ tests; packaged everywhere.
find_package(GTest 1.11 CONFIG QUIET)
if(NOT GTest_FOUND OR NOT TARGET GTest::gmock)
  ossmc_missing("GoogleTest 1.11 or newer with GoogleMock" APT "libgtest-dev libgmock-dev" DNF "gtest-devel gmock-devel")
endif()
