#include "cuda_host/exact_mma.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

namespace llmrt::cuda_host {
namespace {

// A zero's exponent: low enough that it never is the largest, high enough that sums do not wrap.
constexpr int32_t kNoExponent = -(1 << 20);
constexpr uint32_t kNan = 0x7fffffffu;

template <typename Element>
struct Format;
template <>
struct Format<cuda::Half> {
  static constexpr int kFraction = 10;
  static constexpr int kBias = 15;
};
template <>
struct Format<cuda::BFloat16> {
  static constexpr int kFraction = 7;
  static constexpr int kBias = 127;
};

// value = significand * 2^(exponent - fraction bits of the type).
struct Parts {
  int32_t significand;
  int32_t exponent;
};

template <typename Element>
constexpr bool IsSpecial(uint16_t bits) {
  constexpr uint32_t kMask = 0x7fffu >> Format<Element>::kFraction << Format<Element>::kFraction;
  return (bits & kMask) == kMask;
}

template <typename Element>
Parts Split(uint16_t bits) {
  constexpr int kFraction = Format<Element>::kFraction;
  const int32_t field = (bits & 0x7fff) >> kFraction;
  int32_t significand = bits & ((1 << kFraction) - 1);
  if (field != 0) significand |= 1 << kFraction;
  if (significand == 0) return {0, kNoExponent};
  return {(bits & 0x8000) != 0 ? -significand : significand,
          std::max(field, 1) - Format<Element>::kBias};
}

Parts SplitAccumulator(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const int32_t field = static_cast<int32_t>(bits >> 23 & 0xffu);
  int32_t significand = static_cast<int32_t>(bits & 0x7fffffu);
  if (field != 0) significand |= 1 << 23;
  return {(bits >> 31) != 0 ? -significand : significand, std::max(field, 1) - 127};
}

// |significand| * 2^up, then cut to where the largest exponent is `shift` higher.
inline int32_t Align(int32_t significand, int up, int32_t shift) {
  const int32_t sign = significand >> 31;  // 0 or -1: x ^ sign - sign negates
  const uint32_t magnitude = static_cast<uint32_t>((significand ^ sign) - sign) << up >>
                             std::min(shift, 31);  // at most 28 bits: 31 leaves nothing
  return (static_cast<int32_t>(magnitude) ^ sign) - sign;
}

// sum * 2^(exponent - fraction), cut to float32.
float Normalise(int64_t sum, int32_t exponent, int fraction) {
  if (sum == 0) return 0.0f;
  const uint32_t sign = sum < 0 ? 0x80000000u : 0u;
  const uint64_t magnitude = static_cast<uint64_t>(std::abs(sum));
  const int bits = 64 - std::countl_zero(magnitude);
  const int32_t top = bits - 1 + exponent - fraction;
  if (top >= 128) return std::bit_cast<float>(sign | 0x7f800000u);
  if (top < -126) {  // units of 2^-149
    const int shift = exponent - fraction + 149;
    const uint64_t units = shift >= 0 ? magnitude << shift : magnitude >> -shift;
    return std::bit_cast<float>(sign | static_cast<uint32_t>(units));
  }
  const uint64_t mantissa = bits > 24 ? magnitude >> (bits - 24) : magnitude << (24 - bits);
  return std::bit_cast<float>(sign | static_cast<uint32_t>(top + 127) << 23 |
                              (static_cast<uint32_t>(mantissa) & 0x7fffffu));
}

// The same for most sums, without a branch for each bit: as a double, whose low 29 mantissa bits
// are what float32 lacks.
inline float NormaliseFast(int64_t sum, int32_t exponent, int fraction) {
  const uint64_t bits = std::bit_cast<uint64_t>(static_cast<double>(sum)) & ~uint64_t{0x1fffffff};
  const int32_t top =
      static_cast<int32_t>(bits >> 52 & 0x7ffu) - 1023 + exponent - fraction;  // far below for 0
  if (top < -126 || top > 127) [[unlikely]]
    return Normalise(sum, exponent, fraction);
  const uint64_t scale = static_cast<uint64_t>(int64_t{exponent} - fraction) << 52;
  return static_cast<float>(std::bit_cast<double>(bits + scale));
}

// Sign of the infinity (1 or -1), 2 for NaN, 0 for a finite value.
template <typename Element>
int Kind(uint16_t bits) {
  if (!IsSpecial<Element>(bits)) return 0;
  if ((bits & ((1 << Format<Element>::kFraction) - 1)) != 0) return 2;
  return (bits & 0x8000) != 0 ? -1 : 1;
}

// c + sum of a[k] * b[k] where an operand is infinite or NaN; `count` of them. False where all are
// finite.
template <typename Element>
bool DotSpecial(const uint16_t* a, const uint16_t* b, float c, int count, float* result) {
  bool infinite[2] = {};
  bool nan = false;
  const uint32_t c_bits = std::bit_cast<uint32_t>(c);
  if ((c_bits & 0x7f800000u) == 0x7f800000u) {
    nan = (c_bits & 0x7fffffu) != 0;
    infinite[c_bits >> 31] = !nan;
  }
  for (int k = 0; k < count; ++k) {
    const int kind_a = Kind<Element>(a[k]);
    const int kind_b = Kind<Element>(b[k]);
    if (kind_a == 0 && kind_b == 0) continue;
    const bool zero = (a[k] & 0x7fff) == 0 || (b[k] & 0x7fff) == 0;
    nan = nan || kind_a == 2 || kind_b == 2 || zero;
    infinite[(a[k] ^ b[k]) >> 15 & 1] = true;
  }
  if (!nan && !infinite[0] && !infinite[1]) return false;
  if (nan || (infinite[0] && infinite[1])) {
    *result = std::bit_cast<float>(kNan);
  } else {
    *result = std::bit_cast<float>(infinite[1] ? 0xff800000u : 0x7f800000u);
  }
  return true;
}

template <typename Element>
float Dot(const uint16_t* a, const uint16_t* b, float c, int count, int fraction) {
  float special;
  if (DotSpecial<Element>(a, b, c, count, &special)) return special;
  const Parts add = SplitAccumulator(c);
  int32_t largest = add.exponent;
  Parts products[16];
  for (int k = 0; k < count; ++k) {
    const Parts x = Split<Element>(a[k]);
    const Parts y = Split<Element>(b[k]);
    products[k] = {x.significand * y.significand, x.exponent + y.exponent};
    largest = std::max(largest, products[k].exponent);
  }
  int64_t sum = Align(add.significand, fraction - 23, largest - add.exponent);
  for (int k = 0; k < count; ++k) {
    sum += Align(products[k].significand, fraction - 2 * Format<Element>::kFraction,
                 largest - products[k].exponent);
  }
  return Normalise(sum, largest, fraction);
}

// An operand of 16 values of k, taken apart once; b's columns lie side by side for vectors.
struct SplitA {
  int32_t significand[16];
  int32_t exponent[16];
};
struct SplitB {
  int32_t significand[16][8];
  int32_t exponent[16][8];
};

// Values k in [first, first + count) of one row of a with all columns of b: one line per column, so
// that compilers make vectors of eight. 8 products of less than 2^27 each fit 32 bits; 16 do not.
template <int kUp>
inline __attribute__((always_inline)) void SumColumns(const SplitA& a, const SplitB& b, int first,
                                                      const int32_t (&largest)[8],
                                                      int32_t (&sums)[8]) {
  for (int n = 0; n < 8; ++n) sums[n] = 0;
  for (int k = first; k < first + 8; ++k) {
    const int32_t significand = a.significand[k];
    const int32_t exponent = a.exponent[k];
    for (int n = 0; n < 8; ++n) {
      const int32_t product = significand * b.significand[k][n];
      sums[n] += Align(product, kUp, largest[n] - (exponent + b.exponent[k][n]));
    }
  }
}

template <int kUp>
inline __attribute__((always_inline)) void RowStep(const SplitA& a, const SplitB& b, int first,
                                                   int count, float (&d)[8]) {
  const int fraction = count == 16 ? 25 : 24;
  int32_t largest[8];
  Parts add[8];
  for (int n = 0; n < 8; ++n) {
    add[n] = SplitAccumulator(d[n]);
    largest[n] = add[n].exponent;
  }
  for (int k = first; k < first + count; ++k) {
    for (int n = 0; n < 8; ++n) {
      largest[n] = std::max(largest[n], a.exponent[k] + b.exponent[k][n]);
    }
  }
  int32_t low[8], high[8] = {};
  SumColumns<kUp>(a, b, first, largest, low);
  if (count == 16) SumColumns<kUp>(a, b, 8, largest, high);
  for (int n = 0; n < 8; ++n) {
    const int64_t aligned = Align(add[n].significand, fraction - 23, largest[n] - add[n].exponent);
    d[n] = NormaliseFast(aligned + low[n] + high[n], largest[n], fraction);
  }
}

using Row = void (*)(const SplitA& a, const SplitB& b, int first, int count, float (&d)[8]);

template <int kUp>
void RowPortable(const SplitA& a, const SplitB& b, int first, int count, float (&d)[8]) {
  RowStep<kUp>(a, b, first, count, d);
}
#if defined(__x86_64__)
template <int kUp>
__attribute__((target("avx2"))) void RowAvx2(const SplitA& a, const SplitB& b, int first, int count,
                                             float (&d)[8]) {
  RowStep<kUp>(a, b, first, count, d);
}
#endif

template <int kUp>
Row ChooseRow() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return RowAvx2<kUp>;
#endif
  return RowPortable<kUp>;
}

bool IsFiniteBits(float value) {
  return (std::bit_cast<uint32_t>(value) & 0x7f800000u) != 0x7f800000u;
}

}  // namespace

template <typename Element>
float ExactDot16(const uint16_t* a, const uint16_t* b, float c, MatrixUnit unit) {
  if (unit == MatrixUnit::kHopper) return Dot<Element>(a, b, c, 16, 25);
  return Dot<Element>(a + 8, b + 8, Dot<Element>(a, b, c, 8, 24), 8, 24);
}

template <typename Element>
void ExactMultiplyAccumulate(const uint16_t (&a)[16][16], const uint16_t (&b)[8][16],
                             float (&d)[16][8], MatrixUnit unit) {
  // Products have twice the type's fraction bits.
  static const Row row24 = ChooseRow<24 - 2 * Format<Element>::kFraction>();
  static const Row row25 = ChooseRow<25 - 2 * Format<Element>::kFraction>();
  SplitB columns;
  bool special_b = false;
  for (int n = 0; n < 8; ++n) {
    for (int k = 0; k < 16; ++k) {
      const Parts parts = Split<Element>(b[n][k]);
      columns.significand[k][n] = parts.significand;
      columns.exponent[k][n] = parts.exponent;
      special_b = special_b || IsSpecial<Element>(b[n][k]);
    }
  }
  for (int m = 0; m < 16; ++m) {
    SplitA row;
    bool special = special_b;
    for (int k = 0; k < 16; ++k) {
      const Parts parts = Split<Element>(a[m][k]);
      row.significand[k] = parts.significand;
      row.exponent[k] = parts.exponent;
      special = special || IsSpecial<Element>(a[m][k]);
    }
    for (int n = 0; n < 8; ++n) special = special || !IsFiniteBits(d[m][n]);
    if (!special && unit == MatrixUnit::kHopper) {
      row25(row, columns, 0, 16, d[m]);
      continue;
    }
    if (!special) {
      float first[8];
      std::copy(d[m], d[m] + 8, first);
      row24(row, columns, 0, 8, first);
      // The first half may have become infinite.
      if (std::all_of(first, first + 8, IsFiniteBits)) {
        row24(row, columns, 8, 8, first);
        std::copy(first, first + 8, d[m]);
        continue;
      }
    }
    for (int n = 0; n < 8; ++n) d[m][n] = ExactDot16<Element>(a[m], b[n], d[m][n], unit);
  }
}

template float ExactDot16<cuda::Half>(const uint16_t*, const uint16_t*, float, MatrixUnit);
template float ExactDot16<cuda::BFloat16>(const uint16_t*, const uint16_t*, float, MatrixUnit);
template void ExactMultiplyAccumulate<cuda::Half>(const uint16_t (&)[16][16],
                                                  const uint16_t (&)[8][16], float (&)[16][8],
                                                  MatrixUnit);
template void ExactMultiplyAccumulate<cuda::BFloat16>(const uint16_t (&)[16][16],
                                                      const uint16_t (&)[8][16], float (&)[16][8],
                                                      MatrixUnit);

}  // namespace llmrt::cuda_host
