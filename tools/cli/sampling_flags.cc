#include "sampling_flags.h"

#include "engine_flags.h"

namespace llmrt::cli {

void SamplingFlags::AddTo(Arguments* arguments) {
  arguments->Integer("-n", "tokens to generate; without it: to the model's own end", &max_tokens_);
  arguments->Number("--temp", "temperature; 0: always the likeliest token (default)",
                    &temperature_);
  arguments->Integer("--top-k", "draw among the K likeliest; 0: off", &top_k_);
  arguments->Number("--top-p", "draw among the likeliest that make up P; 1: off", &top_p_);
  arguments->Number("--min-p", "drop what is less than P times as likely as the best; 0: off",
                    &min_p_);
  arguments->Integer("--seed", "seed of the draws; without it: a random one", &seed_);
  arguments->Switch("--ignore-eos", "go on after the model's end tokens", &ignore_eos_);
}

Outcome SamplingFlags::MakeOptions(Options* options) const {
  LLMRT_CLI_TRY(CreateOptions(LLMRT_OPTIONS_STREAM, options));
  llmrt_options* const set = options->get();
  LLMRT_CLI_TRY(SetInteger(set, LLMRT_STREAM_MAX_TOKENS, "-n", max_tokens_));
  LLMRT_CLI_TRY(SetNumber(set, LLMRT_STREAM_TEMPERATURE, "--temp", temperature_));
  LLMRT_CLI_TRY(SetInteger(set, LLMRT_STREAM_TOP_K, "--top-k", top_k_));
  LLMRT_CLI_TRY(SetNumber(set, LLMRT_STREAM_TOP_P, "--top-p", top_p_));
  LLMRT_CLI_TRY(SetNumber(set, LLMRT_STREAM_MIN_P, "--min-p", min_p_));
  LLMRT_CLI_TRY(SetInteger(set, LLMRT_STREAM_SEED, "--seed", seed_));
  if (!ignore_eos_) return Done();
  return Check(llmrt_options_set_i64(set, LLMRT_STREAM_IGNORE_EOS, 1));
}

Outcome SetStopStrings(llmrt_options* options, const std::vector<std::string>& strings) {
  if (strings.empty()) return Done();
  std::string bytes;
  for (const std::string& text : strings) {
    if (text.empty()) return WrongUsage("--stop wants a string that is not empty");
    bytes += text;
    bytes += '\0';
  }
  return Check(llmrt_options_set_bytes(options, LLMRT_STREAM_STOP_STRINGS, bytes.data(),
                                       static_cast<int64_t>(bytes.size())));
}

}  // namespace llmrt::cli
