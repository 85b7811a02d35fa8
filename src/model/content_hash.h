// A 64-bit hash of a model's tensor bytes, fast enough to ride along with loading. It tells models
// apart in fingerprints; it does not withstand somebody who wants two models to look alike.
//
// Chunks are hashed apart, on any thread, and their values added up in order: which thread hashed
// what, and when, is not in the result.
#pragma once

#include <cstdint>
#include <cstring>

#include "absl/types/span.h"

namespace llmrt::model {

class ContentHash {
 public:
  // The result depends on how the bytes are cut into calls; a loader cuts a file always alike.
  void Add(absl::Span<const uint8_t> bytes) {
    size_t i = 0;
    // Eight chains: a multiplication takes several cycles, but one begins in every cycle.
    for (; i + 8 * kLanes <= bytes.size(); i += 8 * kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) Mix(lane, bytes.data() + i + 8 * lane, 8);
    }
    for (int lane = 0; i < bytes.size(); i += 8, ++lane) {
      Mix(lane, bytes.data() + i, bytes.size() - i < 8 ? bytes.size() - i : 8);
    }
    Mix(0, reinterpret_cast<const uint8_t*>("cut"), 3);
  }

  // The value of another hash.
  void AddValue(uint64_t value) { MixWord(0, value); }

  uint64_t Value() const {
    uint64_t value = 0;
    for (const uint64_t lane : lanes_) value = (value ^ lane ^ lane >> 29) * kMultiplier;
    return value ^ value >> 32;
  }

 private:
  static constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio, odd
  static constexpr int kLanes = 8;

  void Mix(int lane, const uint8_t* bytes, size_t count) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, count);
    MixWord(lane, word);
  }

  void MixWord(int lane, uint64_t word) {
    uint64_t& state = lanes_[lane];
    state = (state ^ word) * kMultiplier;
    state ^= state >> 31;
  }

  uint64_t lanes_[kLanes] = {1, 2, 3, 4, 5, 6, 7, 8};
};

}  // namespace llmrt::model
