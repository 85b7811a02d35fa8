// Finds the CUDA driver of this machine.
#pragma once

#include "cuda/driver/driver_table.h"

namespace llmrt::cuda {

// Opens libcuda.so.1 and fills the table. Null on success, otherwise one line that says what is
// missing. The driver stays loaded for the life of the process: it does not support being unloaded.
const char* OpenDriverLibrary(DriverTable* table);

}  // namespace llmrt::cuda
