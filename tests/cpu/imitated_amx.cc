// The kernels of tier amx over tile registers that are imitated by plain code, for machines without
// AMX: everything but the instructions themselves is what runs there. Needs AVX-512 VNNI.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cpu/kernels_avx2.h"
#include "cpu/kernels_avx512.h"
#include "cpu/matmul_float_tiles.h"
#include "cpu/matmul_int8_tiles.h"
#include "cpu/vnni_engine.h"

namespace llmrt::cpu {
namespace {

using backend::WeightType;

// Tiles 0 to 3 are sums; 4 activations, 5 weights; see cpu/tiles_amx.h. Used without being
// configured, real ones raise a signal.
struct Registers {
  bool configured = false;
  int bytes_a = 0;
  uint32_t sums[4][16][16];
  uint8_t activations[16][64];
  uint8_t weights[16][64];
};
thread_local Registers registers;

Registers& Configured() {
  if (!registers.configured) {
    std::fputs("a tile is used without being configured\n", stderr);
    std::abort();
  }
  return registers;
}

float FloatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

float PairElement(const uint8_t* bytes) {
  uint16_t bits;
  std::memcpy(&bits, bytes, sizeof(bits));
  return FloatOf(static_cast<uint32_t>(bits) << 16);
}

struct ImitatedTiles {
  static void Configure(int bytes_a) {
    if (registers.configured) std::abort();  // nobody released it
    registers.configured = true;
    registers.bytes_a = bytes_a;
    std::memset(registers.sums, 0xff, sizeof(registers.sums));
  }
  static void Release() {
    Configured();
    registers.configured = false;
  }
  template <int kTile>
  static void Zero() {
    std::memset(Configured().sums[kTile], 0, sizeof(registers.sums[kTile]));
  }
  static void LoadActivations(const void* from, int64_t stride) {
    Registers& r = Configured();
    for (int m = 0; m < 16; ++m) {
      std::memcpy(r.activations[m], static_cast<const uint8_t*>(from) + m * stride, r.bytes_a);
    }
  }
  static void LoadWeights(const void* from) {
    Registers& r = Configured();
    std::memcpy(r.weights, from, r.bytes_a / 4 * 64);
  }
  template <int kTile>
  static void AddBytes() {
    Registers& r = Configured();
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 16; ++n) {
        int32_t sum = static_cast<int32_t>(r.sums[kTile][m][n]);
        for (int k = 0; k < r.bytes_a; ++k) {
          sum += static_cast<int8_t>(r.activations[m][k]) *
                 static_cast<int8_t>(r.weights[k / 4][n * 4 + k % 4]);
        }
        r.sums[kTile][m][n] = static_cast<uint32_t>(sum);
      }
    }
  }
  template <int kTile>
  static void AddPairs() {
    Registers& r = Configured();
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 16; ++n) {
        float even = 0, odd = 0;
        for (int p = 0; p < r.bytes_a / 4; ++p) {
          const uint8_t* a = &r.activations[m][p * 4];
          const uint8_t* w = &r.weights[p][n * 4];
          even = __builtin_fmaf(PairElement(a), PairElement(w), even);
          odd = __builtin_fmaf(PairElement(a + 2), PairElement(w + 2), odd);
        }
        const float sum = FloatOf(r.sums[kTile][m][n]) + (even + odd);
        std::memcpy(&r.sums[kTile][m][n], &sum, sizeof(sum));
      }
    }
  }
  template <int kTile>
  static void Store(void* to) {
    std::memcpy(to, Configured().sums[kTile], sizeof(registers.sums[kTile]));
  }
};

using Engine = x512::TileEngine<x512::VnniEngine, ImitatedTiles>;

template <WeightType kType>
void MatMulBytes(const MatMulTask& task) {
  x512::MatMul<Engine, kType>(task);
}

void MatMulBF16(const MatMulTask& task) {
  x512::MatMulPairs<ImitatedTiles>(task, avx512::MatMulBF16);
}

}  // namespace

// Addresses only, known to the linker: an initializer that runs would do so with instructions that
// not every machine of these tests has.
extern constinit const KernelTable kImitatedAmxKernels = {
    .matmul = {avx512::MatMulF32, avx512::MatMulF16, MatMulBF16, MatMulBytes<WeightType::kQ8_0>,
               MatMulBytes<WeightType::kQ4_0>, MatMulBytes<WeightType::kQ4_1>,
               MatMulBytes<WeightType::kQ5_0>, MatMulBytes<WeightType::kQ5_1>,
               MatMulBytes<WeightType::kQ4_K>, MatMulBytes<WeightType::kQ5_K>,
               MatMulBytes<WeightType::kQ6_K>},
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
