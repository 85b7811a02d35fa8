// Random inputs for the tests of ops and kernels: weights as files have them, activations whose
// magnitudes reach from denormal to large, and paged caches with shuffled blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "absl/types/span.h"
#include "backend/backend.h"
#include "memory/large_buffer.h"

namespace llmrt::ops {

using Random = std::mt19937;

inline constexpr backend::WeightType kAllWeightTypes[] = {
    backend::WeightType::kF32,  backend::WeightType::kF16,  backend::WeightType::kBF16,
    backend::WeightType::kQ8_0, backend::WeightType::kQ4_0, backend::WeightType::kQ4_1,
    backend::WeightType::kQ5_0, backend::WeightType::kQ5_1, backend::WeightType::kQ4_K,
    backend::WeightType::kQ5_K, backend::WeightType::kQ6_K};

// How wild the numbers are.
enum class Spread {
  kNormal,  // standard normal
  kWide,    // exponents from 2^-140 (denormal) to 2^30, zeros, runs of zeros
};

float RandomFloat(Random& random, Spread spread);
std::vector<float> RandomFloats(Random& random, int64_t count, Spread spread);

// File bytes of a matrix. kWide: scales are zero, denormal halves, or large; the most negative
// quantities (-128 for Q8_0) appear; F16 has denormals.
std::vector<uint8_t> RandomWeights(Random& random, backend::WeightType type, int64_t rows,
                                   int64_t cols, Spread spread);

// Same bits, so that NaN equals NaN and +0 differs from -0.
bool SameBits(const float* a, const float* b, int64_t count);
// Index of the first difference, -1 if none.
int64_t FirstDifference(absl::Span<const float> a, absl::Span<const float> b);

// Sequences in a cache whose every byte was poisoned (NaN in each type) before the first
// `lengths[s]` tokens of each sequence were filled with random keys and values.
struct PagedCache {
  std::unique_ptr<backend::KvCache> cache;
  std::vector<std::vector<int32_t>> tables;            // physical blocks of each sequence
  std::vector<absl::Span<const int32_t>> table_spans;  // of `tables`
};

// Blocks come in random order, with some that nobody uses.
PagedCache MakePagedCache(Random& random, memory::LargeMemory& memory,
                          const backend::KvShape& shape, const std::vector<int32_t>& lengths);

// A batch that owns what it views.
struct OwnedBatch {
  std::vector<int32_t> tokens;
  std::vector<int32_t> positions;
  std::vector<int32_t> sequences;
  std::vector<absl::Span<const int32_t>> tables;

  void Add(int32_t sequence, int32_t position);
  backend::Batch View() const;
};

}  // namespace llmrt::ops
