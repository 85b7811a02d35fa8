// Times of many repetitions, as percentiles and as a histogram.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

namespace llmrt::bench {

inline double NowUs() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class Latencies {
 public:
  void Add(double us) { values_us_.push_back(us); }

  // Of the sorted values, the first that `fraction` of them do not exceed.
  double Percentile(double fraction) const {
    if (values_us_.empty()) return 0;
    std::vector<double> sorted = values_us_;
    std::sort(sorted.begin(), sorted.end());
    const auto rank = static_cast<size_t>(fraction * static_cast<double>(sorted.size()));
    return sorted[std::min(rank, sorted.size() - 1)];
  }

  void Print(const std::string& name) const {
    std::printf("%-28s n %5zu  p50 %8.0f us  p90 %8.0f us  p99 %8.0f us  max %8.0f us\n",
                name.c_str(), values_us_.size(), Percentile(0.5), Percentile(0.9), Percentile(0.99),
                Percentile(1));
  }

  void PrintHistogram() const {
    constexpr double kEdgesUs[] = {0, 25, 50, 100, 200, 400, 700, 1000, 2000, 3000, 1e30};
    double low = -1;
    for (const double high : kEdgesUs) {
      const auto count = std::count_if(values_us_.begin(), values_us_.end(),
                                       [&](double us) { return us > low && us <= high; });
      if (high > 1e29) {
        std::printf("  over %6.0f us  %5td\n", low, count);
      } else {
        std::printf("  up to %5.0f us  %5td\n", high, count);
      }
      low = high;
    }
  }

 private:
  std::vector<double> values_us_;
};

// The value behind `--name`, or `otherwise`.
inline int64_t Flag(int argc, char** argv, const std::string& name, int64_t otherwise) {
  for (int i = 2; i + 1 < argc; ++i) {
    if (name == argv[i]) return std::atoll(argv[i + 1]);
  }
  return otherwise;
}

// A benchmark's main: argv[1] names the model.
inline int RunBenchmark(int argc, char** argv, const char* flags, int (*run)(int, char**)) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s MODEL.gguf %s\n", argv[0], flags);
    return 2;
  }
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

}  // namespace llmrt::bench
