// One weight matrix twice: in rows for the oracles, in panels for the CPU backend.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "cpu/packed_matrix.h"
#include "gtest/gtest.h"
#include "ops/host_storage.h"
#include "tests/cpu/counted_kernels.h"

namespace llmrt::cpu {

struct BothLayouts {
  std::shared_ptr<backend::Matrix> plain;
  std::shared_ptr<backend::Matrix> packed;

  // What `backend` reads; the oracle where it is null.
  const backend::Matrix* For(const backend::Backend* backend) const {
    return backend == nullptr ? plain.get() : packed.get();
  }
};

// `bytes`: all rows as a file has them.
inline BothLayouts MakeBothLayouts(backend::WeightType type, int64_t rows, int64_t cols,
                                   const std::vector<uint8_t>& bytes) {
  BothLayouts both = {ops::HostMatrix::Create(TestMemory(), type, rows, cols).value(),
                      PackedMatrix::Create(TestMemory(), type, rows, cols).value()};
  EXPECT_TRUE(static_cast<ops::HostMatrix&>(*both.plain).WriteRows(0, bytes).ok());
  EXPECT_TRUE(static_cast<PackedMatrix&>(*both.packed).WriteRows(0, bytes).ok());
  return both;
}

}  // namespace llmrt::cpu
