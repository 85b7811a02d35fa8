// Mutations of every kernel must be noticed: each call of device.h that a kernel makes is changed
// in turn (control.h has the changes: barriers, waits and matrix products left out, lanes, indices
// and addresses moved, ...), and at least one of the kernel's probes must then fail or leave
// another output, in at least one of some orders in which blocks, warps and lanes take turns.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tests/cuda/mutations/probe.h"

namespace llmrt::cuda {
namespace {

// A lost barrier may need luck to be noticed.
constexpr uint64_t kSeeds = 6;
constexpr int kMutationsMin = 5;
constexpr int kKindsMax = 32;

// A change of a call; kind 0 is the call itself.
struct Mutation {
  std::string file;
  std::string wrapper;
  uint32_t line, column, bytes;
  int kind;

  auto operator<=>(const Mutation&) const = default;
  std::string Name() const {
    const size_t slash = file.rfind('/');
    return wrapper + " (" + std::to_string(bytes) + " bytes) at " + file.substr(slash + 1) + ":" +
           std::to_string(line) + ":" + std::to_string(column) + ", kind " + std::to_string(kind);
  }
};

class MutationsTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(TestDevice::Get().ok()) << TestDevice::Get().problem();
    emulation_ = TestDevice::Get().emulation();
    if (emulation_ == nullptr) GTEST_SKIP() << "a GPU's kernels cannot be changed";
  }
  void TearDown() override {
    if (emulation_ == nullptr) return;
    emulation_->unplant();
    emulation_->record_sites(0);
    emulation_->reset_sites();
    emulation_->set_seed(1);
  }

  // The unchanged kernel's outcome; its calls are the recorded sites then.
  Outcome RunAndRecord(const Probe& probe, uint64_t seed) {
    emulation_->unplant();
    emulation_->reset_sites();
    emulation_->record_sites(1);
    emulation_->set_seed(seed);
    const Outcome outcome = probe();
    emulation_->record_sites(0);
    return outcome;
  }
  // Plants each mutation of the recorded sites that nothing has noticed yet.
  void MutateRecorded(const Probe& probe, uint64_t seed, const Outcome& expected) {
    for (uint32_t index = 0; index < emulation_->site_count(); ++index) {
      LlmrtEmulationSite site;
      ASSERT_EQ(emulation_->site(index, &site), 1);
      ASSERT_STREQ(site.kernel, kKernelNames[GetParam()]);
      Mutation mutation = {site.file, site.wrapper, site.line, site.column, site.bytes, 0};
      sites_.insert(mutation);
      for (mutation.kind = 1; mutation.kind < kKindsMax; ++mutation.kind) {
        if ((site.kinds >> mutation.kind & 1) == 0) continue;
        bool& noticed = noticed_[mutation];
        if (noticed) continue;
        ASSERT_EQ(emulation_->plant(index, mutation.kind), 1);
        emulation_->set_seed(seed);
        noticed = probe() != expected;
        emulation_->unplant();
      }
    }
  }
  int Survivors() const {
    int survivors = 0;
    for (const auto& [mutation, noticed] : noticed_) survivors += noticed ? 0 : 1;
    return survivors;
  }

  const Emulation* emulation_ = nullptr;
  std::set<Mutation> sites_;
  std::map<Mutation, bool> noticed_;
};

TEST_P(MutationsTest, EveryOneIsNoticed) {
  const std::vector<Probe> probes = ProbesOf(static_cast<KernelId>(GetParam()));
  ASSERT_FALSE(probes.empty());
  std::vector<Outcome> expected;
  for (uint64_t seed = 1; seed <= kSeeds && (seed == 1 || Survivors() > 0); ++seed) {
    for (size_t i = 0; i < probes.size(); ++i) {
      const Outcome outcome = RunAndRecord(probes[i], seed);
      ASSERT_EQ(outcome.problem, "") << "probe " << i << ", seed " << seed;
      if (seed == 1) expected.push_back(outcome);
      ASSERT_EQ(outcome, expected[i]) << "probe " << i << ", seed " << seed;
      MutateRecorded(probes[i], seed, expected[i]);
    }
  }
  for (const auto& [mutation, noticed] : noticed_) EXPECT_TRUE(noticed) << mutation.Name();
  EXPECT_GE(noticed_.size(), size_t{kMutationsMin});
  const int mutations = static_cast<int>(noticed_.size());
  std::printf("%s: %d sites, %d mutations, %d noticed\n", kKernelNames[GetParam()],
              static_cast<int>(sites_.size()), mutations, mutations - Survivors());
}

INSTANTIATE_TEST_SUITE_P(Kernels, MutationsTest, testing::Range(0, kKernelCount),
                         [](const auto& info) { return kKernelNames[info.param]; });

}  // namespace
}  // namespace llmrt::cuda
