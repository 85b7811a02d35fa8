// AMX's eight tile registers, as the kernels in matmul_*_tiles.h use them. For *_amx.cc only: tests
// put an imitation in its place where the processor has none.
//
// Registers, all with rows of 64 bytes unless said:
//   0 to 3   sums: 16 rows (of activations) of 16 numbers (features)
//   4        activations: 16 rows of kBytesA;  5  weights: kBytesA / 4 rows
// kBytesA, bytes of K in a product, is 64, 32 or 16.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace llmrt::cpu {

struct AmxTiles {
  // Between Configure and Release the thread's tile registers are the kernel's. Both are cheap, and
  // a host that uses tiles itself keeps nothing in them across a call: they are the caller's to
  // save.
  static inline __attribute__((always_inline)) void Configure(int bytes_a) {
    struct alignas(64) Config {
      uint8_t palette;
      uint8_t start_row;
      uint8_t reserved[14];
      uint16_t bytes[16];
      uint8_t rows[16];
    } config = {};
    static_assert(sizeof(Config) == 64);
    config.palette = 1;
    for (int i = 0; i < 4; ++i) {
      config.bytes[i] = 64;
      config.rows[i] = 16;
    }
    config.bytes[4] = static_cast<uint16_t>(bytes_a);
    config.rows[4] = 16;
    config.bytes[5] = 64;
    config.rows[5] = static_cast<uint8_t>(bytes_a / 4);
    // GCC 12 drops the stores above otherwise (its bug 114098).
    asm volatile("" : : "m"(config) : "memory");
    _tile_loadconfig(&config);
  }
  static inline __attribute__((always_inline)) void Release() { _tile_release(); }

  // The intrinsics are macros that want a literal number.
  template <int kTile>
  static inline __attribute__((always_inline)) void Zero() {
    static_assert(kTile == 0 || kTile == 1);
    if constexpr (kTile == 0) _tile_zero(0);
    if constexpr (kTile == 1) _tile_zero(1);
  }
  // GCC's intrinsic does not say that it reads memory: whoever has just written what is loaded puts
  // a barrier for the compiler before (Configure is one).
  static inline __attribute__((always_inline)) void LoadActivations(const void* from,
                                                                    int64_t stride) {
    _tile_loadd(4, from, stride);
  }
  static inline __attribute__((always_inline)) void LoadWeights(const void* from) {
    _tile_loadd(5, from, 64);
  }
  // Sums += activations * weights: signed bytes, exactly.
  template <int kTile>
  static inline __attribute__((always_inline)) void AddBytes() {
    if constexpr (kTile == 0) _tile_dpbssd(0, 4, 5);
    if constexpr (kTile == 1) _tile_dpbssd(1, 4, 5);
  }
  // Pairs of bfloat16: for each sum, even = odd = 0, each pair ascending by fma, then
  // sum + (even + odd); round to nearest, denormals as zero, whatever the thread's mode.
  template <int kTile>
  static inline __attribute__((always_inline)) void AddPairs() {
    if constexpr (kTile == 0) _tile_dpbf16ps(0, 4, 5);
    if constexpr (kTile == 1) _tile_dpbf16ps(1, 4, 5);
  }
  // [16][16] of 32 bits.
  template <int kTile>
  static inline __attribute__((always_inline)) void Store(void* to) {
    if constexpr (kTile == 0) _tile_stored(0, to, 64);
    if constexpr (kTile == 1) _tile_stored(1, to, 64);
  }
};

}  // namespace llmrt::cpu
