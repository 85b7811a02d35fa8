// The program `llmrt`: picks the command and turns its outcome into an exit status. Everything it
// does goes through the C interface that hosts use.

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "library.h"
#include "terminal.h"

namespace llmrt::cli {
namespace {

struct Command {
  std::string_view name;
  Outcome (*run)(const std::vector<std::string>& arguments);
  std::string_view summary;
};

constexpr Command kCommands[] = {
    {"run", RunCommand, "continue a text"},
    {"chat", ChatCommand, "talk with the model, line by line"},
    {"tokenize", TokenizeCommand, "text to token ids"},
    {"inspect", InspectCommand, "metadata and tensors of a model file"},
    {"plan", PlanCommand, "what a model will take, before it is loaded"},
    {"eval", EvalCommand, "perplexity of a text"},
    {"bench", BenchCommand, "how fast a model runs here"},
    {"load", LoadCommand, "many requests at once: latency and throughput"},
    {"synth", SynthCommand, "write random weights in the shape of a known model"},
};

// Names that are kept for what is coming: using one is no mistake of the user's.
constexpr std::string_view kPlannedCommands[] = {"quantize", "convert"};

std::string Usage() {
  std::string text = "usage: llmrt COMMAND ...\n";
  for (const Command& command : kCommands) {
    text += "  " + std::string(command.name) + std::string(10 - command.name.size(), ' ') +
            std::string(command.summary) + "\n";
  }
  return text + "llmrt COMMAND --help lists a command's flags; llmrt --version the version.\n";
}

Outcome PrintVersion() {
  std::string version;
  LLMRT_CLI_TRY(GetText(llmrt_version, &version));
  return Print("llmrt " + version + "\n");
}

Outcome Dispatch(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return WrongUsage("which command? llmrt --help lists them");
  const std::string& name = arguments[0];
  if (name == "--help" || name == "-h") return Print(Usage());
  if (name == "--version") return PrintVersion();
  for (const Command& command : kCommands) {
    if (command.name == name) return command.run({arguments.begin() + 1, arguments.end()});
  }
  for (const std::string_view planned : kPlannedCommands) {
    if (planned == name) return Failed(name + " is not built yet");
  }
  return WrongUsage("unknown command '" + name + "'; llmrt --help lists them");
}

}  // namespace

Outcome ParseOrHelp(Arguments* parser, const std::vector<std::string>& arguments, bool* helped) {
  LLMRT_CLI_TRY(parser->Parse(arguments, helped));
  return *helped ? Print(parser->Help()) : Done();
}

}  // namespace llmrt::cli

int main(int argc, char** argv) {
  llmrt::cli::Outcome outcome;
  try {
    outcome = llmrt::cli::Dispatch({argv + (argc > 0 ? 1 : 0), argv + argc});
  } catch (const std::exception& error) {
    // The standard library's own: memory that ran out.
    outcome = llmrt::cli::Failed(error.what());
  }
  if (!outcome.ok()) std::fprintf(stderr, "llmrt: %s\n", outcome.message.c_str());
  return outcome.exit_status;
}
