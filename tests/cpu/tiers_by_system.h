// The tiers that this machine has, by what the operating system says of its processor: so that a
// mistake in asking the processor itself does not take a tier out of every test unseen.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "backend/create_backend.h"

namespace llmrt::cpu {

// The first processor's flags; empty where the system does not tell.
inline std::set<std::string> ProcessorFlags() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("flags", 0) != 0) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    std::set<std::string> flags;
    for (std::string word; words >> word;) flags.insert(word);
    return flags;
  }
  return {};
}

// True if the system may give processes the state of AMX's tiles: it can hide what it flags.
inline bool SystemSavesTiles() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr int64_t kGetSupported = 0x1021;  // ARCH_GET_XCOMP_SUPP
  uint64_t supported = 0;
  return syscall(SYS_arch_prctl, kGetSupported, &supported) == 0 && (supported >> 18 & 1) != 0;
#else
  return false;
#endif
}

// The plainest first, as flags name them.
inline std::vector<backend::CpuTier> TiersOfFlags(const std::set<std::string>& flags) {
  using backend::CpuTier;
  const std::pair<CpuTier, std::vector<std::string>> kNeeds[] = {
      {CpuTier::kAvx2, {"avx2", "fma", "f16c"}},
      {CpuTier::kAvx512, {"avx512f", "avx512bw", "avx512dq", "avx512vl"}},
      {CpuTier::kVnni, {"avx512_vnni"}},
      {CpuTier::kAmx, {"amx_tile", "amx_int8", "amx_bf16"}},
  };
  std::vector<CpuTier> tiers = {CpuTier::kPortable};
  for (const auto& [tier, needs] : kNeeds) {
    // Each needs those below, too.
    if (!std::all_of(needs.begin(), needs.end(),
                     [&](const std::string& flag) { return flags.count(flag) != 0; })) {
      break;
    }
    if (tier == CpuTier::kAmx && !SystemSavesTiles()) break;
    tiers.push_back(tier);
  }
  return tiers;
}

}  // namespace llmrt::cpu
