// One JSON object on stdout, the result of a command with --json.
#pragma once

#include <nlohmann/json.hpp>

#include "terminal.h"

namespace llmrt::cli {

inline Outcome PrintJsonLine(const nlohmann::ordered_json& object) {
  // Metadata of a hostile file may hold bytes that are no UTF-8; they are shown as U+FFFD.
  constexpr int kOneLine = -1;
  return Print(object.dump(kOneLine, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace llmrt::cli
