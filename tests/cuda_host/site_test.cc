// Sites are found, and each change of one shows in a kernel's results or faults.
#include "cuda_host/site.h"

#include <map>
#include <random>
#include <set>

#include "cuda_host/emulation_fixture.h"

namespace llmrt::cuda_host {
namespace {

using cuda::kCuSuccess;

class SiteTest : public EmulationTest {
 protected:
  // What one run of a kernel leaves: its result and its output.
  struct Outcome {
    cuda::CuResult result;
    std::vector<uint32_t> words;
    bool operator==(const Outcome&) const = default;
  };
  Outcome RunOnce(const char* kernel, uint32_t threads, cuda::TestArgs args) {
    std::vector<uint32_t> words(384);
    std::mt19937 random(1);
    // Floats up to 2, pairs of float16 from 0.5 to 2.
    for (uint32_t& word : words) word = 0x38003800u | (random() & 0x07ff07ffu);
    args.in = Device(words);
    args.out = Device(std::vector<uint32_t>(384));
    const cuda::CuResult result = Run(kernel, 1, threads, args);
    if (result != kCuSuccess) {
      Restart();
      return {result, {}};
    }
    return {result, Words(args.out, 384)};
  }
  std::vector<LlmrtEmulationSite> Sites() {
    std::vector<LlmrtEmulationSite> sites(llmrt_emulation_site_count());
    for (uint32_t i = 0; i < sites.size(); ++i) EXPECT_EQ(llmrt_emulation_site(i, &sites[i]), 1);
    return sites;
  }
};

TEST_F(SiteTest, NothingIsRecordedUnlessAskedFor) {
  RunOnce("ReverseKernel", 64, {});
  EXPECT_EQ(llmrt_emulation_site_count(), 0u);
  LlmrtEmulationSite site;
  EXPECT_EQ(llmrt_emulation_site(0, &site), 0);
}

TEST_F(SiteTest, EachCallThatRanIsASiteOnce) {
  llmrt_emulation_record_sites(1);
  RunOnce("ReverseKernel", 64, {});
  RunOnce("ReverseKernel", 64, {});
  std::map<std::string, int> count;
  for (const LlmrtEmulationSite& site : Sites()) {
    EXPECT_STREQ(site.kernel, "ReverseKernel");
    EXPECT_NE(std::string(site.file).find("test_kernels.cu"), std::string::npos);
    EXPECT_GT(site.line, 0u);
    ++count[site.wrapper];
  }
  const std::map<std::string, int> want = {{"ThreadIndex", 1},  {"BlockIndexX", 1},
                                           {"BlockThreads", 2}, {"Load", 2},
                                           {"Store", 2},        {"SyncBlock", 1}};
  EXPECT_EQ(count, want);
  llmrt_emulation_reset_sites();
  EXPECT_EQ(llmrt_emulation_site_count(), 0u);
}

TEST_F(SiteTest, CallsOnOneLineAreDifferentSites) {
  llmrt_emulation_record_sites(1);
  RunOnce("RoundKernel", 32, {});
  std::set<std::pair<uint32_t, uint32_t>> places;
  for (const LlmrtEmulationSite& site : Sites()) places.insert({site.line, site.column});
  EXPECT_EQ(places.size(), llmrt_emulation_site_count());
}

struct MutationCase {
  const char* kernel;
  uint32_t threads;
  cuda::TestArgs args;
};
void PrintTo(const MutationCase& test, std::ostream* out) { *out << test.kernel; }

class MutationTest : public SiteTest, public ::testing::WithParamInterface<MutationCase> {};

// Of one block neither the grid's size nor how many threads the others have tells anything.
bool Unseen(const LlmrtEmulationSite& site) {
  const std::string wrapper = site.wrapper;
  return wrapper.starts_with("GridSize") || wrapper == "BlockThreads";
}

// Five seeds each: a lost barrier may need luck.
TEST_P(MutationTest, EveryChangeIsNoticed) {
  const MutationCase& test = GetParam();
  llmrt_emulation_record_sites(1);
  const Outcome want = RunOnce(test.kernel, test.threads, test.args);
  ASSERT_EQ(want.result, kCuSuccess) << message();
  llmrt_emulation_record_sites(0);
  int planted = 0;
  for (uint32_t index = 0; index < llmrt_emulation_site_count(); ++index) {
    LlmrtEmulationSite site;
    ASSERT_EQ(llmrt_emulation_site(index, &site), 1);
    EXPECT_NE(site.kinds, 0u);
    for (int kind = 1; kind < 32; ++kind) {
      const bool possible = (site.kinds >> kind & 1) != 0;
      ASSERT_EQ(llmrt_emulation_plant(index, kind), possible ? 1 : 0);
      if (!possible || Unseen(site)) continue;
      ++planted;
      bool noticed = false;
      for (uint64_t seed = 1; seed <= 5 && !noticed; ++seed) {
        llmrt_emulation_set_seed(seed);
        noticed = !(RunOnce(test.kernel, test.threads, test.args) == want);
      }
      EXPECT_TRUE(noticed) << site.wrapper << " in line " << site.line << ", kind " << kind;
      EXPECT_GT(llmrt_emulation_planted_hits(), 0u);
    }
  }
  EXPECT_GT(planted, 0);
  llmrt_emulation_unplant();
  EXPECT_EQ(RunOnce(test.kernel, test.threads, test.args), want);
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, MutationTest,
    ::testing::Values(MutationCase{"ReverseKernel", 64, {}},
                      MutationCase{"ReverseWarpKernel", 64, {}},
                      MutationCase{"ShuffleKernel", 64, {nullptr, nullptr, 4, 0}},
                      MutationCase{"ShuffleKernel", 64, {nullptr, nullptr, 4, 1}},
                      MutationCase{"ShuffleKernel", 64, {nullptr, nullptr, 4, 3}},

                      MutationCase{"PipelineKernel", 64, {}}, MutationCase{"WhereKernel", 64, {}},
                      MutationCase{"MultiplyHalfKernel", 32, {}},
                      MutationCase{"MultiplyHalfKernel", 32, {nullptr, nullptr, 1, 0}},
                      MutationCase{"RoundKernel", 32, {}}),
    [](const ::testing::TestParamInfo<MutationCase>& info) {
      return info.param.kernel + std::to_string(info.index);
    });

}  // namespace
}  // namespace llmrt::cuda_host
