// The emulation's random choices: one small generator, so that a seed repeats a run.
#pragma once

#include <bit>
#include <cstdint>

namespace llmrt::cuda_host {

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed = 1) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  // From [0, bound).
  uint32_t Below(uint32_t bound) {
    return static_cast<uint32_t>((Next() >> 32) * uint64_t{bound} >> 32);
  }
  // One of the set bits of a mask that is not zero: its number. The quick one prefers bits behind
  // gaps, which does not matter where most bits are set.
  uint32_t PickBitQuickly(uint32_t mask) {
    const uint32_t turn = static_cast<uint32_t>(Next() >> 59);
    const uint32_t turned = std::rotr(mask, static_cast<int>(turn));
    return (static_cast<uint32_t>(std::countr_zero(turned)) + turn) % 32;
  }
  uint32_t PickBit(uint32_t mask) {
    for (uint32_t left = Below(static_cast<uint32_t>(std::popcount(mask))); left > 0; --left) {
      mask &= mask - 1;
    }
    return static_cast<uint32_t>(std::countr_zero(mask));
  }

 private:
  uint64_t state_;
};

}  // namespace llmrt::cuda_host
