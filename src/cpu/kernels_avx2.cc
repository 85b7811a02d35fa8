#include "cpu/kernels_avx2.h"

namespace llmrt::cpu {

const KernelTable kAvx2Kernels = {
    .matmul = {avx2::MatMulF32, avx2::MatMulF16, avx2::MatMulBF16, avx2::MatMulQ8_0,
               avx2::MatMulQ4_0, avx2::MatMulQ4_1, avx2::MatMulQ5_0, avx2::MatMulQ5_1,
               avx2::MatMulQ4_K, avx2::MatMulQ5_K, avx2::MatMulQ6_K},
    .packing = {{},
                {},
                {},
                {avx2::TileQ8_0, avx2::PackQ8_0},
                {avx2::TileQ4_0, avx2::PackQ4_0},
                {avx2::TileQ4_1, avx2::PackQ4_1},
                {avx2::TileQ5_0, avx2::PackQ5_0},
                {avx2::TileQ5_1, avx2::PackQ5_1},
                {avx2::TileQ4_K, avx2::PackQ4_K},
                {avx2::TileQ5_K, avx2::PackQ5_K},
                {avx2::TileQ6_K, avx2::PackQ6_K}},
    .attention = {avx2::AttentionF32, avx2::AttentionF16, avx2::AttentionBF16},
    .store_kv = {avx2::StoreKvF32, avx2::StoreKvF16, avx2::StoreKvBF16},
    .prepare = {avx2::PrepareF32, avx2::PrepareBF16, avx2::PrepareInt8},
    .rms_norm = avx2::RmsNorm,
    .rope = avx2::Rope,
    .swiglu = avx2::SwiGlu,
};

}  // namespace llmrt::cpu
