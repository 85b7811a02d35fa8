// SHA-256 (FIPS 180-4), to name what was loaded. Not for secrets: nothing here is constant in time.
#pragma once

#include <cstdint>
#include <string>

#include "absl/types/span.h"

namespace llmrt::formats {

class Sha256 {
 public:
  Sha256();
  void Update(absl::Span<const uint8_t> bytes);
  // 64 lower-case hex digits. The object is spent afterwards.
  std::string FinishHex();

 private:
  void Compress(const uint8_t* block);

  uint32_t state_[8];
  uint8_t pending_[64];  // the first total_bytes_ % 64 are waiting for the rest of their block
  uint64_t total_bytes_ = 0;
};

std::string Sha256Hex(absl::Span<const uint8_t> bytes);

}  // namespace llmrt::formats
