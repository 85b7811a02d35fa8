# Compilers run under ccache where there is one and its cache can be written: a build must not need a home folder.
#
# A second build folder or checkout finds what the first one compiled: neither the folder that the compiler runs in nor
# the place of the checkout counts. The sloppiness is what ccache asks for before it stores anything that uses
# precompiled headers.
find_program(LLMRT_CCACHE ccache)
if(LLMRT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  execute_process(COMMAND "${LLMRT_CCACHE}" --get-config cache_dir
    OUTPUT_VARIABLE cache OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    execute_process(COMMAND sh -c "mkdir -p \"$1\" && test -w \"$1\"" sh "${cache}" ERROR_QUIET RESULT_VARIABLE failed)
  endif()
  if(failed)
    message(STATUS "Building without ccache: its folder '${cache}' cannot be written (CCACHE_DIR names another)")
  else()
    set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_NOHASHDIR=1 "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}"
      CCACHE_SLOPPINESS=pch_defines,time_macros "${LLMRT_CCACHE}")
    set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  endif()
endif()
