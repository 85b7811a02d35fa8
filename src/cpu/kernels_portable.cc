#include "cpu/kernels_portable.h"

namespace llmrt::cpu {

using backend::KvType;
using backend::WeightType;

const KernelTable kPortableKernels = {
    .matmul = {portable::MatMulF32, portable::MatMulF16, portable::MatMulBF16,
               portable::MatMulInt8<WeightType::kQ8_0>, portable::MatMulInt8<WeightType::kQ4_0>,
               portable::MatMulInt8<WeightType::kQ4_1>, portable::MatMulInt8<WeightType::kQ5_0>,
               portable::MatMulInt8<WeightType::kQ5_1>, portable::MatMulInt8<WeightType::kQ4_K>,
               portable::MatMulInt8<WeightType::kQ5_K>, portable::MatMulInt8<WeightType::kQ6_K>},
    .attention = {portable::Attention<KvType::kF32>, portable::Attention<KvType::kF16>,
                  portable::Attention<KvType::kBF16>},
    .store_kv = {portable::StoreKv<KvType::kF32>, portable::StoreKv<KvType::kF16>,
                 portable::StoreKv<KvType::kBF16>},
    .prepare = {portable::PrepareF32, portable::PrepareBF16, portable::PrepareInt8},
    .rms_norm = portable::RmsNorm,
    .rope = portable::Rope,
    .swiglu = portable::SwiGlu,
};

}  // namespace llmrt::cpu
