# Abseil from its source package (Debian's archives are not position independent; see tools/fetch_abseil.sh, which keeps
# the unpacked sources in a cache so that the next clone has them at once; without a home folder the build folder has it).
set(LLMRT_ABSEIL_SOURCE "" CACHE PATH "Abseil's sources; fetched when empty")

if(LLMRT_ABSEIL_SOURCE)
  set(abseil_source "${LLMRT_ABSEIL_SOURCE}")
else()
  execute_process(
    COMMAND "${PROJECT_SOURCE_DIR}/tools/fetch_abseil.sh" "${PROJECT_BINARY_DIR}/_deps/cache"
    OUTPUT_VARIABLE abseil_source OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "tools/fetch_abseil.sh failed; set LLMRT_ABSEIL_SOURCE to a folder with Abseil's sources")
  endif()
endif()

set(ABSL_PROPAGATE_CXX_STD ON)
set(ABSL_ENABLE_INSTALL OFF)
set(ABSL_USE_EXTERNAL_GOOGLETEST ON)
# Only the targets that something links are built.
add_subdirectory("${abseil_source}" "${PROJECT_BINARY_DIR}/_deps/abseil" EXCLUDE_FROM_ALL SYSTEM)
