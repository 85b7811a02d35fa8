#include "cpu/cpu_features.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"

namespace llmrt::cpu {
namespace {

using backend::CpuTier;

// The first line of a file of the system, or "".
std::string ReadLine(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  char line[256];
  if (file == nullptr || std::fgets(line, sizeof(line), file.get()) == nullptr) return "";
  return line;
}

// "32768K" or "1048576" in bytes; 0 for anything else.
int64_t ParseBytes(const std::string& text) {
  char* end = nullptr;
  const int64_t number = std::strtoll(text.c_str(), &end, 10);
  const int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : 0;
  return number > 0 && number < (int64_t{1} << 62 >> shift) ? number << shift : 0;
}

}  // namespace

bool HasAvx2() {
#if defined(__x86_64__)
  // These look at CPUID and at XCR0, so a system that does not save YMM registers says no.
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

bool HasAvx512() {
#if defined(__x86_64__)
  return HasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

bool HasVnni() {
#if defined(__x86_64__)
  return HasAvx512() && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

bool UseAmx() {
#if defined(__x86_64__) && defined(__linux__)
  if (!HasVnni() || !__builtin_cpu_supports("amx-tile") || !__builtin_cpu_supports("amx-int8") ||
      !__builtin_cpu_supports("amx-bf16")) {
    return false;
  }
  // ARCH_REQ_XCOMP_PERM for XFEATURE_XTILEDATA: holds for all threads, asking again is harmless.
  constexpr int64_t kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

std::string_view TierName(CpuTier tier) {
  switch (tier) {
    case CpuTier::kBest:
      return "best";
    case CpuTier::kPortable:
      return "portable";
    case CpuTier::kAvx2:
      return "avx2";
    case CpuTier::kAvx512:
      return "avx512";
    case CpuTier::kVnni:
      return "vnni";
    case CpuTier::kAmx:
      return "amx";
  }
  return "unknown";
}

bool RunsTier(CpuTier tier) {
  switch (tier) {
    case CpuTier::kBest:
    case CpuTier::kPortable:
      return true;
    case CpuTier::kAvx2:
      return HasAvx2();
    case CpuTier::kAvx512:
      return HasAvx512();
    case CpuTier::kVnni:
      return HasVnni();
    case CpuTier::kAmx:
      return UseAmx();
  }
  return false;
}

absl::StatusOr<CpuTier> PickTier(CpuTier asked) {
  if (asked == CpuTier::kBest) {
    for (const CpuTier tier : {CpuTier::kAmx, CpuTier::kVnni, CpuTier::kAvx512, CpuTier::kAvx2}) {
      if (RunsTier(tier)) return tier;
    }
    return CpuTier::kPortable;
  }
  if (RunsTier(asked)) return asked;
  const std::string_view needs = asked == CpuTier::kAvx2     ? "AVX2, FMA and F16C"
                                 : asked == CpuTier::kAvx512 ? "AVX-512 F, BW, DQ and VL"
                                 : asked == CpuTier::kVnni   ? "AVX-512 VNNI"
                                                             : "AMX for int8 and bfloat16";
  return absl::FailedPreconditionError(
      absl::StrCat("tier ", TierName(asked), " needs ", needs,
                   ", which this processor lacks or its system refuses; use tier portable or leave "
                   "the choice to the library"));
}

int32_t CountUsableCores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
    return std::max(1, static_cast<int32_t>(std::thread::hardware_concurrency()));
  }
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    // Threads of one core have the same list of siblings; without the file each counts as a core.
    std::string siblings = ReadLine(
        absl::StrCat("/sys/devices/system/cpu/cpu", cpu, "/topology/thread_siblings_list"));
    cores.insert(siblings.empty() ? absl::StrCat("cpu", cpu) : std::move(siblings));
  }
  return std::max(1, static_cast<int32_t>(cores.size()));
}

int64_t LastLevelCacheBytes() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) CPU_SET(0, &allowed);
  // An instance is told by the list of its processors. The level above two is the last one that
  // processors of today have; those without it end at two.
  for (const int index : {3, 2}) {
    std::map<std::string, int64_t> instances;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed)) continue;
      const std::string folder =
          absl::StrCat("/sys/devices/system/cpu/cpu", cpu, "/cache/index", index, "/");
      const int64_t bytes = ParseBytes(ReadLine(folder + "size"));
      if (bytes > 0) instances[ReadLine(folder + "shared_cpu_list")] = bytes;
    }
    int64_t sum = 0;
    for (const auto& [processors, bytes] : instances) sum += bytes;
    if (sum > 0) return sum;
  }
  // Without sysfs: the C library's answer, which in virtual machines may be a whole socket's.
  return std::max<int64_t>({sysconf(_SC_LEVEL3_CACHE_SIZE), sysconf(_SC_LEVEL2_CACHE_SIZE), 0});
}

int64_t AvailableMemoryBytes() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/meminfo", "re"),
                                                             &std::fclose);
  int64_t available = 0;
  char line[256];
  while (file != nullptr && std::fgets(line, sizeof(line), file.get()) != nullptr) {
    constexpr std::string_view kField = "MemAvailable:";
    if (std::string_view(line).substr(0, kField.size()) != kField) continue;
    available = std::strtoll(line + kField.size(), nullptr, 10) * 1024;
  }
  // "max" where there is no limit.
  const int64_t limit = ParseBytes(ReadLine("/sys/fs/cgroup/memory.max"));
  return limit > 0 ? std::min(available, limit) : available;
}

}  // namespace llmrt::cpu
