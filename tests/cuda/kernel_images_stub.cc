// Stands in for the images that the build generates: the emulation finds kernels by name and never
// looks at an image.
#include "cuda/launch/kernel_images.h"

namespace llmrt::cuda {
namespace {

constexpr char kNothing[] = "no image";

}  // namespace

#define LLMRT_CUDA_STUB_IMAGE(module) \
  { module, kNothing, sizeof(kNothing) }

const KernelImage kKernelImages[] = {
    LLMRT_CUDA_STUB_IMAGE("embed"),
    LLMRT_CUDA_STUB_IMAGE("rms_norm"),
    LLMRT_CUDA_STUB_IMAGE("prepare"),
    LLMRT_CUDA_STUB_IMAGE("rope_store"),
    LLMRT_CUDA_STUB_IMAGE("swiglu"),
    LLMRT_CUDA_STUB_IMAGE("matmul_float32"),
    LLMRT_CUDA_STUB_IMAGE("matmul_half"),
    LLMRT_CUDA_STUB_IMAGE("matmul_bfloat"),
    LLMRT_CUDA_STUB_IMAGE("attention_float32"),
    LLMRT_CUDA_STUB_IMAGE("attention_half"),
    LLMRT_CUDA_STUB_IMAGE("attention_bfloat"),
    LLMRT_CUDA_STUB_IMAGE("attention_merge"),
    LLMRT_CUDA_STUB_IMAGE("draw"),
    LLMRT_CUDA_STUB_IMAGE("read_bandwidth"),
    {},
};

}  // namespace llmrt::cuda
