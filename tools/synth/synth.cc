#include "synth/synth.h"

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "formats/byte_sink.h"
#include "synth/file_types.h"
#include "synth/shapes.h"
#include "synth/synthetic_model.h"

namespace llmrt::synth {
namespace {

// Adds up what passes to the file.
class SizedSink : public formats::ByteSink {
 public:
  explicit SizedSink(formats::ByteSink* sink) : sink_(sink) {}
  absl::Status Append(absl::Span<const uint8_t> bytes) override {
    size_ += static_cast<int64_t>(bytes.size());
    return sink_->Append(bytes);
  }
  int64_t size() const { return size_; }

 private:
  formats::ByteSink* const sink_;
  int64_t size_ = 0;
};

absl::Status Write(const SynthRequest& request, SynthResult* result) {
  const ModelShape* const shape = FindShape(request.shape);
  const FileType* const file_type = FindFileType(request.file_type);
  if (shape == nullptr || file_type == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("no shape '", request.shape, "' or no type '", request.file_type, "'"));
  }
  absl::StatusOr<std::unique_ptr<formats::FileSink>> file = formats::FileSink::Create(request.path);
  if (!file.ok()) return file.status();
  SizedSink sink(file->get());
  const Progress progress = [&](double fraction) {
    if (!request.go_on || request.go_on(fraction)) return absl::OkStatus();
    result->stopped = true;
    return absl::CancelledError("interrupted; nothing is left of the file");
  };
  absl::Status status = WriteSyntheticModel(*shape, *file_type, request.seed, progress, sink);
  if (status.ok()) status = (*file)->Finish();
  result->file_bytes = sink.size();
  return status;
}

}  // namespace

std::vector<std::string> ShapeNames() {
  std::vector<std::string> names;
  for (const ModelShape& shape : Shapes()) names.emplace_back(shape.name);
  return names;
}

std::vector<std::string> FileTypeNames() {
  std::vector<std::string> names;
  for (const FileType& file_type : FileTypes()) names.emplace_back(file_type.name);
  return names;
}

SynthResult WriteModel(const SynthRequest& request) {
  SynthResult result;
  const absl::Status status = Write(request, &result);
  result.error = std::string(status.message());
  return result;
}

}  // namespace llmrt::synth
