// llmrt synth: random weights in the shape of a known model, for benchmarks. What such a file holds
// is decided in tools/synth.

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "interrupt.h"
#include "json_output.h"
#include "synth/synth.h"
#include "terminal.h"

namespace llmrt::cli {
namespace {

struct SynthFlags {
  std::string path;
  std::optional<std::string> shape;
  std::optional<std::string> type;
  std::optional<int64_t> seed;
  bool json = false;
};

Outcome ParseSynthFlags(const std::vector<std::string>& arguments, SynthFlags* flags,
                        bool* helped) {
  Arguments parser(
      "synth --shape NAME --type T OUT [--seed S] [--json]\n"
      "Writes a GGUF file of random weights. Types mean the mixes that llama.cpp gives these names "
      "(norms\n"
      "F32, output matrix Q6_K, more bits for some layers of _m); q4_k is q4_k_m, q5_k is q5_k_m.");
  parser.Positional("OUT", &flags->path);
  parser.Choice("--shape", "whose shape", synth::ShapeNames(), &flags->shape);
  parser.Choice("--type", "type of the weights", synth::FileTypeNames(), &flags->type);
  parser.Integer("--seed", "of the weights; equal seeds give equal files (0)", &flags->seed);
  parser.Switch("--json", "one JSON object on stdout", &flags->json);
  LLMRT_CLI_TRY(ParseOrHelp(&parser, arguments, helped));
  if (*helped) return Done();
  if (!flags->shape) return WrongUsage("--shape is missing");
  if (!flags->type) return WrongUsage("--type is missing");
  if (flags->seed.value_or(0) < 0) return WrongUsage("--seed is 0 or more");
  return Done();
}

Outcome PrintResult(const SynthFlags& flags, int64_t file_bytes, double seconds) {
  if (!flags.json) {
    return Print(flags.path + ": " + FormatBytes(file_bytes) + " in " + FormatNumber(seconds, 1) +
                 " s\n");
  }
  nlohmann::ordered_json object;
  object["path"] = flags.path;
  object["shape"] = *flags.shape;
  object["type"] = *flags.type;
  object["seed"] = flags.seed.value_or(0);
  object["file_bytes"] = file_bytes;
  object["seconds"] = seconds;
  return PrintJsonLine(object);
}

}  // namespace

Outcome SynthCommand(const std::vector<std::string>& arguments) {
  SynthFlags flags;
  bool helped = false;
  LLMRT_CLI_TRY(ParseSynthFlags(arguments, &flags, &helped));
  if (helped) return Done();
  const InterruptScope interrupt;
  synth::SynthRequest request = {.shape = *flags.shape,
                                 .file_type = *flags.type,
                                 .seed = static_cast<uint64_t>(flags.seed.value_or(0)),
                                 .path = flags.path};
  const auto start = std::chrono::steady_clock::now();
  synth::SynthResult result;
  {
    ProgressBar bar("writing");
    request.go_on = [&](double fraction) {
      bar.Show(static_cast<float>(fraction));
      return !interrupt.interrupted();
    };
    result = synth::WriteModel(request);
  }
  if (!result.error.empty()) return Failed(result.error);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return PrintResult(flags, result.file_bytes, elapsed.count());
}

}  // namespace llmrt::cli
