# Installs BUILD below SCRATCH, builds CONSUMER against the installed package with GENERATOR and runs it.
file(REMOVE_RECURSE "${SCRATCH}")
foreach(command IN ITEMS
    "${CMAKE_COMMAND}|--install|${BUILD}|--prefix|${SCRATCH}/prefix"
    "${CMAKE_COMMAND}|-S|${CONSUMER}|-B|${SCRATCH}/build|-G|${GENERATOR}|-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix"
    "${CMAKE_COMMAND}|--build|${SCRATCH}/build"
    "${SCRATCH}/build/consumer")
  string(REPLACE "|" ";" command "${command}")
  execute_process(COMMAND ${command} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endforeach()
