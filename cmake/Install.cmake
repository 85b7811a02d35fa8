# cmake --install: the shared library, its header, the command line, and a CMake package, so that a host writes
#   find_package(llmrt) and target_link_libraries(host PRIVATE llmrt::llmrt).
include(CMakePackageConfigHelpers)

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/llmrt")
install(TARGETS llmrt_shared EXPORT llmrtTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING
  PATTERN "*.h" PATTERN "*.hpp")
install(EXPORT llmrtTargets NAMESPACE llmrt:: DESTINATION "${package_folder}")
# The package holds nothing but the one target, so the targets' file is its configuration.
file(WRITE "${PROJECT_BINARY_DIR}/llmrtConfig.cmake" "include(\"\${CMAKE_CURRENT_LIST_DIR}/llmrtTargets.cmake\")\n")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/llmrtConfigVersion.cmake" COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/llmrtConfig.cmake" "${PROJECT_BINARY_DIR}/llmrtConfigVersion.cmake"
  DESTINATION "${package_folder}")

set_target_properties(llmrt PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
install(TARGETS llmrt RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
