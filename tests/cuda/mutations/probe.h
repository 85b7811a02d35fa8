// Probes: launches of one kernel over small random inputs, chosen so that each call of device.h
// that the kernel makes matters for what is left in the output. Whether that output is right the
// tests of the kernel say; here only that it changes when the kernel does.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "cuda/kernels/kernel_list.h"
#include "cuda/kernels/step_view.h"
#include "tests/cuda/kernels/kernel_case.h"
#include "tests/cuda/test_device.h"

namespace llmrt::cuda {

// What a launch left behind.
struct Outcome {
  std::string problem;         // empty, or why it failed
  std::vector<uint8_t> bytes;  // all of the outputs; none where it failed

  bool operator==(const Outcome& other) const {
    return problem.empty() && other.problem.empty() && bytes == other.bytes;
  }
};

// Allocates all that a launch needs anew, as a fault takes all memory with it. Arrays are exactly
// as large as they must be: the emulation stops an access beyond them.
using Probe = std::function<Outcome()>;

std::vector<Probe> ProbesOf(KernelId kernel);
// Of a group of kernels; none for the others.
std::vector<Probe> RowProbes(KernelId kernel);
std::vector<Probe> DrawProbes(KernelId kernel);
std::vector<Probe> MatMulProbes(KernelId kernel);
std::vector<Probe> AttentionProbes(KernelId kernel);

template <typename T>
void AppendBytes(const DeviceArray<T>& array, std::vector<uint8_t>* bytes) {
  const std::vector<T> values = array.Download();
  const auto* begin = reinterpret_cast<const uint8_t*>(values.data());
  bytes->insert(bytes->end(), begin, begin + values.size() * sizeof(T));
}

template <typename Args, typename... Ts>
Outcome LaunchProbe(KernelId kernel, const LaunchShape& shape, const Args& args,
                    const DeviceArray<Ts>&... outputs) {
  Outcome outcome = {.problem = TestDevice::Get().Launch(kernel, shape, args), .bytes = {}};
  if (outcome.problem.empty()) (AppendBytes(outputs, &outcome.bytes), ...);
  return outcome;
}

// Values of which any two rows differ, none zero or extreme.
class ProbeRandom {
 public:
  explicit ProbeRandom(uint32_t seed) : random_(seed) {}

  float Float() { return std::normal_distribution<float>()(random_) + 0.01f; }
  std::vector<float> Floats(int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = Float();
    return values;
  }
  // As values of the type; F32 as they are.
  std::vector<uint8_t> Elements(Element element, int64_t count);
  uint32_t Below(uint32_t limit) { return random_() % limit; }

 private:
  std::mt19937 random_;
};

constexpr int64_t ElementBytes(Element element) { return element == Element::kF32 ? 4 : 2; }
// Writes one value; returns the bytes behind it.
uint8_t* PutElement(Element element, float value, uint8_t* out);

// A step's rows on the device, their sequences in a paged cache of two layers: blocks in an order
// of their own, slots that were not written poisoned, the last sequence's table first.
struct ProbeRow {
  int32_t sequence;
  int32_t position;
};
struct ProbeCache {
  Element element;
  int32_t num_kv_heads;
  int32_t head_dim;
  int32_t block_size;
  std::vector<int32_t> lengths;  // tokens written of each sequence
  std::vector<ProbeRow> rows;
  int32_t ignored_rows = 1;  // behind those that count
  // Sequence 0 has values of positive infinity at these positions.
  std::vector<int32_t> infinite = {};

  KvLayout Layout() const;
};
class ProbeStep {
 public:
  explicit ProbeStep(const ProbeCache& cache);
  StepView View() const;
  uint32_t launched_rows() const { return static_cast<uint32_t>(positions_.size()); }
  const DeviceArray<uint8_t>& cache() const { return cache_; }

 private:
  static std::vector<int32_t> BlocksOf(const ProbeCache& cache);

  // Of all sequences one after the other, numbers of blocks of the cache.
  const std::vector<int32_t> table_;
  DeviceArray<int32_t> num_rows_, positions_, sequences_, table_starts_;
  DeviceArray<uint8_t> cache_;
  DeviceArray<uint8_t*> blocks_;
};

}  // namespace llmrt::cuda
