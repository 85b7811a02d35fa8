// llmrt inspect: what a model file says about itself, without loading its weights.

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "json_output.h"
#include "library.h"
#include "terminal.h"

namespace llmrt::cli {
namespace {

struct NamedTensor {
  std::string name;
  llmrt_tensor_info info = {};
};

struct Description {
  llmrt_model_info info = {};
  std::vector<std::pair<std::string, std::string>> metadata;  // in the file's order
  std::vector<NamedTensor> tensors;
};

Outcome ReadMetadata(llmrt_model* model, Description* description) {
  for (int64_t i = 0; i < description->info.num_metadata; ++i) {
    std::string key;
    std::string value;
    bool found = false;
    LLMRT_CLI_TRY(GetText(
        [model, i](char* buffer, int64_t capacity, int64_t* length) {
          return llmrt_model_metadata_key(model, i, buffer, capacity, length);
        },
        &key));
    LLMRT_CLI_TRY(GetMetadata(model, key, &value, &found));
    description->metadata.emplace_back(std::move(key), std::move(value));
  }
  return Done();
}

Outcome ReadTensors(llmrt_model* model, Description* description) {
  for (int64_t i = 0; i < description->info.num_tensors; ++i) {
    NamedTensor tensor = {.info = Sized<llmrt_tensor_info>()};
    LLMRT_CLI_TRY(GetText(
        [model, i](char* buffer, int64_t capacity, int64_t* length) {
          return llmrt_model_tensor_name(model, i, buffer, capacity, length);
        },
        &tensor.name));
    LLMRT_CLI_TRY(Check(llmrt_model_tensor_info(model, i, &tensor.info)));
    description->tensors.push_back(std::move(tensor));
  }
  return Done();
}

Outcome PrintDescriptionJson(const Description& description) {
  const llmrt_model_info& info = description.info;
  nlohmann::ordered_json object;
  object["file_bytes"] = info.file_bytes;
  object["parameters"] = info.num_parameters;
  object["vocab_size"] = info.vocab_size;
  object["context_length"] = info.context_length;
  object["bos_id"] = info.bos_id;
  object["eos_id"] = info.eos_id;
  object["eot_id"] = info.eot_id;
  // Keys of a file are unique. operator[] would look for each among all before it.
  nlohmann::ordered_json::object_t metadata;
  metadata.reserve(description.metadata.size());
  for (const auto& [key, value] : description.metadata) metadata.emplace_back(key, value);
  object["metadata"] = std::move(metadata);
  object["tensors"] = nlohmann::ordered_json::array();
  for (const NamedTensor& tensor : description.tensors) {
    nlohmann::ordered_json entry;
    entry["name"] = tensor.name;
    entry["type"] = tensor.info.type;
    entry["dims"] = std::vector<int64_t>(tensor.info.dims, tensor.info.dims + tensor.info.num_dims);
    entry["bytes"] = tensor.info.bytes;
    entry["numeric_class"] = tensor.info.numeric_class;
    object["tensors"].push_back(std::move(entry));
  }
  return PrintJsonLine(object);
}

// "4096 x 32000", the contiguous dimension first.
std::string FormatDims(const llmrt_tensor_info& info) {
  std::string text;
  for (int32_t i = 0; i < info.num_dims; ++i) {
    if (i > 0) text += " x ";
    text += std::to_string(info.dims[i]);
  }
  return text;
}

// Text of a file that nobody vouches for, fit for a terminal: as it is where it is short and
// harmless, else quoted, so that no escape sequence gets through and no chat template floods the
// table.
std::string Shown(const std::string& text) {
  constexpr size_t kBytesMax = 72;
  const std::string quoted = Quoted(text, kBytesMax);
  return quoted == "\"" + text + "\"" ? text : quoted;
}

Outcome PrintDescriptionTable(const Description& description) {
  const llmrt_model_info& info = description.info;
  std::string text = FormatBytes(info.file_bytes) + ", " + std::to_string(info.num_parameters) +
                     " parameters, vocabulary of " + std::to_string(info.vocab_size) + "\n\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, value] : description.metadata) rows.push_back({Shown(key), Shown(value)});
  text += FormatTable(rows, {false, false});
  if (!description.tensors.empty()) {
    rows = {{"tensor", "type", "dimensions", "bytes", "numeric class"}};
    for (const NamedTensor& tensor : description.tensors) {
      rows.push_back({Shown(tensor.name), tensor.info.type, FormatDims(tensor.info),
                      std::to_string(tensor.info.bytes), tensor.info.numeric_class});
    }
    text += "\n" + FormatTable(rows, {false, false, false, true, false});
  }
  return Print(text);
}

}  // namespace

Outcome InspectCommand(const std::vector<std::string>& arguments) {
  std::string path;
  bool json = false;
  Arguments parser("inspect MODEL [--json]");
  parser.Positional("MODEL", &path);
  parser.Switch("--json", "one JSON object on stdout", &json);
  bool helped = false;
  LLMRT_CLI_TRY(ParseOrHelp(&parser, arguments, &helped));
  if (helped) return Done();

  Model model;
  LLMRT_CLI_TRY(OpenModel(path, &model));
  Description description = {.info = Sized<llmrt_model_info>()};
  LLMRT_CLI_TRY(Check(llmrt_model_get_info(model.get(), &description.info)));
  LLMRT_CLI_TRY(ReadMetadata(model.get(), &description));
  LLMRT_CLI_TRY(ReadTensors(model.get(), &description));
  return json ? PrintDescriptionJson(description) : PrintDescriptionTable(description);
}

}  // namespace llmrt::cli
