// Rows of the embedding table in float32 (elementwise.h). Block x is row first + x; a thread
// converts every BlockThreads()-th group of four values, or value where rows are not whole groups.
// No shared memory. F16 and BF16 are converted by integer arithmetic, so denormals stay.
#include "cuda/device/device.h"
#include "cuda/kernels/elementwise.h"

namespace llmrt::cuda {
namespace {

struct FromFloat32 {
  using Stored = float;
  LLMRT_DEVICE static float Convert(float value) { return value; }
};
struct FromHalf {
  using Stored = uint16_t;
  LLMRT_DEVICE static float Convert(uint16_t value) { return numerics::F16ToF32(value); }
};
struct FromBFloat16 {
  using Stored = uint16_t;
  LLMRT_DEVICE static float Convert(uint16_t value) { return numerics::BF16ToF32(value); }
};

template <typename From>
LLMRT_DEVICE void ConvertRow(const uint8_t* row, int64_t cols, float* out) {
  const auto* in = reinterpret_cast<const typename From::Stored*>(row);
  // Rows of the output follow one another, so only whole groups keep all of them aligned.
  if (cols % 4 != 0) {
    for (int64_t i = ThreadIndex(); i < cols; i += BlockThreads()) {
      Store(out + i, From::Convert(Load(in + i)));
    }
    return;
  }
  for (int64_t i = ThreadIndex() * 4; i < cols; i += BlockThreads() * 4) {
    const auto stored = Load(reinterpret_cast<const Vector<typename From::Stored, 4>*>(in + i));
    Vector<float, 4> values;
    for (int j = 0; j < 4; ++j) values.values[j] = From::Convert(stored.values[j]);
    Store(reinterpret_cast<Vector<float, 4>*>(out + i), values);
  }
}

}  // namespace

LLMRT_KERNEL(EmbedKernel, EmbedArgs, kEmbedThreads) {
  const int32_t row = args.first + static_cast<int32_t>(BlockIndexX());
  if (row >= Load(args.step.num_rows)) return;
  const uint8_t* in = args.table + Load(args.step.tokens + row) * args.row_stride;
  float* out = args.out + row * args.cols;
  if (args.element == Element::kF32) {
    ConvertRow<FromFloat32>(in, args.cols, out);
  } else if (args.element == Element::kF16) {
    ConvertRow<FromHalf>(in, args.cols, out);
  } else {
    ConvertRow<FromBFloat16>(in, args.cols, out);
  }
}

}  // namespace llmrt::cuda
