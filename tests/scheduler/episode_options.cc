#include "tests/scheduler/episode_options.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace llmrt::scheduler {

SimulatorRandom::SimulatorRandom(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {
  if (state_ == 0) state_ = 1;
  for (int i = 0; i < 8; ++i) Next();
}

uint64_t SimulatorRandom::Next() {
  state_ ^= state_ >> 12;
  state_ ^= state_ << 25;
  state_ ^= state_ >> 27;
  return state_ * 0x2545F4914F6CDD1Du;
}

int64_t SimulatorRandom::Length(int64_t last) {
  int64_t scale = 1;
  int64_t doublings = 0;
  while (scale < last) {
    scale *= 2;
    ++doublings;
  }
  const int64_t highest = int64_t{1} << Between(0, doublings);
  return std::min(last, Between((highest + 1) / 2, highest));
}

namespace {

constexpr int64_t kContextMax = 700;  // checking a sequence reads all its tokens in each step

// Mostly tiny pools: they run short of blocks all the time, and are checked in full fast.
void DrawSizes(SimulatorRandom& random, EpisodeOptions& options) {
  constexpr int32_t kBlockSizes[] = {1, 2, 3, 4, 4, 16, 16, 32};
  options.block_size = kBlockSizes[random.Below(std::size(kBlockSizes))];
  constexpr int32_t kBlocksMax[] = {4, 8, 16, 16, 32, 32, 32, 64, 100, 400};
  options.num_blocks =
      static_cast<int32_t>(random.Between(1, kBlocksMax[random.Below(std::size(kBlocksMax))]));
  const int64_t slots = int64_t{options.num_blocks} * options.block_size;
  const int64_t longest = std::min(slots, kContextMax);
  options.context = random.Chance(300) ? longest : random.Between((longest + 3) / 4, longest);
  options.prompt_max = (random.Length(options.context) + 1) / 2;
  options.output_max = random.Between(1, options.context);

  SchedulerLimits& limits = options.limits;
  limits.running_max = random.Between(1, random.Length(32));
  limits.rows = limits.running_max + (random.Chance(250) ? 0 : random.Length(128));
  limits.logit_rows = std::min(limits.rows, limits.running_max + random.Below(9));
}

void DrawHosts(SimulatorRandom& random, EpisodeOptions& options) {
  // Each kind of disturbance is absent from some episodes, so that none hides another's faults.
  const auto rate = [&random](int64_t most) {
    return random.Chance(300) ? int64_t{0} : random.Length(most);
  };
  options.sessions_max = random.Between(1, 40);
  options.turns_max = random.Length(6);
  options.think_max = random.Length(100);
  options.burst_max = random.Chance(300) ? random.Length(30) : 1;
  options.arrivals = random.Between(1, 1000);
  options.forks = rate(300);
  options.rewinds = rate(50);
  options.cancels = rate(100);
  options.destroys = rate(30);
  options.host_calls_inside = rate(300);
  options.failures = rate(100);
  options.trims = rate(200);
  options.pauses = rate(100);
  options.scores = rate(500);
  options.abandoned = random.Chance(200);
}

// Many run together and grow until they no longer fit together, which preempts. With prompts that
// are short it is those who decode that run short of blocks; with long ones that take many steps it
// is the prompts, when those behind them have grown meanwhile.
void Crowd(SimulatorRandom& random, EpisodeOptions& options) {
  options.num_blocks = std::max(options.num_blocks, 8);
  const int64_t slots = int64_t{options.num_blocks} * options.block_size;
  options.context = std::min<int64_t>(kContextMax, slots);
  SchedulerLimits& limits = options.limits;
  limits.running_max = random.Between(3, 24);
  if (random.Chance(600)) {
    options.prompt_max = std::min<int64_t>(options.block_size * 2, (options.context + 1) / 2);
    limits.rows = limits.running_max + random.Length(32);
  } else {
    options.prompt_max = (3 * options.context + 3) / 4;
    limits.rows = limits.running_max + random.Between(8, 24);
  }
  limits.logit_rows = std::min(limits.running_max + random.Below(4), limits.rows);
  options.output_max = options.context;
  options.sessions_max = random.Between(limits.running_max, 40);
  options.arrivals = random.Between(200, 1000);
}

}  // namespace

EpisodeOptions RandomEpisode(uint64_t seed) {
  SimulatorRandom random(seed);
  EpisodeOptions options;
  options.seed = seed;
  DrawSizes(random, options);
  DrawHosts(random, options);
  if (random.Chance(400)) Crowd(random, options);
  options.steps = random.Between(500, 4000);
  return options;
}

const char* MistakeName(Mistake mistake) {
  constexpr const char* kNames[] = {
      "none",           "skip copy",     "copy late",   "skip row",     "write row beside",
      "forget clear",   "forget remove", "forget drop", "forget token", "keep logits from",
      "skip recompute", "commit failure"};
  static_assert(std::size(kNames) == static_cast<size_t>(Mistake::kNumMistakes));
  return kNames[static_cast<size_t>(mistake)];
}

std::string ToString(const EpisodeOptions& o) {
  return absl::StrCat("seed ", o.seed, ": ", o.num_blocks, " blocks of ", o.block_size,
                      ", context ", o.context, "; rows ", o.limits.rows, ", logit rows ",
                      o.limits.logit_rows, ", running ", o.limits.running_max, "; steps ", o.steps,
                      ", sessions ", o.sessions_max, ", turns ", o.turns_max, ", prompt ",
                      o.prompt_max, ", output ", o.output_max, ", think ", o.think_max, ", burst ",
                      o.burst_max, "; per 1000: arrivals ", o.arrivals, ", forks ", o.forks,
                      ", rewinds ", o.rewinds, ", cancels ", o.cancels, ", destroys ", o.destroys,
                      ", inside ", o.host_calls_inside, ", failures ", o.failures, ", trims ",
                      o.trims, ", pauses ", o.pauses, ", scores ", o.scores, "; ",
                      o.abandoned ? "abandoned" : "run dry", "; mistake ", MistakeName(o.mistake));
}

}  // namespace llmrt::scheduler
