# For CMake: the commands that compilers.py wrote. -DOSSMC_COMMANDS=<folder with cc, c++, ar, ranlib>,
# -DOSSMC_PROCESSOR=x86_64 or aarch64, by default this machine's.
if(NOT OSSMC_PROCESSOR)
  cmake_host_system_information(RESULT OSSMC_PROCESSOR QUERY OS_PLATFORM)
endif()
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES OSSMC_PROCESSOR OSSMC_COMMANDS)
set(CMAKE_SYSTEM_NAME Linux) # makes it a cross build, also for this processor: nothing of the system is looked at
set(CMAKE_SYSTEM_PROCESSOR "${OSSMC_PROCESSOR}")
set(CMAKE_C_COMPILER "${OSSMC_COMMANDS}/cc")
set(CMAKE_CXX_COMPILER "${OSSMC_COMMANDS}/c++")
set(CMAKE_AR "${OSSMC_COMMANDS}/ar" CACHE FILEPATH "")
set(CMAKE_RANLIB "${OSSMC_COMMANDS}/ranlib" CACHE FILEPATH "")
set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH OFF)
set(CMAKE_FIND_USE_PACKAGE_REGISTRY OFF)
