// The commands, a file each. Every one reads its own arguments (those after its name), does its
// work and says how it ended; main.cc prints the message.
#pragma once

#include <string>
#include <vector>

#include "arguments.h"
#include "outcome.h"

namespace llmrt::cli {

Outcome RunCommand(const std::vector<std::string>& arguments);
Outcome ChatCommand(const std::vector<std::string>& arguments);
Outcome TokenizeCommand(const std::vector<std::string>& arguments);
Outcome InspectCommand(const std::vector<std::string>& arguments);
Outcome PlanCommand(const std::vector<std::string>& arguments);
Outcome EvalCommand(const std::vector<std::string>& arguments);
Outcome BenchCommand(const std::vector<std::string>& arguments);
Outcome LoadCommand(const std::vector<std::string>& arguments);
Outcome SynthCommand(const std::vector<std::string>& arguments);

// Parses; where help was asked for, prints it and sets `helped`: the command then ends.
Outcome ParseOrHelp(Arguments* parser, const std::vector<std::string>& arguments, bool* helped);

}  // namespace llmrt::cli
