// Kernels for the tests of the emulation: small ones, most of them wrong in one way.
#pragma once

#include <cstdint>

namespace llmrt::cuda {

struct TestArgs {
  uint32_t* in;
  uint32_t* out;
  int64_t n;       // meaning differs
  uint32_t wrong;  // which mistake to make; 0: none
};

}  // namespace llmrt::cuda
