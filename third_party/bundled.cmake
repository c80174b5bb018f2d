# OSSMC_BUNDLED: the folder that third_party/bundled/build.py made. The libraries below come from there and from nowhere
# else, and the module has all of them inside: for wheels that go anywhere. Empty: the system's libraries.
set(OSSMC_BUNDLED "" CACHE PATH "Static libraries for a self-contained wheel; empty for the system's libraries")
if(OSSMC_BUNDLED)
  if(NOT EXISTS "${OSSMC_BUNDLED}/fingerprint")
    message(FATAL_ERROR "${OSSMC_BUNDLED} has no libraries. Make them: python third_party/bundled/build.py --help")
  endif()
  list(PREPEND CMAKE_PREFIX_PATH "${OSSMC_BUNDLED}")
  set(OPENSSL_ROOT_DIR "${OSSMC_BUNDLED}")
  set(OPENSSL_USE_STATIC_LIBS ON)
  set(CURL_USE_STATIC_LIBS ON)
endif()

# ossmc_self_contained(<module>): what nobody calls is dropped, and debug information goes to a file of its own beside the
# module, <module>.debug. Names of functions stay, for stack traces.
function(ossmc_self_contained target)
  find_program(OSSMC_OBJCOPY NAMES "${CMAKE_SYSTEM_PROCESSOR}-linux-gnu-objcopy" objcopy llvm-objcopy REQUIRED)
  target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/third_party/bundled/forced_unwind.cc")
  set(split "${PROJECT_SOURCE_DIR}/third_party/bundled/split_debug.py")
  execute_process(COMMAND "${Python_EXECUTABLE}" "${split}" OUTPUT_VARIABLE build_id OUTPUT_STRIP_TRAILING_WHITESPACE
                  COMMAND_ERROR_IS_FATAL ANY)
  target_link_options(${target} PRIVATE -Wl,--gc-sections -Wl,--build-id=0x${build_id} -Wl,--wrap=__gxx_personality_v0)
  add_custom_command(
    TARGET ${target}
    POST_BUILD
    COMMAND "${Python_EXECUTABLE}" "${split}" $<TARGET_FILE:${target}> "${OSSMC_OBJCOPY}"
    VERBATIM)
endfunction()

# The SBOM and the licence texts of what is inside, into the wheel's .dist-info.
function(ossmc_install_description)
  set(description "${CMAKE_CURRENT_BINARY_DIR}/description")
  execute_process(
    COMMAND "${Python_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/third_party/bundled/describe.py" "${OSSMC_BUNDLED}" "${description}"
            "${PROJECT_VERSION}" COMMAND_ERROR_IS_FATAL ANY)
  install(DIRECTORY "${description}/" DESTINATION "${SKBUILD_METADATA_DIR}")
endfunction()

# ossmc_bundled_version(<name> <variable>): of a library inside, from its one home.
function(ossmc_bundled_version name variable)
  file(READ "${PROJECT_SOURCE_DIR}/third_party/bundled/sources.json" pins)
  string(JSON last LENGTH "${pins}" sources)
  math(EXPR last "${last} - 1")
  foreach(i RANGE ${last})
    string(JSON found GET "${pins}" sources ${i} name)
    if(found STREQUAL name)
      string(JSON version GET "${pins}" sources ${i} version)
      set(${variable} "${version}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "third_party/bundled/sources.json has no ${name}")
endfunction()
