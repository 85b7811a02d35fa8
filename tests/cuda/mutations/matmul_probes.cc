// Probes of the matrix products: several blocks along both axes, more stages than the pipeline
// holds, more than one chunk, and a tail of features, tokens and K.
#include "cuda/kernels/matmul.h"
#include "tests/cuda/mutations/probe.h"

namespace llmrt::cuda {
namespace {

struct Sizes {
  int32_t features;  // of which the first is not computed
  int32_t tokens;
  int64_t k;
};

Outcome MatMul(KernelId kernel, Element element, const Sizes& sizes,
               const std::function<LaunchShape(const MatMulArgs&)>& shape) {
  ProbeRandom random(1);
  const int64_t lanes = element == Element::kF32 ? 16 : 64;
  const int64_t stride = (sizes.k * ElementBytes(element) + 127) / 128 * 128;
  const auto matrix = [&](int32_t rows) {
    std::vector<uint8_t> bytes;
    for (int32_t row = 0; row < rows; ++row) {
      const std::vector<uint8_t> values = random.Elements(element, sizes.k);
      bytes.insert(bytes.end(), values.begin(), values.end());
      bytes.resize((row + 1) * stride, 0);
    }
    return bytes;
  };
  const DeviceArray<uint8_t> weights(matrix(sizes.features)), activations(matrix(sizes.tokens));
  const int64_t out_stride = sizes.features + 3;
  const DeviceArray<float> out(random.Floats(sizes.tokens * out_stride));
  const MatMulArgs args = {.weight = weights.get(),
                           .activations = activations.get(),
                           .row_stride = stride,
                           .padded_k = (sizes.k + lanes - 1) / lanes * lanes,
                           .first_feature = 1,
                           .end_feature = sizes.features,
                           .num_rows = sizes.tokens,
                           .accumulate = 1,
                           .out = out.get(),
                           .out_stride = out_stride};
  return LaunchProbe(kernel, shape(args), args, out);
}

// Two warps have three chunks, one more than they are.
std::vector<Probe> NarrowProbes(KernelId kernel, Element element) {
  const auto shape = [](const MatMulArgs& args) {
    LaunchShape shape = MatMulNarrowShape(args);
    shape.threads = 2 * 32;
    shape.shared_bytes = 2 * kMatMulStages * kMatMulNarrowStageBytes + 3 * kMatMulNarrowChunkBytes;
    return shape;
  };
  return {[=] { return MatMul(kernel, element, {20, 10, 2 * kMatMulChunk + 70}, shape); }};
}

// Two blocks along one axis, then along the other.
std::vector<Probe> WideProbes(KernelId kernel, Element element, uint32_t tokens) {
  const auto shape = [=](const MatMulArgs& args) { return MatMulWideShape(args, tokens); };
  const auto rows = static_cast<int32_t>(tokens);
  return {[=] {
            return MatMul(kernel, element, {70, rows - 3, 300}, shape);
          },
          [=] {
            return MatMul(kernel, element, {50, rows + 5, 40}, shape);
          }};
}

}  // namespace

std::vector<Probe> MatMulProbes(KernelId kernel) {
  switch (kernel) {
    case KernelId::kMatMulFloat32Kernel:
      return {[=] {
        return MatMul(kernel, Element::kF32, {11, 10, kMatMulChunk + 20}, MatMulFloat32Shape);
      }};
    case KernelId::kMatMulHalf8Kernel:
      return NarrowProbes(kernel, Element::kF16);
    case KernelId::kMatMulHalf32Kernel:
      return WideProbes(kernel, Element::kF16, 32);
    case KernelId::kMatMulHalf64Kernel:
      return WideProbes(kernel, Element::kF16, 64);
    case KernelId::kMatMulBFloat8Kernel:
      return NarrowProbes(kernel, Element::kBF16);
    case KernelId::kMatMulBFloat32Kernel:
      return WideProbes(kernel, Element::kBF16, 32);
    case KernelId::kMatMulBFloat64Kernel:
      return WideProbes(kernel, Element::kBF16, 64);
    default:
      return {};
  }
}

}  // namespace llmrt::cuda
