// The arguments of one command: which flags it knows, where their values go, and what its help
// says. Values are bound to variables, which keep their defaults where a flag is not given.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "outcome.h"

namespace llmrt::cli {

class Arguments {
 public:
  // `usage` is the line of the help that shows the command, without "llmrt ".
  explicit Arguments(std::string usage) : usage_(std::move(usage)) {}

  // A flag without a value.
  void Switch(std::string_view name, std::string_view help, bool* value);
  // Flags with a value, `--name VALUE` or `--name=VALUE`; one given twice is wrong usage, except a
  // list's. What looks like a flag is taken as the value all the same: `-p --help` is a prompt.
  void Text(std::string_view name, std::string_view help, std::optional<std::string>* value);
  void TextList(std::string_view name, std::string_view help, std::vector<std::string>* values);
  void Integer(std::string_view name, std::string_view help, std::optional<int64_t>* value);
  void Number(std::string_view name, std::string_view help, std::optional<double>* value);
  // One of `words`, which the help lists.
  void Choice(std::string_view name, std::string_view help, std::vector<std::string> words,
              std::optional<std::string>* value);

  // What stands without a flag, in order. The list takes all that is left, at least one.
  void Positional(std::string_view name, std::string* value);
  void PositionalList(std::string_view name, std::vector<std::string>* values);

  // Reads the arguments after the command's name. `help_wanted` tells that -h or --help was among
  // them; the rest then does not matter.
  Outcome Parse(const std::vector<std::string>& arguments, bool* help_wanted);

  std::string Help() const;

 private:
  using Setter = std::function<Outcome(const std::string&)>;

  struct Flag {
    std::string name;  // with its dashes
    std::string help;
    bool takes_value = false;
    bool repeats = false;
    Setter set;
    bool seen = false;
  };
  struct Place {
    std::string name;
    std::string* value = nullptr;
    std::vector<std::string>* list = nullptr;
  };

  void AddValueFlag(std::string_view name, std::string_view help, Setter set);
  Outcome ParseFlag(const std::vector<std::string>& arguments, size_t* index);
  Outcome PlacePositionals(const std::vector<std::string>& given);

  std::string usage_;
  std::vector<Flag> flags_;
  std::vector<Place> places_;
};

}  // namespace llmrt::cli
