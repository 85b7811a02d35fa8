#include "load_requests.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace llmrt::cli {
namespace {

// The standard's own distributions differ between libraries, so they are spelled out here.
class Draws {
 public:
  explicit Draws(uint64_t seed) : random_(seed) {}

  // In (0, 1): 53 bits and a half.
  double Uniform() { return (static_cast<double>(random_() >> 11) + 0.5) * 0x1p-53; }

  double Exponential() { return -std::log(Uniform()); }

  // Box and Muller's, of which one of two results is thrown away.
  double Normal() {
    constexpr double kPi = 3.14159265358979323846;
    const double radius = std::sqrt(2 * Exponential());
    return radius * std::cos(2 * kPi * Uniform());
  }

  // The mean of exp(m + s x) is exp(m + s^2 / 2), and s is 1.
  double LogNormal(double mean) { return mean * std::exp(Normal() - 0.5); }

 private:
  std::mt19937_64 random_;
};

int64_t Clipped(double length, int64_t most) {
  // Compared as numbers: a length may be beyond every integer.
  if (length >= static_cast<double>(most)) return most;
  return std::max<int64_t>(1, std::llround(length));
}

}  // namespace

std::vector<LoadRequest> DrawRequests(const LoadShape& shape) {
  Draws draws(shape.seed);
  std::vector<LoadRequest> requests(static_cast<size_t>(shape.requests));
  double arrival_s = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    LoadRequest& request = requests[i];
    const double gap = draws.Exponential();  // drawn in any case: rates share their lengths
    if (i > 0 && shape.rate > 0) arrival_s += gap / shape.rate;
    // A century of waiting is as good as any longer one, and fits.
    request.arrival_us = static_cast<int64_t>(std::min(arrival_s, 3e9) * 1e6);
    request.prompt_tokens =
        Clipped(draws.LogNormal(shape.prompt_mean), shape.context_length * 3 / 4);
    request.output_tokens =
        Clipped(draws.LogNormal(shape.output_mean), shape.context_length - request.prompt_tokens);
  }
  return requests;
}

}  // namespace llmrt::cli
