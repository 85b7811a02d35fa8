# llmrt_shared_library(SOURCES ... DEPS ... SHARED_SOURCES ...) makes libllmrt.so (target llmrt_shared) of the C entry
# points and every static library below them, and beside it llmrt_abi, the same objects as a static library for tests
# that look inside. SHARED_SOURCES go into the shared library alone (what happens when it is unloaded).
#
# The shared library drops into any host: it exports llmrt_* only (cmake/llmrt.map), needs libc and libm only, and can
# be unloaded, so nothing in it may be a unique symbol (the system would then never unmap it).
function(llmrt_shared_library)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "SOURCES;DEPS;SHARED_SOURCES")
  llmrt_library(abi SOURCES ${arg_SOURCES} DEPS ${arg_DEPS})
  llmrt_resolve_deps(deps ${arg_DEPS})
  add_library(llmrt_shared SHARED $<TARGET_OBJECTS:llmrt_abi> ${arg_SHARED_SOURCES})
  target_link_libraries(llmrt_shared PRIVATE ${deps} llmrt_flags Threads::Threads)
  target_include_directories(llmrt_shared INTERFACE
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  set_target_properties(llmrt_shared PROPERTIES
    OUTPUT_NAME llmrt EXPORT_NAME llmrt VERSION ${PROJECT_VERSION} SOVERSION 1
    LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/llmrt.map")
  target_link_options(llmrt_shared PRIVATE
    "-Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/llmrt.map" -Wl,--gc-sections)
  if(NOT LLMRT_SANITIZE)
    # A sanitizer's run-time library brings its own undefined symbols and libstdc++.
    target_link_options(llmrt_shared PRIVATE -Wl,-z,defs -static-libstdc++ -static-libgcc)
  endif()
endfunction()
