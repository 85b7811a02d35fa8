#include "tests/cuda/mutations/mutation_run.h"

namespace llmrt::cuda {
namespace {

constexpr int kKindsMax = 32;

CallSite CallSiteOf(const LlmrtEmulationSite& site) {
  const std::string path = site.file;
  return {path.substr(path.rfind('/') + 1), site.line, site.column, site.wrapper, site.bytes};
}

}  // namespace

MutationRun::~MutationRun() {
  emulation_.unplant();
  emulation_.record_sites(0);
  emulation_.reset_sites();
  emulation_.set_seed(1);
}

Outcome MutationRun::RunAndRecord(const Probe& probe, uint64_t seed) {
  emulation_.reset_sites();
  emulation_.record_sites(1);
  emulation_.set_seed(seed);
  Outcome outcome = probe();
  emulation_.record_sites(0);
  for (uint32_t index = 0; index < emulation_.site_count(); ++index) {
    LlmrtEmulationSite site;
    emulation_.site(index, &site);
    sites_.insert(CallSiteOf(site));
    if (kernel_ != site.kernel) outcome.problem = std::string("the probe launches ") + site.kernel;
  }
  return outcome;
}

void MutationRun::MutateRecorded(const Probe& probe, uint64_t seed, const Outcome& expected) {
  for (uint32_t index = 0; index < emulation_.site_count(); ++index) {
    LlmrtEmulationSite site;
    emulation_.site(index, &site);
    for (int kind = 1; kind < kKindsMax; ++kind) {
      if ((site.kinds >> kind & 1) == 0) continue;
      bool& noticed = noticed_[{CallSiteOf(site), kind}];
      if (noticed) continue;
      emulation_.plant(index, kind);
      emulation_.set_seed(seed);
      noticed = probe() != expected;
      emulation_.unplant();
    }
  }
}

std::string MutationRun::RunUnchanged(const std::vector<Probe>& probes) {
  for (const Probe& probe : probes) {
    const Outcome outcome = RunAndRecord(probe, 1);
    if (!outcome.problem.empty()) return outcome.problem;
  }
  return "";
}

std::string MutationRun::Run(const std::vector<Probe>& probes, uint64_t seeds) {
  std::vector<Outcome> expected;
  for (uint64_t seed = 1; seed <= seeds && (seed == 1 || !Unnoticed().empty()); ++seed) {
    for (size_t i = 0; i < probes.size(); ++i) {
      const Outcome outcome = RunAndRecord(probes[i], seed);
      if (!outcome.problem.empty()) return outcome.problem;
      if (seed == 1) expected.push_back(outcome);
      if (outcome != expected[i]) {
        return "probe " + std::to_string(i) + " depends on the seed: " + std::to_string(seed);
      }
      MutateRecorded(probes[i], seed, expected[i]);
    }
  }
  return "";
}

std::vector<std::string> MutationRun::Unnoticed() const {
  std::vector<std::string> names;
  for (const auto& [mutation, noticed] : noticed_) {
    if (noticed) continue;
    const auto& [call, kind] = mutation;
    names.push_back(call.wrapper + " (" + std::to_string(call.bytes) + " bytes) at " + call.file +
                    ":" + std::to_string(call.line) + ":" + std::to_string(call.column) +
                    ", mutation " + std::to_string(kind));
  }
  return names;
}

}  // namespace llmrt::cuda
