// llmrt plan: what an engine will take and how fast decoding can be at best, from the file's header
// alone.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.h"
#include "engine_flags.h"
#include "json_output.h"
#include "library.h"
#include "terminal.h"

namespace llmrt::cli {
namespace {

Outcome PrintPlanJson(const llmrt_plan& plan) {
  nlohmann::ordered_json object;
  object["weights_bytes"] = plan.weights_bytes;
  object["kv_bytes_per_token"] = plan.kv_bytes_per_token;
  object["kv_blocks"] = plan.kv_blocks;
  object["kv_bytes"] = plan.kv_bytes;
  object["workspace_bytes"] = plan.workspace_bytes;
  object["heap_bytes"] = plan.heap_bytes;
  object["overhead_bytes"] = plan.overhead_bytes;
  object["total_bytes"] = plan.total_bytes;
  object["decode_tokens_per_second_ceiling"] = plan.decode_tokens_per_second_ceiling;
  object["read_bandwidth_bytes_per_second"] = plan.read_bandwidth_bytes_per_second;
  object["block_size"] = plan.block_size;
  object["context_length"] = plan.context_length;
  return PrintJsonLine(object);
}

Outcome PrintPlanTable(const llmrt_plan& plan) {
  const std::string blocks = std::to_string(plan.kv_blocks) + " blocks of " +
                             std::to_string(plan.block_size) + " tokens, " +
                             FormatBytes(plan.kv_bytes);
  // Zero in the reference mode, which computes more than it reads, and where it cannot be measured.
  const bool measured = plan.read_bandwidth_bytes_per_second > 0;
  const std::string figures = FormatNumber(plan.decode_tokens_per_second_ceiling, 1) +
                              " tokens/s, reading at " +
                              FormatNumber(plan.read_bandwidth_bytes_per_second / 1e9, 1) + " GB/s";
  const std::string ceiling = measured ? figures : "unknown";
  std::vector<std::vector<std::string>> rows = {
      {"weights", FormatBytes(plan.weights_bytes)},
      {"KV per token", FormatBytes(plan.kv_bytes_per_token)},
      {"KV cache", blocks},
      {"workspace", FormatBytes(plan.workspace_bytes)},
      {"heap", FormatBytes(plan.heap_bytes)},
      {"total", FormatBytes(plan.total_bytes)},
      {"context", std::to_string(plan.context_length) + " tokens"},
      {"decode ceiling", ceiling}};
  if (plan.overhead_bytes > 0) {
    rows.push_back({"driver's own", FormatBytes(plan.overhead_bytes) + ", besides the total"});
  }
  return Print(FormatTable(rows, {false, false}));
}

}  // namespace

Outcome PlanCommand(const std::vector<std::string>& arguments) {
  std::string path;
  std::optional<int64_t> sessions;
  std::optional<int64_t> context;
  bool json = false;
  EngineFlags engine_flags;
  Arguments parser("plan MODEL --sessions N --context C [flags]");
  parser.Positional("MODEL", &path);
  parser.Integer("--sessions", "full contexts that KV memory is planned for (1)", &sessions);
  parser.Integer("--context", "tokens a session may hold; without it: the model's own", &context);
  parser.Switch("--json", "one JSON object on stdout", &json);
  engine_flags.AddTo(&parser);
  bool helped = false;
  LLMRT_CLI_TRY(ParseOrHelp(&parser, arguments, &helped));
  if (helped) return Done();
  Options options;
  LLMRT_CLI_TRY(engine_flags.MakeOptions(&options));
  LLMRT_CLI_TRY(SetInteger(options.get(), LLMRT_ENGINE_SESSIONS, "--sessions", sessions));
  LLMRT_CLI_TRY(SetInteger(options.get(), LLMRT_ENGINE_CONTEXT_LENGTH, "--context", context));

  Model model;
  LLMRT_CLI_TRY(OpenModel(path, &model));
  auto plan = Sized<llmrt_plan>();
  LLMRT_CLI_TRY(Check(llmrt_model_plan(model.get(), options.get(), &plan)));
  return json ? PrintPlanJson(plan) : PrintPlanTable(plan);
}

}  // namespace llmrt::cli
