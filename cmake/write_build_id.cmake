# Run by the target of BuildId.cmake: hashes the sources below SOURCE with FLAGS and writes the header OUT, if the id in
# it is another one.
set(lines "${FLAGS}\n")
file(GLOB_RECURSE paths RELATIVE "${SOURCE}" "${SOURCE}/src/*" "${SOURCE}/include/*" "${SOURCE}/cuda/*"
  "${SOURCE}/cmake/*")
list(SORT paths)
foreach(path IN LISTS paths)
  # An editor's copies are no sources.
  if(path MATCHES "(~|\\.swp|\\.orig)$")
    continue()
  endif()
  file(SHA256 "${SOURCE}/${path}" hash)
  string(APPEND lines "${hash} ${path}\n")
endforeach()
string(SHA256 id "${lines}")
set(text "// Written by cmake/write_build_id.cmake.\n#pragma once\n\nnamespace llmrt::generated {\n\n")
string(APPEND text "inline constexpr char kBuildId[] =\n    \"${id}\";\n\n}  // namespace llmrt::generated\n")
set(before "")
if(EXISTS "${OUT}")
  file(READ "${OUT}" before)
endif()
if(NOT before STREQUAL text)
  file(WRITE "${OUT}" "${text}")
endif()
