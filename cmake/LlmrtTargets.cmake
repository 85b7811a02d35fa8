# The functions that the CMakeLists.txt of each folder calls.
#
#   llmrt_library(<name> SOURCES ... DEPS ... [HOST])  static library llmrt_<name>; include roots src/ and include/, or
#       with HOST only what its dependencies offer: a host of the shared library sees llmrt.h and nothing of src/
#   llmrt_executable(<name> SOURCES ... DEPS ...)   program bin/<name>
#   llmrt_test(<name> SOURCES ... DEPS ... [TIMEOUT seconds] [WHOLE] [DEFINES ...] [LABELS label])
#       A GoogleTest program whose tests ctest runs one by one; with WHOLE the program is one ctest entry (for suites
#       with a costly fixture). If every source is C, the program has its own main() and is one entry as well.
#       The target tests_<label> builds all programs with that label; `threads` marks those that run many threads.
#
# A dependency is another folder's name (`formats`) or a target's (`absl::status`, `utf8proc::utf8proc`).

# Adds a folder if it has a CMakeLists.txt.
function(llmrt_add_folder path)
  if(EXISTS "${PROJECT_SOURCE_DIR}/${path}/CMakeLists.txt")
    add_subdirectory("${PROJECT_SOURCE_DIR}/${path}" "${PROJECT_BINARY_DIR}/${path}")
  endif()
endfunction()

function(llmrt_resolve_deps out)
  set(resolved "")
  foreach(dep IN LISTS ARGN)
    if(dep MATCHES "::" OR dep MATCHES "^-")
      list(APPEND resolved "${dep}")
    else()
      list(APPEND resolved "llmrt_${dep}")
    endif()
  endforeach()
  set(${out} "${resolved}" PARENT_SCOPE)
endfunction()

function(llmrt_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "HOST" "" "SOURCES;DEPS")
  llmrt_resolve_deps(deps ${arg_DEPS})
  set(scope PUBLIC)
  if(arg_SOURCES)
    add_library(llmrt_${name} STATIC ${arg_SOURCES})
    target_link_libraries(llmrt_${name} PRIVATE llmrt_flags)
  else()
    add_library(llmrt_${name} INTERFACE)  # headers only
    set(scope INTERFACE)
  endif()
  target_link_libraries(llmrt_${name} ${scope} ${deps} Threads::Threads)
  if(NOT arg_HOST)
    target_include_directories(llmrt_${name} ${scope} "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  endif()
endfunction()

function(llmrt_executable name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  llmrt_resolve_deps(deps ${arg_DEPS})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${deps} llmrt_flags Threads::Threads)
  target_link_options(${name} PRIVATE -Wl,--gc-sections)
endfunction()

# Half of the time that a test takes to compile goes into these headers, so all tests share them precompiled. The target
# that makes them is a program because its objects then have the flags that those of the tests have.
function(llmrt_test_headers)
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/test_headers.cc" CONTENT "int main() { return 0; }\n")
  add_executable(llmrt_test_headers "${PROJECT_BINARY_DIR}/test_headers.cc")
  target_link_libraries(llmrt_test_headers PRIVATE GTest::gmock absl::statusor llmrt_flags Threads::Threads)
  target_compile_options(llmrt_test_headers PRIVATE ${LLMRT_TEST_OPTIONS})
  target_precompile_headers(llmrt_test_headers PRIVATE
    <gtest/gtest.h> <absl/status/statusor.h> <absl/strings/str_cat.h> <cmath> <random> <string> <vector>)
endfunction()

function(llmrt_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "WHOLE" "TIMEOUT;LABELS" "SOURCES;DEPS;DEFINES")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(LLMRT_SANITIZE)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 4")
  endif()
  llmrt_executable(${name} SOURCES ${arg_SOURCES} DEPS ${arg_DEPS})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")
  target_compile_options(${name} PRIVATE ${LLMRT_TEST_OPTIONS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/bin")
  # The shared folder lies beside the checkout and may be absent: tests that need it then skip (under CI=true: fail).
  target_compile_definitions(${name} PRIVATE
    LLMRT_SHARED_DIR="${LLMRT_SHARED_DIR}"
    LLMRT_TEST_DATA_DIR="${PROJECT_SOURCE_DIR}/tests/data"
    LLMRT_SAMPLES_DIR="${PROJECT_SOURCE_DIR}/samples"
    ${arg_DEFINES})
  set(properties TIMEOUT ${arg_TIMEOUT})
  if(arg_LABELS)
    list(APPEND properties LABELS "${arg_LABELS}")
    if(NOT TARGET tests_${arg_LABELS})
      add_custom_target(tests_${arg_LABELS})
    endif()
    add_dependencies(tests_${arg_LABELS} ${name})
  endif()

  set(cxx_sources ${arg_SOURCES})
  list(FILTER cxx_sources EXCLUDE REGEX "\\.c$")
  if(cxx_sources)
    target_link_libraries(${name} PRIVATE GTest::gmock_main)
    target_precompile_headers(${name} REUSE_FROM llmrt_test_headers)
  endif()
  if(cxx_sources AND NOT arg_WHOLE)
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
  else()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES ${properties} SKIP_RETURN_CODE 77)
  endif()
endfunction()
