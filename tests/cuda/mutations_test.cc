// Mutations of every kernel must be noticed: each call of device.h that a kernel makes is changed
// in turn (control.h has the changes: barriers, waits and matrix products left out, lanes, indices
// and addresses moved, ...), and at least one of the kernel's probes must then fail or leave
// another output. No call in a kernel's source may be out of the probes' reach.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "cuda/kernels/elementwise.h"
#include "tests/cuda/mutations/mutation_run.h"

namespace llmrt::cuda {
namespace {

// A lost barrier may need luck to be noticed.
constexpr uint64_t kSeeds = 6;
constexpr size_t kMutationsMin = 5;

class MutationsTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(TestDevice::Get().ok()) << TestDevice::Get().problem();
    if (TestDevice::Get().emulation() == nullptr) {
      GTEST_SKIP() << "a GPU's kernels cannot be changed";
    }
  }
  static const Emulation& emulation() { return *TestDevice::Get().emulation(); }
};

TEST_P(MutationsTest, EveryOneIsNoticed) {
  const auto kernel = static_cast<KernelId>(GetParam());
  MutationRun run(emulation(), kernel);
  ASSERT_EQ(run.Run(ProbesOf(kernel), kSeeds), "");
  const std::vector<std::string> unnoticed = run.Unnoticed();
  EXPECT_THAT(unnoticed, testing::IsEmpty());
  EXPECT_GE(run.mutations(), kMutationsMin);
  std::printf("%s: %zu calls, %zu mutations, %zu noticed\n", kKernelNames[GetParam()],
              run.sites().size(), run.mutations(), run.mutations() - unnoticed.size());
}

INSTANTIATE_TEST_SUITE_P(Kernels, MutationsTest, testing::Range(0, kKernelCount),
                         [](const auto& info) { return kKernelNames[info.param]; });

// One block cannot tell how far the next one is away.
TEST_F(MutationsTest, WhatAWeakProbeMissesIsNamed) {
  const Probe one_block = [] {
    constexpr int64_t kCount = 40;
    ProbeRandom random(1);
    const DeviceArray<float> gate(random.Floats(kCount)), up(random.Floats(kCount));
    const DeviceArray<float> out(Poisoned<float>(kCount));
    const SwiGluArgs args = {.gate = gate.get(), .up = up.get(), .count = kCount, .out = out.get()};
    return LaunchProbe(KernelId::kSwiGluKernel, SwiGluShape(args), args, out);
  };
  MutationRun run(emulation(), KernelId::kSwiGluKernel);
  ASSERT_EQ(run.Run({one_block}, 2), "");
  EXPECT_THAT(run.Unnoticed(), testing::ElementsAre(testing::StartsWith("BlockThreads")));
  EXPECT_EQ(run.RunUnchanged({one_block}), "") << "a mutation is still planted";
}

// By file and line, the functions of device.h and how often each is called there.
using Calls = std::map<std::tuple<std::string, uint32_t, std::string>, int>;

// Adds the calls in a line of source; they look like Load(...) or PackPair<T>(...).
void AddCalls(const std::set<std::string>& wrappers, const std::string& file, uint32_t line,
              const std::string& text, Calls* calls) {
  const std::string code = text.substr(0, text.find("//"));
  const auto is_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  for (size_t i = 0; i < code.size();) {
    size_t end = i;
    while (end < code.size() && is_name(code[end])) ++end;
    const std::string name = code.substr(i, end - i);
    const bool called = end < code.size() && (code[end] == '(' || code[end] == '<');
    if (called && wrappers.count(name) != 0) ++(*calls)[{file, line, name}];
    i = end + 1;
  }
}

TEST_F(MutationsTest, EveryCallInTheSourcesIsReached) {
  std::set<CallSite> sites;
  for (int id = 0; id < kKernelCount; ++id) {
    MutationRun run(emulation(), static_cast<KernelId>(id));
    ASSERT_EQ(run.RunUnchanged(ProbesOf(static_cast<KernelId>(id))), "");
    sites.insert(run.sites().begin(), run.sites().end());
  }
  Calls reached;
  std::set<std::string> wrappers;
  for (const CallSite& site : sites) wrappers.insert(site.wrapper);
  std::set<std::tuple<std::string, uint32_t, std::string, uint32_t>> places;  // whatever the type
  for (const CallSite& site : sites) {
    if (places.insert({site.file, site.line, site.wrapper, site.column}).second) {
      ++reached[{site.file, site.line, site.wrapper}];
    }
  }
  // No kernel calls these now. A first call must be reached like all others, and the emulation
  // must know how to leave out a wait for other grids.
  wrappers.insert({"ShuffleFrom", "LoadMatrices2Transposed", "AwaitEarlierGrids"});
  size_t lines_with_calls = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LLMRT_KERNEL_SOURCES)) {
    const std::string extension = entry.path().extension();
    if (extension != ".cu" && extension != ".cuh") continue;
    std::ifstream source(entry.path());
    Calls calls;
    std::string text;
    for (uint32_t line = 1; std::getline(source, text); ++line) {
      AddCalls(wrappers, entry.path().filename(), line, text, &calls);
    }
    lines_with_calls += calls.size();
    for (const auto& [place, count] : calls) {
      const auto& [file, line, wrapper] = place;
      EXPECT_EQ(reached[place], count) << wrapper << " at " << file << ":" << line;
    }
  }
  EXPECT_GT(lines_with_calls, 200u);
}

}  // namespace
}  // namespace llmrt::cuda
