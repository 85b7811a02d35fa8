#include "arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace llmrt::cli {
namespace {

// The whole text as a number; nullopt where anything is left over or the value does not fit.
// from_chars knows no locale, so "0.7" means the same everywhere.
template <typename T>
std::optional<T> ParseNumber(const std::string& text) {
  T value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

std::string Join(const std::vector<std::string>& words, std::string_view separator) {
  std::string joined;
  for (const std::string& word : words) {
    if (!joined.empty()) joined += separator;
    joined += word;
  }
  return joined;
}

}  // namespace

void Arguments::Switch(std::string_view name, std::string_view help, bool* value) {
  Flag flag = {.name = std::string(name), .help = std::string(help)};
  flag.set = [value](const std::string&) {
    *value = true;
    return Done();
  };
  flags_.push_back(std::move(flag));
}

void Arguments::AddValueFlag(std::string_view name, std::string_view help, Setter set) {
  flags_.push_back({.name = std::string(name),
                    .help = std::string(help),
                    .takes_value = true,
                    .set = std::move(set)});
}

void Arguments::Text(std::string_view name, std::string_view help,
                     std::optional<std::string>* value) {
  AddValueFlag(name, help, [value](const std::string& text) {
    *value = text;
    return Done();
  });
}

void Arguments::TextList(std::string_view name, std::string_view help,
                         std::vector<std::string>* values) {
  AddValueFlag(name, help, [values](const std::string& text) {
    values->push_back(text);
    return Done();
  });
  flags_.back().repeats = true;
}

void Arguments::Integer(std::string_view name, std::string_view help,
                        std::optional<int64_t>* value) {
  AddValueFlag(name, help, [value, flag = std::string(name)](const std::string& text) {
    *value = ParseNumber<int64_t>(text);
    return *value ? Done() : WrongUsage(flag + " wants a whole number, not '" + text + "'");
  });
}

void Arguments::Number(std::string_view name, std::string_view help, std::optional<double>* value) {
  AddValueFlag(name, help, [value, flag = std::string(name)](const std::string& text) {
    *value = ParseNumber<double>(text);
    const bool good = *value && std::isfinite(**value);
    return good ? Done() : WrongUsage(flag + " wants a number, not '" + text + "'");
  });
}

void Arguments::Choice(std::string_view name, std::string_view help, std::vector<std::string> words,
                       std::optional<std::string>* value) {
  AddValueFlag(
      name, std::string(help) + ": " + Join(words, ", "),
      [value, words, flag = std::string(name)](const std::string& text) {
        if (std::find(words.begin(), words.end(), text) == words.end()) {
          return WrongUsage(flag + " is one of " + Join(words, ", ") + ", not '" + text + "'");
        }
        *value = text;
        return Done();
      });
}

void Arguments::Positional(std::string_view name, std::string* value) {
  places_.push_back({.name = std::string(name), .value = value});
}

void Arguments::PositionalList(std::string_view name, std::vector<std::string>* values) {
  places_.push_back({.name = std::string(name), .list = values});
}

Outcome Arguments::ParseFlag(const std::vector<std::string>& arguments, size_t* index) {
  std::string name = arguments[*index];
  std::optional<std::string> value;
  const size_t equals = name.find('=');
  if (name.starts_with("--") && equals != std::string::npos) {
    value = name.substr(equals + 1);
    name.resize(equals);
  }
  const auto flag = std::find_if(flags_.begin(), flags_.end(),
                                 [&](const Flag& known) { return known.name == name; });
  if (flag == flags_.end()) return WrongUsage("unknown flag " + name);
  if (flag->seen && !flag->repeats) return WrongUsage(name + " is given twice");
  flag->seen = true;
  if (!flag->takes_value) {
    return value ? WrongUsage(name + " takes no value") : flag->set(std::string());
  }
  if (!value) {
    if (*index + 1 >= arguments.size()) return WrongUsage(name + " wants a value");
    value = arguments[++*index];
  }
  return flag->set(*value);
}

Outcome Arguments::PlacePositionals(const std::vector<std::string>& given) {
  size_t next = 0;
  for (const Place& place : places_) {
    if (next == given.size()) return WrongUsage(place.name + " is missing");
    if (place.value != nullptr) {
      *place.value = given[next++];
      continue;
    }
    place.list->assign(given.begin() + static_cast<std::ptrdiff_t>(next), given.end());
    next = given.size();
  }
  return next == given.size() ? Done()
                              : WrongUsage("'" + given[next] + "' is one argument too many");
}

Outcome Arguments::Parse(const std::vector<std::string>& arguments, bool* help_wanted) {
  std::vector<std::string> given;
  bool flags_ended = false;
  *help_wanted = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (flags_ended || argument.size() < 2 || argument[0] != '-') {
      given.push_back(argument);
    } else if (argument == "--") {
      flags_ended = true;
    } else if (argument == "-h" || argument == "--help") {
      *help_wanted = true;
      return Done();
    } else {
      LLMRT_CLI_TRY(ParseFlag(arguments, &i));
    }
  }
  return PlacePositionals(given);
}

std::string Arguments::Help() const {
  std::string text = "usage: llmrt " + usage_ + "\n";
  size_t width = 0;
  for (const Flag& flag : flags_) width = std::max(width, flag.name.size());
  for (const Flag& flag : flags_) {
    text += "  " + flag.name + std::string(width - flag.name.size() + 2, ' ') + flag.help + "\n";
  }
  return text;
}

}  // namespace llmrt::cli
