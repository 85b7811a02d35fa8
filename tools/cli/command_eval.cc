// llmrt eval: perplexity of a text under one model or several.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "engine_flags.h"
#include "json_output.h"
#include "loading.h"
#include "perplexity.h"
#include "terminal.h"
#include "text_file.h"

namespace llmrt::cli {
namespace {

// Windows longer than this cost quadratic time and hardly change the figure.
constexpr int64_t kContextMax = 2048;

struct EvalFlags {
  std::vector<std::string> models;
  std::optional<std::string> file;
  std::optional<std::string> reference;
  std::optional<int64_t> context;
  bool json = false;
  EngineFlags engine;
};

Outcome ParseEvalFlags(const std::vector<std::string>& arguments, EvalFlags* flags, bool* helped) {
  Arguments parser(
      "eval MODEL... --text FILE [flags]\n"
      "Scores every token of the text once, in windows that fill the context, begin with BOS where "
      "the\n"
      "model wants one, and follow each other without overlap.");
  parser.PositionalList("MODEL", &flags->models);
  parser.Text("--text", "the file with the text", &flags->file);
  parser.Text("--reference", "not built yet", &flags->reference);
  parser.Integer("--context", "tokens of a window; without it: the model's context, at most 2048",
                 &flags->context);
  parser.Switch("--json", "one JSON object on stdout", &flags->json);
  flags->engine.AddTo(&parser);
  LLMRT_CLI_TRY(ParseOrHelp(&parser, arguments, helped));
  if (*helped) return Done();
  if (!flags->file) return WrongUsage("--text is missing");
  if (flags->reference) {
    return Failed("eval --reference (KL divergence, top-1 agreement) is not built yet");
  }
  return Done();
}

// The context of the engine: as given, else the model's own up to kContextMax.
Outcome SetContext(const EvalFlags& flags, const std::string& path, llmrt_options* options) {
  std::optional<int64_t> context = flags.context;
  if (!context) {
    Model model;
    LLMRT_CLI_TRY(OpenModel(path, &model));
    auto info = Sized<llmrt_model_info>();
    LLMRT_CLI_TRY(Check(llmrt_model_get_info(model.get(), &info)));
    if (info.context_length > 0) context = std::min(info.context_length, kContextMax);
  }
  return SetInteger(options, LLMRT_ENGINE_CONTEXT_LENGTH, "--context", context);
}

Outcome EvaluateModel(const EvalFlags& flags, const std::string& path, const std::string& text,
                      Perplexity* result) {
  Options options;
  LLMRT_CLI_TRY(flags.engine.MakeOptions(&options));
  LLMRT_CLI_TRY(SetContext(flags, path, options.get()));
  const InterruptScope interrupt;
  Engine engine;
  LLMRT_CLI_TRY(LoadEngine(path, options.get(), interrupt, &engine));
  return MeasurePerplexity(engine.get(), text, path, interrupt, result);
}

nlohmann::ordered_json ToJson(const std::string& path, const Perplexity& result) {
  nlohmann::ordered_json object;
  object["model"] = path;
  object["perplexity"] = result.perplexity;
  object["tokens"] = result.tokens;
  object["window"] = result.window;
  object["stride"] = result.stride;
  object["bos"] = result.bos;
  return object;
}

// One model's fields stand at the top; those of several in `results`, in the order of the
// arguments.
Outcome PrintResultsJson(const EvalFlags& flags, const std::vector<Perplexity>& results) {
  nlohmann::ordered_json object;
  if (results.size() == 1) return PrintJsonLine(ToJson(flags.models[0], results[0]));
  for (size_t i = 0; i < results.size(); ++i) {
    object["results"].push_back(ToJson(flags.models[i], results[i]));
  }
  return PrintJsonLine(object);
}

Outcome PrintResultsTable(const EvalFlags& flags, const std::vector<Perplexity>& results) {
  std::vector<std::vector<std::string>> rows = {
      {"model", "perplexity", "tokens", "window", "stride", "BOS"}};
  for (size_t i = 0; i < results.size(); ++i) {
    const Perplexity& result = results[i];
    rows.push_back({flags.models[i], FormatNumber(result.perplexity, 4),
                    std::to_string(result.tokens), std::to_string(result.window),
                    std::to_string(result.stride), result.bos ? "yes" : "no"});
  }
  return Print(FormatTable(rows, {false, true, true, true, true, true}));
}

}  // namespace

Outcome EvalCommand(const std::vector<std::string>& arguments) {
  EvalFlags flags;
  bool helped = false;
  LLMRT_CLI_TRY(ParseEvalFlags(arguments, &flags, &helped));
  if (helped) return Done();
  std::string text;
  LLMRT_CLI_TRY(ReadTextFile(*flags.file, &text));
  std::vector<Perplexity> results;
  for (const std::string& path : flags.models) {
    Perplexity result;
    LLMRT_CLI_TRY(EvaluateModel(flags, path, text, &result));
    results.push_back(result);
  }
  return flags.json ? PrintResultsJson(flags, results) : PrintResultsTable(flags, results);
}

}  // namespace llmrt::cli
