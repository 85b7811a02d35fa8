// The scheduler and the paged cache by the million steps, without a model. simulator.h says what is
// checked.
//
//   LLMRT_SIMULATOR_SECONDS=600   runs longer than the suite does
//   LLMRT_SIMULATOR_EPISODE=seed  repeats one episode, as a failure names it
#include "tests/scheduler/simulator.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/test_seed.h"

namespace llmrt::scheduler {
namespace {

std::string Summary(const EpisodeCounts& c) {
  return absl::StrCat(c.steps, " steps, ", c.steps_with_work, " with work, ", c.rows, " rows, ",
                      c.validations, " full checks, ", c.turns, " turns, ", c.finished,
                      " finished, ", c.preemptions, " preemptions, ", c.evictions, " evictions, ",
                      c.recomputed, " tokens computed again, ", c.copies, " copies, ", c.seizures,
                      " seizures, ", c.forks, " forks, ", c.rewinds, " rewinds, ", c.cancels,
                      " cancels, ", c.destroys, " destroyed, ", c.drops, " drops, ", c.trims,
                      " trims, ", c.rollbacks, " rollbacks, ", c.pauses, " pauses, ", c.scored_rows,
                      " scored rows, longest wait ", c.longest_wait, " steps");
}

double SecondsToRun() {
  const char* given = std::getenv("LLMRT_SIMULATOR_SECONDS");
  return given != nullptr ? std::strtod(given, nullptr) : 30;
}

bool RunsCleanly(const EpisodeOptions& options, EpisodeCounts& counts) {
  Simulator simulator(options);
  const absl::Status status = simulator.Run();
  counts.Add(simulator.counts());
  EXPECT_TRUE(status.ok()) << status.message()
                           << "\n  repeat with LLMRT_SIMULATOR_EPISODE=" << options.seed << "\n  "
                           << ToString(options);
  return status.ok();
}

TEST(SimulatorTest, EveryEpisodeKeepsEveryInvariant) {
  EpisodeCounts counts;
  if (const char* episode = std::getenv("LLMRT_SIMULATOR_EPISODE")) {
    RunsCleanly(RandomEpisode(std::strtoull(episode, nullptr, 10)), counts);
    std::printf("%s\n", Summary(counts).c_str());
    return;
  }
  const uint64_t base = uint64_t{testing::TestSeed()} << 32;
  const double seconds = SecondsToRun();
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [start] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  int64_t episodes = 0;
  while (elapsed() < seconds && RunsCleanly(RandomEpisode(base + episodes), counts)) ++episodes;
  std::printf("%lld episodes, %.0f steps/s: %s\n", static_cast<long long>(episodes),
              static_cast<double>(counts.steps) / elapsed(), Summary(counts).c_str());
  if (episodes < 500) return;  // too few to have come everywhere
  for (const int64_t count :
       {counts.finished, counts.preemptions, counts.evictions, counts.recomputed, counts.copies,
        counts.seizures, counts.forks, counts.rewinds, counts.cancels, counts.destroys,
        counts.drops, counts.trims, counts.rollbacks, counts.pauses, counts.scored_rows}) {
    EXPECT_GT(count, 0) << Summary(counts);
  }
}

// The simulator proves itself: an engine that does one thing wrong is found out.
class SimulatorMistakeTest : public ::testing::TestWithParam<int> {};

TEST_P(SimulatorMistakeTest, IsFoundOut) {
  const auto mistake = static_cast<Mistake>(GetParam());
  int found = 0;
  std::string message;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    EpisodeOptions options = RandomEpisode(seed);
    options.steps = 500;
    options.mistake = mistake;
    if (mistake == Mistake::kKeepLogitsFrom) options.scores = options.pauses = 500;
    const absl::Status status = Simulator(options).Run();
    if (status.ok()) continue;
    ++found;
    message = status.message();
  }
  // Not each episode has occasion for it.
  EXPECT_GE(found, 5);
  std::printf("%d of 60 episodes find \"%s\", such as: %s\n", found, MistakeName(mistake),
              message.c_str());
}

INSTANTIATE_TEST_SUITE_P(All, SimulatorMistakeTest,
                         ::testing::Range(1, static_cast<int>(Mistake::kNumMistakes)));

TEST(SimulatorTest, ASeedGivesOneEpisode) {
  EpisodeCounts first;
  EpisodeCounts second;
  ASSERT_TRUE(RunsCleanly(RandomEpisode(7), first));
  ASSERT_TRUE(RunsCleanly(RandomEpisode(7), second));
  EXPECT_EQ(Summary(first), Summary(second));
}

}  // namespace
}  // namespace llmrt::scheduler
