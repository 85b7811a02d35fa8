// Fuzz target: any bytes are a model file or a status, never a crash. Opening reads no tensor
// bytes, so the target also reads the first and last byte of each tensor that the header promises.
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "formats/model_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using llmrt::formats::ModelFile;
  const auto model = llmrt::formats::OpenModelFile(
      llmrt::formats::BorrowMemory(absl::MakeConstSpan(data, size)), nullptr);
  if (!model.ok()) {
    // A refusal is one line.
    if (model.status().message().find('\n') != std::string_view::npos) __builtin_trap();
    return 0;
  }
  for (const auto& entry : (*model)->metadata()) ModelFile::ToText(entry.value);
  for (const auto& tensor : (*model)->tensors()) {
    uint8_t byte = 0;
    if (!tensor.unsupported_type.empty()) {
      if ((*model)->ReadTensor(tensor, 0, absl::MakeSpan(&byte, 1)).ok()) __builtin_trap();
      continue;
    }
    if (!(*model)->ReadTensor(tensor, 0, absl::MakeSpan(&byte, 1)).ok()) __builtin_trap();
    if (!(*model)->ReadTensor(tensor, tensor.bytes - 1, absl::MakeSpan(&byte, 1)).ok()) {
      __builtin_trap();
    }
  }
  return 0;
}
