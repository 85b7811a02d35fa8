#include "tests/cpu/counted_kernels.h"

#include <atomic>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cpu/cpu_backend.h"
#include "cpu/cpu_features.h"
#include "gtest/gtest.h"

namespace llmrt::cpu {

// imitated_amx.cc
extern const KernelTable kImitatedAmxKernels;

namespace {

using backend::CpuTier;
using backend::KvType;
using backend::WeightType;

struct Counts {
  std::atomic<int64_t> matmul[backend::kWeightTypeCount];
  std::atomic<int64_t> pack[backend::kWeightTypeCount];
  std::atomic<int64_t> attention[kKvTypeCount];
  std::atomic<int64_t> store_kv[kKvTypeCount];
  std::atomic<int64_t> prepare[kActivationFormatCount];
  std::atomic<int64_t> rms_norm;
  std::atomic<int64_t> rope;
  std::atomic<int64_t> swiglu;
};

// What a kernel may find where it has not written yet: the bytes of whatever ran there before. NaN
// in every float type, so that a kernel that reads them, be it only to multiply them by a padding
// zero, gives NaN.
constexpr int kPoison = 0xff;

void PoisonScratch(uint8_t* scratch) { std::memset(scratch, kPoison, kScratchBytes); }

// The same for kernels that keep their scratch in local variables: their frame will lie here.
[[gnu::noinline]] void PoisonStack() {
  uint8_t frame[64 * 1024];
  std::memset(frame, kPoison, sizeof(frame));
  asm volatile("" : : "r"(frame) : "memory");  // or the writes would be left out
}

// Each tier has its own functions, counters included: a table holds plain function pointers.
template <const KernelTable& kTable>
struct Counted {
  static inline Counts counts;

  template <int kType>
  static void MatMul(const MatMulTask& task) {
    ++counts.matmul[kType];
    PoisonScratch(task.scratch);
    PoisonStack();
    kTable.matmul[kType](task);
  }
  template <int kType>
  static void Pack(const PackTask& task) {
    ++counts.pack[kType];
    PoisonStack();
    kTable.packing[kType].pack(task);
  }
  template <int kType>
  static void Attention(const AttentionTask& task) {
    ++counts.attention[kType];
    PoisonScratch(task.scratch);
    PoisonStack();
    kTable.attention[kType](task);
  }
  template <int kType>
  static void StoreKv(const float* in, int64_t count, uint8_t* out) {
    ++counts.store_kv[kType];
    PoisonStack();
    kTable.store_kv[kType](in, count, out);
  }
  template <int kFormat>
  static void Prepare(const float* in, int64_t cols, uint8_t* out) {
    ++counts.prepare[kFormat];
    PoisonStack();
    kTable.prepare[kFormat](in, cols, out);
  }
  static void RmsNorm(const RmsNormTask& task) {
    ++counts.rms_norm;
    PoisonStack();
    kTable.rms_norm(task);
  }
  static void Rope(const RopeTask& task) {
    ++counts.rope;
    PoisonStack();
    kTable.rope(task);
  }
  static void SwiGlu(const float* gate, const float* up, int64_t count, float* out) {
    ++counts.swiglu;
    PoisonStack();
    kTable.swiglu(gate, up, count, out);
  }

  template <int... kTypes>
  static KernelTable Make(std::integer_sequence<int, kTypes...>) {
    return {.matmul = {MatMul<kTypes>...},
            .packing = {{kTable.packing[kTypes].tile,
                         kTable.packing[kTypes].pack == nullptr ? nullptr : Pack<kTypes>}...},
            .attention = {Attention<0>, Attention<1>, Attention<2>},
            .store_kv = {StoreKv<0>, StoreKv<1>, StoreKv<2>},
            .prepare = {Prepare<0>, Prepare<1>, Prepare<2>},
            .rms_norm = RmsNorm,
            .rope = Rope,
            .swiglu = SwiGlu};
  }
  static const KernelTable& Table() {
    static const KernelTable table =
        Make(std::make_integer_sequence<int, backend::kWeightTypeCount>());
    return table;
  }
};

void ExpectReached(std::string_view tier, std::string_view kernel, int64_t calls) {
  EXPECT_GT(calls, 0) << tier << " kernel " << kernel << " was never called by a test";
}

void ExpectAllReached(CpuTier tier, const Counts& counts) {
  const std::string_view name = TierName(tier);
  for (int i = 0; i < backend::kWeightTypeCount; ++i) {
    const auto type = backend::GeometryOf(static_cast<WeightType>(i)).name;
    ExpectReached(name, absl::StrCat("matmul ", type), counts.matmul[i]);
    if (CountedKernels(tier).packing[i].pack != nullptr) {
      ExpectReached(name, absl::StrCat("pack ", type), counts.pack[i]);
    }
  }
  for (int i = 0; i < kKvTypeCount; ++i) {
    const auto type = backend::KvTypeName(static_cast<KvType>(i));
    ExpectReached(name, absl::StrCat("attention ", type), counts.attention[i]);
    ExpectReached(name, absl::StrCat("store ", type), counts.store_kv[i]);
  }
  for (int i = 0; i < kActivationFormatCount; ++i) {
    ExpectReached(name, absl::StrCat("prepare ", i), counts.prepare[i]);
  }
  ExpectReached(name, "rms_norm", counts.rms_norm);
  ExpectReached(name, "rope", counts.rope);
  ExpectReached(name, "swiglu", counts.swiglu);
}

class KernelsReached : public testing::Environment {
 public:
  void TearDown() override {
    // A run of selected tests reaches what it reaches.
    if (GTEST_FLAG_GET(filter) != "*") return;
    ExpectAllReached(CpuTier::kPortable, Counted<kPortableKernels>::counts);
    if (HasAvx2()) ExpectAllReached(CpuTier::kAvx2, Counted<kAvx2Kernels>::counts);
    if (HasAvx512()) ExpectAllReached(CpuTier::kAvx512, Counted<kAvx512Kernels>::counts);
    if (HasVnni()) ExpectAllReached(CpuTier::kVnni, Counted<kVnniKernels>::counts);
    if (HasVnni()) {
      ExpectAllReached(CpuTier::kAmx, UseAmx() ? Counted<kAmxKernels>::counts
                                               : Counted<kImitatedAmxKernels>::counts);
    }
  }
};

testing::Environment* const kKernelsReached = testing::AddGlobalTestEnvironment(new KernelsReached);

}  // namespace

const KernelTable& CountedKernels(CpuTier tier) {
  switch (tier) {
    case CpuTier::kAvx2:
      return Counted<kAvx2Kernels>::Table();
    case CpuTier::kAvx512:
      return Counted<kAvx512Kernels>::Table();
    case CpuTier::kVnni:
      return Counted<kVnniKernels>::Table();
    case CpuTier::kAmx:
      return UseAmx() ? Counted<kAmxKernels>::Table() : Counted<kImitatedAmxKernels>::Table();
    default:
      return Counted<kPortableKernels>::Table();
  }
}

std::vector<CpuTier> TestedTiers() {
  std::vector<CpuTier> tiers = {CpuTier::kPortable};
  for (const CpuTier tier : {CpuTier::kAvx2, CpuTier::kAvx512, CpuTier::kVnni}) {
    if (RunsTier(tier)) tiers.push_back(tier);
  }
  if (HasVnni()) tiers.push_back(CpuTier::kAmx);
  return tiers;
}

memory::LargeMemory& TestMemory() {
  static memory::LargeMemory memory(0);
  return memory;
}

backend::Backend& BackendFor(CpuTier tier, int32_t threads) {
  memory::LargeMemory& memory = TestMemory();  // made before, and so gone after, the backends
  static std::map<std::pair<CpuTier, int32_t>, std::unique_ptr<backend::Backend>> backends;
  std::unique_ptr<backend::Backend>& backend = backends[{tier, threads}];
  if (backend == nullptr) {
    backend = CpuBackend::Create(CountedKernels(tier), TierName(tier),
                                 {.memory = &memory, .threads = threads})
                  .value();
  }
  return *backend;
}

}  // namespace llmrt::cpu
