#include "cpu/kernels_vnni.h"

#include "cpu/kernels_avx2.h"
#include "cpu/kernels_avx512.h"

namespace llmrt::cpu {

const KernelTable kVnniKernels = {
    .matmul = {avx512::MatMulF32, avx512::MatMulF16, avx512::MatMulBF16, vnni::MatMulQ8_0,
               vnni::MatMulQ4_0, vnni::MatMulQ4_1, vnni::MatMulQ5_0, vnni::MatMulQ5_1,
               vnni::MatMulQ4_K, vnni::MatMulQ5_K, vnni::MatMulQ6_K},
    .packing = {{},
                {},
                {},
                {avx512::TileQ8_0, avx512::PackQ8_0},
                {avx512::TileQ4_0, avx512::PackQ4_0},
                {avx512::TileQ4_1, avx512::PackQ4_1},
                {avx512::TileQ5_0, avx512::PackQ5_0},
                {avx512::TileQ5_1, avx512::PackQ5_1},
                {avx512::TileQ4_K, avx512::PackQ4_K},
                {avx512::TileQ5_K, avx512::PackQ5_K},
                {avx512::TileQ6_K, avx512::PackQ6_K}},
    .attention = {avx512::AttentionF32, avx512::AttentionF16, avx512::AttentionBF16},
    .store_kv = {avx2::StoreKvF32, avx2::StoreKvF16, avx2::StoreKvBF16},
    .prepare = {avx2::PrepareF32, avx2::PrepareBF16, avx2::PrepareInt8},
    .rms_norm = avx2::RmsNorm,
    .rope = avx2::Rope,
    .swiglu = avx2::SwiGlu,
};

}  // namespace llmrt::cpu
