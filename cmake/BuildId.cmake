# The id of a build: a hash of the names and contents of all sources of src/, include/ and cuda/, and of what compiles
# them. The core and a backend in a library of its own carry it, and only equal ids talk to each other.
#
#   llmrt_build_id(<target>)   lets the sources of <target> include "generated/build_id.h", which defines
#       llmrt::generated::kBuildId. It is written anew only when the id changes; one file of the core and one of the
#       plugin should include it, since each is compiled again whenever a source changes.
set(LLMRT_BUILD_ID_FOLDER "${PROJECT_BINARY_DIR}/build_id")

function(llmrt_build_id target)
  if(NOT TARGET llmrt_write_build_id)
    string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
    get_directory_property(options DIRECTORY "${PROJECT_SOURCE_DIR}" COMPILE_OPTIONS)
    # What every object depends on besides the sources, as one word for the command line.
    string(SHA256 flags "${PROJECT_VERSION}|${CMAKE_CXX_COMPILER_ID}|${CMAKE_CXX_COMPILER_VERSION}|\
${CMAKE_SYSTEM_PROCESSOR}|${CMAKE_BUILD_TYPE}|${CMAKE_CXX_FLAGS}|${LLMRT_NVCC}|${LLMRT_CUDA_ARCHITECTURES}|${CMAKE_CXX_FLAGS_${type}}|${options}")
    add_custom_target(llmrt_write_build_id
      COMMAND "${CMAKE_COMMAND}" "-DSOURCE=${PROJECT_SOURCE_DIR}" "-DFLAGS=${flags}"
        "-DOUT=${LLMRT_BUILD_ID_FOLDER}/generated/build_id.h" -P "${PROJECT_SOURCE_DIR}/cmake/write_build_id.cmake"
      BYPRODUCTS "${LLMRT_BUILD_ID_FOLDER}/generated/build_id.h"
      VERBATIM)
  endif()
  add_dependencies(${target} llmrt_write_build_id)
  target_include_directories(${target} PRIVATE "${LLMRT_BUILD_ID_FOLDER}")
endfunction()
