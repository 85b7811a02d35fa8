# Device code: each source of cuda/kernels becomes a fatbin, and all of them one object (llmrt_cuda_images) that holds
# them as data. Only this needs nvcc; host code of the CUDA backend needs neither nvcc nor CUDA's headers.
#
# LLMRT_CUDA_ARCHITECTURES: compute capabilities to make machine code for, and `ptx` for code that the driver compiles on
# devices newer than these. One alone builds quickly: -DLLMRT_CUDA_ARCHITECTURES=90. `none` leaves device code out: such a
# backend opens no device but an emulated one.
set(LLMRT_CUDA_ARCHITECTURES "80;86;89;90;120;ptx" CACHE STRING "Compute capabilities; `ptx`; or `none`")

find_program(LLMRT_NVCC nvcc PATHS /usr/local/cuda/bin)

function(llmrt_cuda_gencode out)
  set(options "")
  foreach(architecture IN LISTS LLMRT_CUDA_ARCHITECTURES)
    if(architecture STREQUAL "ptx")
      list(APPEND options -gencode=arch=compute_80,code=compute_80)
    else()
      list(APPEND options "-gencode=arch=compute_${architecture},code=sm_${architecture}")
    endif()
  endforeach()
  set(${out} "${options}" PARENT_SCOPE)
endfunction()

# llmrt_cuda_images(<library> <array> <source folder> <module>...): the library llmrt_<library> with device code as an array
# of cuda/launch/kernel_images.h: llmrt::<array>, for example cuda::kKernelImages. Sets LLMRT_CUDA_DEVICE_CODE: whether
# there is any. Beside each fatbin lies <module>.resources.txt with the registers, stack and spills of its kernels.
function(llmrt_cuda_images library array source_folder)
  set(folder "${PROJECT_BINARY_DIR}/cuda/${library}")
  file(MAKE_DIRECTORY "${folder}")
  set(with_code OFF)
  if(LLMRT_NVCC AND NOT LLMRT_CUDA_ARCHITECTURES STREQUAL "none")
    set(with_code ON)
  endif()
  set(LLMRT_CUDA_DEVICE_CODE ${with_code} PARENT_SCOPE)
  llmrt_cuda_gencode(gencode)
  file(GLOB headers CONFIGURE_DEPENDS "${source_folder}/*.h" "${source_folder}/*.cuh"
    "${PROJECT_SOURCE_DIR}/cuda/kernels/*.h" "${PROJECT_SOURCE_DIR}/cuda/device/*.h"
    "${PROJECT_SOURCE_DIR}/src/numerics/*.h")
  set(LLMRT_IMAGE_DATA "")
  set(LLMRT_IMAGE_ENTRIES "")
  set(fatbins "")
  foreach(module IN LISTS ARGN)
    if(with_code)
      set(fatbin "${folder}/${module}.fatbin")
      # Warnings are errors here as everywhere; the report of resources comes on stderr.
      add_custom_command(OUTPUT "${fatbin}"
        COMMAND sh "${PROJECT_SOURCE_DIR}/cmake/compile_kernel.sh"
          "${folder}/${module}.resources.txt" "${LLMRT_NVCC}" -fatbin ${gencode} -std=c++20 -O3
          --expt-relaxed-constexpr -fmad=false -ftz=true -prec-div=true -prec-sqrt=true -Werror all-warnings
          -Xptxas -v,-warn-spills,-warn-lmem-usage "-I${PROJECT_SOURCE_DIR}" "-I${PROJECT_SOURCE_DIR}/src"
          "-I${PROJECT_SOURCE_DIR}/tests" -o "${fatbin}" "${source_folder}/${module}.cu"
        DEPENDS "${source_folder}/${module}.cu" ${headers} "${PROJECT_SOURCE_DIR}/cmake/compile_kernel.sh"
        COMMENT "Compiling kernels ${module}" VERBATIM)
      list(APPEND fatbins "${fatbin}")
      string(APPEND LLMRT_IMAGE_DATA "LLMRT_IMAGE(${module}, \"${fatbin}\")\n")
    else()
      string(APPEND LLMRT_IMAGE_DATA "LLMRT_NO_IMAGE(${module})\n")
    endif()
    string(APPEND LLMRT_IMAGE_ENTRIES "    LLMRT_ENTRY(${module}),\n")
  endforeach()
  string(REGEX MATCH "^(.*)::([^:]*)$" matched "${array}")
  set(LLMRT_IMAGE_NAMESPACE "llmrt::${CMAKE_MATCH_1}")
  set(LLMRT_IMAGE_ARRAY "${CMAKE_MATCH_2}")
  set(source "${PROJECT_BINARY_DIR}/cuda/${library}.cc")
  configure_file("${PROJECT_SOURCE_DIR}/cmake/kernel_images.cc.in" "${source}" @ONLY)
  # The assembler includes the fatbins, which neither the compiler nor ccache knows of.
  set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${fatbins}")
  llmrt_library(${library} SOURCES "${source}")
  target_include_directories(llmrt_${library} PUBLIC "${PROJECT_SOURCE_DIR}")
  set_target_properties(llmrt_${library} PROPERTIES CXX_COMPILER_LAUNCHER "")
endfunction()
