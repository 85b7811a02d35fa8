# Compiler flags, build types and output folders. Flags that third-party code must share (position independence, hidden
# symbols, exact floating point) are global; warnings are ours alone and hang on the target llmrt_flags.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
# -g1 keeps function names and lines for a host's crash report at a tenth of the size of full debug information.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")

include(Ccache)
find_package(Threads REQUIRED)

# Everything is linked into one shared library that exports llmrt_* only, so every object is position independent and
# hidden, third-party code included. A unique symbol (STB_GNU_UNIQUE) would pin the library in memory after dlclose.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
add_compile_options(-ffunction-sections -fdata-sections)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-gnu-unique>)
endif()
# NUMERICS: a compiler that fuses a*b+c on its own would give each instruction set its own bits.
add_compile_options(-ffp-contract=off)
# sqrt and its like become one instruction instead of a call into libm that could set errno.
add_compile_options(-fno-math-errno)

if(LLMRT_SANITIZE)
  set(CMAKE_C_FLAGS_RELEASE "-O1 -g1")
  set(CMAKE_CXX_FLAGS_RELEASE "-O1 -g1")
  # What tests do between two calls of the library is not worth the time that optimizing instrumented code takes.
  set(LLMRT_TEST_OPTIONS -O0)
  add_compile_options(-fsanitize=${LLMRT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${LLMRT_SANITIZE})
endif()

# Every linked file carries a hash of its own contents: the build that fingerprints name.
add_link_options(-Wl,--build-id=sha1)

add_library(llmrt_flags INTERFACE)
# Designated initializers name what differs from the defaults; the rest being left out is the point of them.
target_compile_options(llmrt_flags INTERFACE -Wall -Wextra -Werror -Wno-missing-field-initializers)
