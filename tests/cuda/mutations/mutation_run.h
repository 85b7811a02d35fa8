// Changes a kernel call by call under its probes, and keeps which changes nothing noticed.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/cuda/mutations/probe.h"

namespace llmrt::cuda {

// A call of a function of device.h; templates may make several of one, by the size of the type.
struct CallSite {
  std::string file;  // without its folders
  uint32_t line, column;
  std::string wrapper;
  uint32_t bytes;

  auto operator<=>(const CallSite&) const = default;
};

class MutationRun {
 public:
  MutationRun(const Emulation& emulation, KernelId kernel)
      : emulation_(emulation), kernel_(kNames[static_cast<int>(kernel)]) {}
  // Leaves the emulation as it was.
  ~MutationRun();
  MutationRun(const MutationRun&) = delete;
  MutationRun& operator=(const MutationRun&) = delete;

  // Runs the unchanged kernel only. Empty, or what went wrong.
  std::string RunUnchanged(const std::vector<Probe>& probes);
  // Plants each mutation of each call that a probe reaches, until it fails or changes the output of
  // a probe; the order of blocks, warps and lanes is that of seed 1, then 2, ... up to `seeds`.
  // Empty, or what went wrong with the unchanged kernel.
  std::string Run(const std::vector<Probe>& probes, uint64_t seeds);

  const std::set<CallSite>& sites() const { return sites_; }
  size_t mutations() const { return noticed_.size(); }
  // One line each.
  std::vector<std::string> Unnoticed() const;

 private:
  static constexpr const char* const* kNames = kKernelNames;

  // The unchanged kernel's outcome; its calls are the emulation's sites then.
  Outcome RunAndRecord(const Probe& probe, uint64_t seed);
  // Of the recorded sites; `expected` is the unchanged kernel's outcome.
  void MutateRecorded(const Probe& probe, uint64_t seed, const Outcome& expected);

  const Emulation& emulation_;
  const std::string kernel_;
  std::set<CallSite> sites_;
  std::map<std::pair<CallSite, int>, bool> noticed_;  // by call and kind of mutation
};

}  // namespace llmrt::cuda
