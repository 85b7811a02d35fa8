// The Engine of matmul_int8_512.h by AVX-512 VNNI: one instruction multiplies four unsigned by four
// signed bytes in each of 16 lanes and adds them to an int32, exactly. For *_vnni.cc and *_amx.cc.
#pragma once

#include "cpu/matmul_int8_512.h"

namespace llmrt::cpu::x512 {

struct VnniEngine {
  // sum[i] += products of kCount dwords of weights with the dwords of row i; the rows' chains side
  // by side, because each addition waits for the one before.
  template <WeightType, int kCount, int kRows>
  static inline __attribute__((always_inline)) void Add(const __m512i* w, const int8_t* q,
                                                        __m512i (&sum)[kRows]) {
#pragma GCC unroll 8
    for (int v = 0; v < kCount; ++v) {
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) {
        sum[i] = _mm512_dpbusd_epi32(sum[i], w[v], BroadcastDword(q + i * kBlockValues + 4 * v));
      }
    }
  }

  template <WeightType kType>
  static inline __attribute__((always_inline)) void AddPanel(const uint8_t* panel, int64_t first,
                                                             int64_t count,
                                                             const BandTiles<kType>& band,
                                                             float (*totals)[kPanelRows]) {
    AddPanelByVectors<VnniEngine>(panel, first, count, band, totals);
  }
};

}  // namespace llmrt::cpu::x512
