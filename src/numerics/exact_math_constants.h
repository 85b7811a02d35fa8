// The constants of exact_math.h by name, so that vector code (AVX2, AVX-512, NEON) evaluates the
// same polynomials with the same constants in the same order and so gives the same bits. The
// polynomials are weighted minimax fits whose coefficients were rounded to float32 one after the
// other, lowest order first, each time refitting the rest.
#pragma once

#include <cstdint>

namespace llmrt::numerics::constants {

// Adding 1.5 * 2^23 to a float below 2^22 in magnitude rounds it to an integer (to nearest even),
// which then stands in the low bits of the sum.
inline constexpr float kRoundMagic = 12582912.0f;
inline constexpr uint32_t kRoundMagicBits = 0x4b400000u;

inline constexpr float kLog2E = 0x1.715476p+0f;
// ln 2 = kLn2Hi + kLn2Lo to 2^-43; kLn2Hi has 15 bits, so n * kLn2Hi is exact for |n| < 512.
inline constexpr float kLn2Hi = 0x1.62e4p-1f;
inline constexpr float kLn2Lo = 0x1.7f7d1cp-20f;

inline constexpr float kInfinity = __builtin_inff();
inline constexpr uint32_t kNanBits = 0x7fc00000u;
inline constexpr float kMinNormal = 0x1p-126f;

// Exp: below kExpMin the result is 0 (it would be subnormal), above kExpMax infinite.
inline constexpr float kExpMin = -87.3365f;
inline constexpr float kExpMax = 88.72283f;
// exp(r) = 1 + r (1 + r (C2 + r (C3 + r (C4 + r (C5 + r C6))))) for |r| <= ln(2)/2; relative
// error 3.2e-9.
inline constexpr float kExpC2 = 0x1.fffffcp-2f;
inline constexpr float kExpC3 = 0x1.555492p-3f;
inline constexpr float kExpC4 = 0x1.5558b0p-5f;
inline constexpr float kExpC5 = 0x1.12398ep-7f;
inline constexpr float kExpC6 = 0x1.6a4d60p-10f;

// Log: the mantissa is taken from [2/3, 4/3); subtracting these bits makes the exponent field count
// from there.
inline constexpr uint32_t kLogCentreBits = 0x3f2aaaabu;
// log(1 + f) = f + f^2 (C2 + f (C3 + ... + f C10)) for |f| <= 1/3; relative error 4.7e-9.
inline constexpr float kLogC2 = -0x1p-1f;
inline constexpr float kLogC3 = 0x1.555506p-2f;
inline constexpr float kLogC4 = -0x1.fffef6p-3f;
inline constexpr float kLogC5 = 0x1.99d05ep-3f;
inline constexpr float kLogC6 = -0x1.559d04p-3f;
inline constexpr float kLogC7 = 0x1.1ed3f2p-3f;
inline constexpr float kLogC8 = -0x1.f32314p-4f;
inline constexpr float kLogC9 = 0x1.1e75c0p-3f;
inline constexpr float kLogC10 = -0x1.07e49ap-3f;

}  // namespace llmrt::numerics::constants
