// Attention in plain C++: attention_block.h with arrays of sixteen floats for registers.
#include <cstring>

#include "cpu/attention_block.h"
#include "cpu/kernels_portable.h"
#include "numerics/exact_math.h"
#include "numerics/float_types.h"
#include "numerics/lanes.h"

namespace llmrt::cpu::portable {
namespace {

// What the templates of attention_block.h ask of a tier's vectors.
struct Vector {
  static constexpr int64_t kWidth = 16;
  struct Reg {
    float x[kWidth];
  };
  static constexpr int kQueries = 1;
  static constexpr int kUnrolledGroups = 0;
  static constexpr int kKeyVectors = 1;
  static constexpr int kValueQueries = 1;
  static constexpr int kValueVectors = 1;
  // Conversion is dear without instructions for it.
  static constexpr int64_t kQueriesInPlace = 1;

  template <typename Fn>
  static inline Reg Make(Fn fn) {
    Reg out;
    for (int64_t i = 0; i < kWidth; ++i) out.x[i] = fn(i);
    return out;
  }
  static inline Reg Zero() {
    return Make([](int64_t) { return 0.0f; });
  }
  static inline Reg Broadcast(const float* x) {
    return Make([x](int64_t) { return *x; });
  }
  static inline Reg Load(const float* in) {
    return Make([in](int64_t i) { return in[i]; });
  }
  static inline void Store(float* out, const Reg& a) { std::memcpy(out, a.x, sizeof(a.x)); }
  static inline void StorePadded(float* out, int64_t k, int64_t n, const Reg& a) {
    for (int64_t i = 0; i < kWidth && k + i < n; ++i) out[k + i] = a.x[i];
  }
  static inline Reg Add(const Reg& a, const Reg& b) {
    return Make([&](int64_t i) { return a.x[i] + b.x[i]; });
  }
  static inline Reg Sub(const Reg& a, const Reg& b) {
    return Make([&](int64_t i) { return a.x[i] - b.x[i]; });
  }
  static inline Reg Mul(const Reg& a, const Reg& b) {
    return Make([&](int64_t i) { return a.x[i] * b.x[i]; });
  }
  static inline Reg Div(const Reg& a, const Reg& b) {
    return Make([&](int64_t i) { return a.x[i] / b.x[i]; });
  }
  static inline Reg Fma(const Reg& a, const Reg& b, const Reg& c) {
    return Make([&](int64_t i) { return numerics::Fma(a.x[i], b.x[i], c.x[i]); });
  }
  // b where one is NaN.
  static inline Reg Max(const Reg& a, const Reg& b) {
    return Make([&](int64_t i) { return b.x[i] < a.x[i] ? a.x[i] : b.x[i]; });
  }
  static inline Reg Exp(const Reg& a) {
    return Make([&](int64_t i) { return numerics::Exp(a.x[i]); });
  }
  static inline float MaxOf(const Reg& a) { return numerics::TreeMax16(a.x); }
  static inline float SumOf(const Reg (&lanes)[1]) { return numerics::TreeSum16(lanes[0].x); }
  static inline Reg KeepFirst(const Reg& a, int64_t count, const Reg& others) {
    return Make([&](int64_t i) { return i < count ? a.x[i] : others.x[i]; });
  }
  // kWidth values of the cache; of a row of n from value k, zeros beyond its end.
  template <KvType kType>
  static inline Reg LoadKv(const uint8_t* in) {
    return LoadKvPadded<kType>(in, 0, kWidth);
  }
  template <KvType kType>
  static inline Reg LoadKvPadded(const uint8_t* in, int64_t k, int64_t n) {
    return Make([=](int64_t i) { return k + i < n ? LoadOne<kType>(in, k + i) : 0.0f; });
  }
  template <KvType kType>
  static inline float LoadOne(const uint8_t* in, int64_t i) {
    if constexpr (kType == KvType::kF32) {
      float value;
      std::memcpy(&value, in + i * sizeof(value), sizeof(value));
      return value;
    } else {
      uint16_t bits;
      std::memcpy(&bits, in + i * sizeof(bits), sizeof(bits));
      return kType == KvType::kF16 ? numerics::F16ToF32(bits) : numerics::BF16ToF32(bits);
    }
  }
};

}  // namespace

template <KvType kType>
void Attention(const AttentionTask& task) {
  Attend<Vector, kType>(task);
}

template void Attention<KvType::kF32>(const AttentionTask& task);
template void Attention<KvType::kF16>(const AttentionTask& task);
template void Attention<KvType::kBF16>(const AttentionTask& task);

}  // namespace llmrt::cpu::portable
