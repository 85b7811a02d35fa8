// Caches of the CPU backend with the contents of a plain one, which the oracles read.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "cpu/cpu_kv_cache.h"
#include "gtest/gtest.h"
#include "ops/host_storage.h"
#include "tests/cpu/counted_kernels.h"

namespace llmrt::cpu {

// All bytes of a cache in the layout of kv_shape.h, block by block.
template <typename Cache>
std::vector<uint8_t> PlainBytes(const Cache& cache) {
  const int64_t size = cache.shape().BlockBytes();
  std::vector<uint8_t> bytes(static_cast<size_t>(cache.num_blocks() * size));
  for (int32_t block = 0; block < cache.num_blocks(); ++block) {
    EXPECT_TRUE(cache.ReadBlock(block, absl::MakeSpan(bytes).subspan(block * size, size)).ok());
  }
  return bytes;
}

inline void SetPlainBytes(CpuKvCache& cache, const std::vector<uint8_t>& bytes) {
  const int64_t size = cache.shape().BlockBytes();
  for (int32_t block = 0; block < cache.num_blocks(); ++block) {
    EXPECT_TRUE(
        cache.WriteBlock(block, absl::MakeConstSpan(bytes).subspan(block * size, size)).ok());
  }
}

// `plain` is a HostKvCache.
inline std::unique_ptr<backend::KvCache> CpuCopyOf(const backend::KvCache& plain) {
  auto cache = CpuKvCache::Create(TestMemory(), plain.shape(), plain.num_blocks()).value();
  SetPlainBytes(static_cast<CpuKvCache&>(*cache),
                PlainBytes(static_cast<const ops::HostKvCache&>(plain)));
  return cache;
}

}  // namespace llmrt::cpu
