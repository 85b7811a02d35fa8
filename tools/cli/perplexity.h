// Perplexity of a text: exp of the mean negative log-probability of its tokens.
//
// The text is tokenized once and cut into windows that fill the context. Each window starts afresh
// with BOS where the model wants one, and is followed by the next one without overlap; a model
// without BOS gets the last token of the window before instead. So each token of the text is scored
// exactly once, given what stands before it in its window (without BOS, the very first token has
// nothing before it and is not scored).
#pragma once

#include <cstdint>
#include <string>

#include "interrupt.h"
#include "library.h"

namespace llmrt::cli {

struct Perplexity {
  double perplexity = 0;
  int64_t tokens = 0;  // scored
  int64_t window = 0;  // tokens, the one that is not scored included
  int64_t stride = 0;  // tokens of the text from one window to the next
  bool bos = false;    // windows begin with BOS
};

// `label` names the model in the progress bar.
Outcome MeasurePerplexity(llmrt_engine* engine, const std::string& text, const std::string& label,
                          const InterruptScope& interrupt, Perplexity* result);

}  // namespace llmrt::cli
