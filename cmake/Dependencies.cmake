# Third-party code. All of it is linked statically and hidden; only Abseil is built here, because the distribution's
# archives are not position independent (tools/fetch_abseil.sh has its source package).
include(Abseil)

find_package(nlohmann_json 3.10 REQUIRED)

# Makes an imported target of a static archive and its header.
function(llmrt_import_archive target header archive)
  cmake_parse_arguments(PARSE_ARGV 3 arg "" "" "DEFINES")
  string(MAKE_C_IDENTIFIER "${target}" id)
  find_path(LLMRT_${id}_INCLUDE ${header} REQUIRED)
  find_library(LLMRT_${id}_ARCHIVE ${archive} REQUIRED)
  add_library(${target} STATIC IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES
    IMPORTED_LOCATION "${LLMRT_${id}_ARCHIVE}"
    INTERFACE_INCLUDE_DIRECTORIES "${LLMRT_${id}_INCLUDE}"
    INTERFACE_COMPILE_DEFINITIONS "${arg_DEFINES}")
endfunction()

llmrt_import_archive(utf8proc::utf8proc utf8proc.h libutf8proc.a DEFINES UTF8PROC_STATIC)

find_package(benchmark QUIET)

if(LLMRT_TESTS)
  # Built from the distribution's sources rather than taken as an archive, so that it carries the same sanitizer.
  set(gtest_source /usr/src/googletest)
  if(NOT EXISTS "${gtest_source}/CMakeLists.txt")
    message(FATAL_ERROR "GoogleTest's sources are not in ${gtest_source}; run tools/install_dependencies.sh")
  endif()
  set(INSTALL_GTEST OFF CACHE BOOL "" FORCE)
  add_subdirectory(${gtest_source} "${PROJECT_BINARY_DIR}/_deps/googletest" EXCLUDE_FROM_ALL SYSTEM)
  if(NOT TARGET GTest::gmock_main)
    add_library(GTest::gmock_main ALIAS gmock_main)
  endif()
  include(GoogleTest)
endif()

get_filename_component(LLMRT_SHARED_DIR "${PROJECT_SOURCE_DIR}/../shared" ABSOLUTE)
