// The matrix instruction against the exact model of it (tests/cuda_host/exact_mma.h), on operands
// that ordinary data never shows: exponents far apart, cancellation, subnormals, infinities.
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "cuda/device/device.h"
#include "cuda_host/exact_mma.h"
#include "gpu/probe_kernels.h"
#include "gpu/probes.h"

namespace llmrt::gpu {
namespace {

using cuda_host::MatrixUnit;

// One way to make operands; exponent fields are of the type's width.
struct Family {
  const char* name;
  uint32_t exponent_low;   // field of the operands, in sixteenths of the type's range
  uint32_t exponent_high;  // exclusive
  float c_scale;           // of c; 0: none
  bool special;            // some infinities and NaNs
};

constexpr Family kFamilies[] = {
    {"ordinary", 7, 8, 1.0f, false},       {"wide exponents", 4, 12, 1.0f, false},
    {"large c", 7, 8, 0x1p20f, false},     {"tiny c", 7, 8, 0x1p-24f, false},
    {"no c", 6, 10, 0.0f, false},          {"subnormal operands", 0, 1, 0x1p-30f, false},
    {"all exponents", 0, 15, 1.0f, false}, {"infinities and NaN", 6, 10, 1.0f, true},
};

class Operands {
 public:
  Operands(const Family& family, bool bfloat, int cases, uint32_t seed)
      : family_(family), mantissa_bits_(bfloat ? 7 : 10), random_(seed) {
    const auto count = static_cast<size_t>(cases);
    for (size_t i = 0; i < count * 256; ++i) a.push_back(Value());
    for (size_t i = 0; i < count * 128; ++i) b.push_back(Value());
    for (size_t i = 0; i < count * 128; ++i) c.push_back(Addend());
  }

  std::vector<uint16_t> a, b;
  std::vector<float> c;

 private:
  uint16_t Value() {
    const uint32_t exponents = 1u << (15 - mantissa_bits_);
    const uint32_t low = family_.exponent_low * exponents / 16;
    const uint32_t high = std::max(low + 1, family_.exponent_high * exponents / 16);
    uint32_t exponent = low + random_() % (high - low);
    if (family_.special && random_() % 64 == 0) exponent = exponents - 1;
    const uint32_t mantissa = random_() & ((1u << mantissa_bits_) - 1);
    const uint32_t zero = random_() % 16 == 0 ? 0u : ~0u;
    return static_cast<uint16_t>((random_() & 1) << 15 |
                                 ((exponent << mantissa_bits_ | mantissa) & zero));
  }
  float Addend() {
    const float unit = static_cast<float>(static_cast<int32_t>(random_())) * 0x1p-31f;
    return unit * family_.c_scale;
  }

  const Family& family_;
  const int mantissa_bits_;
  std::mt19937 random_;
};

bool SameBits(float x, float y) {
  return numerics::FloatBits(x) == numerics::FloatBits(y) ||
         (numerics::IsNan(x) && numerics::IsNan(y));
}

float Expected(const Operands& operands, size_t which, int row, int column, bool bfloat,
               MatrixUnit unit) {
  const uint16_t* a = operands.a.data() + which * 256 + static_cast<size_t>(row) * 16;
  const uint16_t* b = operands.b.data() + which * 128 + static_cast<size_t>(column) * 16;
  const float c = operands.c[which * 128 + static_cast<size_t>(row * 8 + column)];
  return bfloat ? cuda_host::ExactDot16<cuda::BFloat16>(a, b, c, unit)
                : cuda_host::ExactDot16<cuda::Half>(a, b, c, unit);
}

// What a correction of the model starts from: the operands, exactly.
void PrintDifference(const Operands& operands, size_t which, int i, float expected, float seen) {
  std::printf("  row, column %d, %d: c %08x gives %08x, expected %08x; a, b", i / 8, i % 8,
              numerics::FloatBits(operands.c[which * 128 + static_cast<size_t>(i)]),
              numerics::FloatBits(seen), numerics::FloatBits(expected));
  for (size_t k = 0; k < 16; ++k) {
    std::printf(" %04x*%04x", operands.a[which * 256 + static_cast<size_t>(i / 8) * 16 + k],
                operands.b[which * 128 + static_cast<size_t>(i % 8) * 16 + k]);
  }
  std::printf("\n");
}

// Prints the first `print` of them.
int64_t CountDifferences(const Operands& operands, const std::vector<float>& d, int cases,
                         bool bfloat, MatrixUnit unit, int64_t print) {
  int64_t differ = 0;
  for (size_t which = 0; which < static_cast<size_t>(cases); ++which) {
    for (int i = 0; i < 128; ++i) {
      const float expected = Expected(operands, which, i / 8, i % 8, bfloat, unit);
      const float seen = d[which * 128 + static_cast<size_t>(i)];
      if (SameBits(expected, seen)) continue;
      if (differ++ < print) PrintDifference(operands, which, i, expected, seen);
    }
  }
  return differ;
}

}  // namespace

void ProbeMatrixUnits(cuda::TestDevice& device, int cases, Report& report) {
  const Module module(device, kProbeImages);
  const cuda::CuFunction kernel = module.Find("MatrixProbeKernel");
  const MatrixUnit unit = device.major() == 8 ? MatrixUnit::kAmpere : MatrixUnit::kHopper;
  const MatrixUnit other = unit == MatrixUnit::kHopper ? MatrixUnit::kAmpere : MatrixUnit::kHopper;
  for (const bool bfloat : {false, true}) {
    for (const Family& family : kFamilies) {
      const Operands operands(family, bfloat, cases, 1);
      const cuda::DeviceArray<uint16_t> a(operands.a), b(operands.b);
      const cuda::DeviceArray<float> c(operands.c), d(operands.c.size());
      const MatrixProbeArgs args = {.a = a.get(),
                                    .b = b.get(),
                                    .c = c.get(),
                                    .d = d.get(),
                                    .count = cases,
                                    .bfloat = bfloat ? 1 : 0};
      const bool ran =
          LaunchAsync(device, kernel, MatrixProbeShape(cases), &args) == cuda::kCuSuccess;
      const std::vector<float> result = d.Download();
      const int64_t differ = CountDifferences(operands, result, cases, bfloat, unit, 3);
      const int64_t differ_other = CountDifferences(operands, result, cases, bfloat, other, 0);
      report.Add({.name = std::string("mma ") + (bfloat ? "bfloat16, " : "float16, ") + family.name,
                  .value = static_cast<double>(differ),
                  .unit = "differ",
                  .verdict = ran && differ == 0 ? Verdict::kGood : Verdict::kBad,
                  .remark = "of " + std::to_string(cases * 128) +
                            "; from the other model: " + std::to_string(differ_other)});
    }
  }
}

}  // namespace llmrt::gpu
