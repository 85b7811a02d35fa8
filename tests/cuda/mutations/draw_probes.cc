// Probes of the kernels that draw tokens. Fields that nobody reads hold what would be noticed.
#include "cuda/kernels/draw.h"
#include "tests/cuda/mutations/probe.h"

namespace llmrt::cuda {
namespace {

const std::vector<DrawRequest> kRequests = {
    {.logit_row = 1, .temperature = 0.75f, .seed = 11, .position = 5, .sample_index = 2},
    {.logit_row = 2, .temperature = 0.0f, .seed = 12, .position = 6, .sample_index = 0},
    {.logit_row = 0, .temperature = 1.5f, .seed = 13, .position = 7, .sample_index = 1}};

// One more than counts.
std::vector<DrawRequest> LaunchedRequests() {
  std::vector<DrawRequest> requests = kRequests;
  requests.push_back({.logit_row = 0x7fffffff, .temperature = 1.0f});
  for (DrawRequest& request : requests) request.reserved = 0x55;
  return requests;
}

// The first token of row 2 is its best; `not_a_number` is in row 1.
Outcome DrawPartsOf(int32_t vocab_size, int32_t not_a_number) {
  ProbeRandom random(1);
  std::vector<float> values = random.Floats(3 * vocab_size);
  values[2 * vocab_size] = 10.0f;
  if (not_a_number >= 0) values[vocab_size + not_a_number] = NAN;
  const std::vector<DrawRequest> launched = LaunchedRequests();
  const DeviceArray<float> logits(values);
  const DeviceArray<DrawRequest> requests(launched);
  const DeviceArray<int32_t> count(std::vector<int32_t>{static_cast<int32_t>(kRequests.size())});
  const DeviceArray<DrawPart> parts(
      Poisoned<DrawPart>(DrawParts(vocab_size) * static_cast<int64_t>(launched.size())));
  const DrawArgs args = {.logits = logits.get(),
                         .vocab_size = vocab_size,
                         .requests = requests.get(),
                         .num_requests = count.get(),
                         .parts = parts.get(),
                         .results = nullptr};
  return LaunchProbe(KernelId::kDrawPartsKernel,
                     DrawPartsShape(vocab_size, static_cast<uint32_t>(launched.size())), args,
                     parts);
}

// More parts than a warp has lanes. The second request's best is in part `best`.
Outcome DrawMerge(int32_t best) {
  ProbeRandom random(2);
  constexpr int32_t kParts = 40;
  const std::vector<DrawRequest> launched = LaunchedRequests();
  std::vector<DrawPart> values;
  for (size_t i = 0; i < launched.size() * kParts; ++i) {
    const int32_t first = static_cast<int32_t>(i) % kParts * kDrawPartTokens;
    values.push_back({.largest = random.Float(),
                      .largest_token = first + static_cast<int32_t>(random.Below(kDrawPartTokens)),
                      .score = random.Float(),
                      .score_token = first + static_cast<int32_t>(random.Below(kDrawPartTokens)),
                      .not_a_number = 0,
                      .reserved = 0x55});
  }
  values[kParts + best].largest = 10.0f;
  const DeviceArray<DrawPart> parts(values);
  const DeviceArray<DrawRequest> requests(launched);
  const DeviceArray<int32_t> count(std::vector<int32_t>{static_cast<int32_t>(kRequests.size())});
  const DeviceArray<DrawResult> results(
      Poisoned<DrawResult>(static_cast<int64_t>(launched.size())));
  const DrawArgs args = {.logits = nullptr,
                         .vocab_size = kParts * kDrawPartTokens,
                         .requests = requests.get(),
                         .num_requests = count.get(),
                         .parts = parts.get(),
                         .results = results.get()};
  return LaunchProbe(KernelId::kDrawMergeKernel,
                     DrawMergeShape(static_cast<uint32_t>(launched.size())), args, results);
}

}  // namespace

std::vector<Probe> DrawProbes(KernelId kernel) {
  std::vector<Probe> probes;
  if (kernel == KernelId::kDrawPartsKernel) {
    for (const int32_t not_a_number : {-1, 17}) {
      probes.push_back([=] { return DrawPartsOf(kDrawPartTokens + 300, not_a_number); });
    }
  }
  if (kernel == KernelId::kDrawMergeKernel) {
    for (const int32_t best : {0, 1, 7, 30, 39}) probes.push_back([=] { return DrawMerge(best); });
  }
  return probes;
}

}  // namespace llmrt::cuda
