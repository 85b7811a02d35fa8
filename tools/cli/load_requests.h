// Requests of a load test: when each arrives and how long it is, drawn from a seed.
//
// Arrivals are a Poisson process: the gaps between them are exponentially distributed. Lengths of
// prompts and answers are log-normal, independent of each other, with a standard deviation of 1 in
// the logarithm: the shape of conversations with a chat model as ShareGPT collected them, where the
// median is 0.61 of the mean and one in a hundred is ten times the median. Means are those before
// clipping.
#pragma once

#include <cstdint>
#include <vector>

namespace llmrt::cli {

struct LoadShape {
  int64_t requests = 0;
  double rate = 0;  // arrivals a second; 0: all at once
  double prompt_mean = 0;
  double output_mean = 0;
  int64_t context_length = 0;  // that a prompt and its answer must fit in together
  uint64_t seed = 0;
};

struct LoadRequest {
  int64_t arrival_us = 0;  // from the start of the test; the first arrives at 0
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 0;
};

// In the order of arrival. A prompt has 1 token to three quarters of the context, an answer 1 token
// to what the prompt leaves. `context_length` is at least 4.
std::vector<LoadRequest> DrawRequests(const LoadShape& shape);

}  // namespace llmrt::cli
