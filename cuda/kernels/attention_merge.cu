// Merges the states that attention left for each split of a unit, splits ascending (attention.h):
//
//   M' = max(M, m);  a = Exp(M - M');  b = Exp(m - M')
//   L  = fma(l, b, L * a);  A_i = fma(acc_i, b, A_i * a);  M = M';  out_i = A_i / L
//
// Block x is unit first_unit + x; a thread is one dimension of the head, and each finds the factors
// for itself. Compute capability 8.0.
#include "cuda/device/device.h"
#include "cuda/kernels/attention.h"
#include "cuda/kernels/online_softmax.cuh"

namespace llmrt::cuda {

LLMRT_KERNEL(AttentionMergeKernel, AttentionArgs, kAttentionMergeThreads) {
  const int64_t unit = args.first_unit + BlockIndexX();
  const int32_t row = static_cast<int32_t>(unit / args.num_q_heads);
  if (row >= Load(args.step.num_rows)) return;
  const int32_t splits = Load(args.step.positions + row) / kAttentionSplit + 1;
  const int32_t head_dim = args.kv.head_dim;
  for (int32_t i = static_cast<int32_t>(ThreadIndex()); i < head_dim;
       i += static_cast<int32_t>(kAttentionMergeThreads)) {
    SoftmaxState total;
    float value = 0.0f;
    for (int32_t split = 0; split < splits; ++split) {
      const float* const state = PartialState(args, unit, split);
      const MergeFactors factors =
          MergeSplit(total, {Load(state + head_dim), Load(state + head_dim + 1)});
      value = MergeValue(value, Load(state + i), factors);
    }
    Store(args.out + unit * head_dim + i, value / total.sum);
  }
}

}  // namespace llmrt::cuda
