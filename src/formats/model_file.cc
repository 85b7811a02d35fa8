// Look-ups in a model's description, its values as text, and reading a tensor's bytes.
#include "formats/model_file.h"

#include <charconv>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "formats/gguf.h"
#include "formats/quote_for_message.h"

namespace llmrt::formats {
namespace {

// Shortest text that reads back as the same value; numbers that came from a float32 read as such
// (1e-05, not 9.999999747378752e-06).
std::string NumberText(double value) {
  char text[32];
  const auto narrow = static_cast<float>(value);
  const bool is_narrow = static_cast<double>(narrow) == value;
  const std::to_chars_result end = is_narrow ? std::to_chars(text, text + sizeof(text), narrow)
                                             : std::to_chars(text, text + sizeof(text), value);
  return std::string(text, end.ptr);
}

struct TextVisitor {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(int64_t value) const { return absl::StrCat(value); }
  std::string operator()(uint64_t value) const { return absl::StrCat(value); }
  std::string operator()(double value) const { return NumberText(value); }
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(const std::vector<int64_t>& values) const {
    return absl::StrCat("[", absl::StrJoin(values, ", "), "]");
  }
  std::string operator()(const std::vector<double>& values) const {
    return absl::StrCat(
        "[",
        absl::StrJoin(values, ", ",
                      [](std::string* out, double value) { out->append(NumberText(value)); }),
        "]");
  }
  std::string operator()(const std::vector<std::string>& values) const {
    return absl::StrCat("[",
                        absl::StrJoin(values, ", ",
                                      [](std::string* out, const std::string& value) {
                                        absl::StrAppend(out, "\"", value, "\"");
                                      }),
                        "]");
  }
  std::string operator()(OmittedArray array) const {
    return absl::StrCat("[", array.length, " values]");
  }
};

// Text for a message: cut short, so that it stays one readable line.
std::string Brief(const MetadataValue& value) {
  std::string text = ModelFile::ToText(value);
  if (text.size() > 60) text = absl::StrCat(text.substr(0, 57), "...");
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return text;
}

absl::Status WrongKind(std::string_view key, const MetadataValue& value, std::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat("metadata key \"", key, "\" is ", Brief(value),
                                                 ", not ", wanted, "; convert the model again"));
}

absl::Status UnsupportedType(const ByteSource& part, const TensorInfo& tensor) {
  std::string supported;
  for (int i = 0; i < backend::kWeightTypeCount; ++i) {
    const auto type = static_cast<backend::WeightType>(i);
    absl::StrAppend(&supported,
                    i == 0                              ? ""
                    : i + 1 < backend::kWeightTypeCount ? ", "
                                                        : " or ",
                    backend::GeometryOf(type).name);
  }
  return absl::UnimplementedError(absl::StrCat(
      part.name(), ": tensor ", QuoteForMessage(tensor.name), " has type ", tensor.unsupported_type,
      ", which is not supported; use a file with ", supported));
}

}  // namespace

const MetadataValue* ModelFile::FindMetadata(std::string_view key) const {
  const auto it = metadata_index_.find(key);
  return it == metadata_index_.end() ? nullptr : &metadata_[it->second].value;
}

absl::StatusOr<int64_t> ModelFile::GetInt(std::string_view key, int64_t fallback) const {
  const MetadataValue* value = FindMetadata(key);
  if (value == nullptr) return fallback;
  if (const auto* number = std::get_if<int64_t>(value)) return *number;
  if (const auto* number = std::get_if<uint64_t>(value)) {
    if (*number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return static_cast<int64_t>(*number);
    }
  }
  return WrongKind(key, *value, "an integer below 2^63");
}

absl::StatusOr<double> ModelFile::GetDouble(std::string_view key, double fallback) const {
  const MetadataValue* value = FindMetadata(key);
  if (value == nullptr) return fallback;
  if (const auto* number = std::get_if<double>(value)) return *number;
  // Some converters write a whole number as an integer.
  if (const auto* number = std::get_if<int64_t>(value)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<uint64_t>(value)) return static_cast<double>(*number);
  return WrongKind(key, *value, "a number");
}

absl::StatusOr<bool> ModelFile::GetBool(std::string_view key, bool fallback) const {
  const MetadataValue* value = FindMetadata(key);
  if (value == nullptr) return fallback;
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  return WrongKind(key, *value, "a boolean");
}

absl::StatusOr<std::string> ModelFile::GetString(std::string_view key,
                                                 std::string_view fallback) const {
  const MetadataValue* value = FindMetadata(key);
  if (value == nullptr) return std::string(fallback);
  if (const auto* text = std::get_if<std::string>(value)) return *text;
  return WrongKind(key, *value, "a string");
}

std::string ModelFile::ToText(const MetadataValue& value) {
  return std::visit(TextVisitor(), value);
}

const TensorInfo* ModelFile::FindTensor(std::string_view name) const {
  const auto it = tensor_index_.find(name);
  return it == tensor_index_.end() ? nullptr : &tensors_[it->second];
}

absl::Status ModelFile::CheckTypes() const {
  for (const TensorInfo& tensor : tensors_) {
    if (!tensor.unsupported_type.empty()) return UnsupportedType(*parts_[tensor.part], tensor);
  }
  return absl::OkStatus();
}

std::string_view ModelFile::name() const {
  return parts_.empty() ? std::string_view() : parts_[0]->name();
}

int64_t ModelFile::file_bytes() const {
  int64_t sum = 0;
  for (const std::shared_ptr<ByteSource>& part : parts_) sum += part->size();
  return sum;
}

absl::Status ModelFile::CheckInside(const TensorInfo& tensor, int64_t offset, int64_t bytes) const {
  if (!tensor.unsupported_type.empty()) return UnsupportedType(*parts_[tensor.part], tensor);
  if (tensor.part < 0 || tensor.part >= static_cast<int64_t>(parts_.size()) || offset < 0 ||
      offset > tensor.bytes || bytes > tensor.bytes - offset) {
    return absl::OutOfRangeError(absl::StrCat(bytes, " bytes at offset ", offset,
                                              " lie past tensor \"", tensor.name, "\", which has ",
                                              tensor.bytes, " bytes; read inside it"));
  }
  return absl::OkStatus();
}

absl::Status ModelFile::ReadTensor(const TensorInfo& tensor, int64_t offset,
                                   absl::Span<uint8_t> out) const {
  absl::Status status = CheckInside(tensor, offset, static_cast<int64_t>(out.size()));
  return status.ok() ? parts_[tensor.part]->ReadAt(tensor.offset + offset, out) : status;
}

absl::StatusOr<absl::Span<const uint8_t>> ModelFile::ViewTensor(const TensorInfo& tensor,
                                                                int64_t offset,
                                                                absl::Span<uint8_t> room) const {
  const auto bytes = static_cast<int64_t>(room.size());
  absl::Status status = CheckInside(tensor, offset, bytes);
  if (!status.ok()) return status;
  ByteSource& part = *parts_[tensor.part];
  const int64_t begin = tensor.offset + offset;
  // The size is asked again: a directory that lies must give a status, not a fault.
  if (part.mapped() != nullptr && begin >= 0 && begin <= part.size() &&
      bytes <= part.size() - begin) {
    return absl::MakeConstSpan(part.mapped() + begin, room.size());
  }
  status = part.ReadAt(begin, room);
  if (!status.ok()) return status;
  return room;
}

void ModelFile::ForgetTensor(const TensorInfo& tensor, int64_t offset, int64_t bytes) const {
  if (!CheckInside(tensor, offset, bytes).ok()) return;
  parts_[tensor.part]->Forget(tensor.offset + offset, bytes);
}

bool ModelFile::reads_in_parallel() const {
  for (const std::shared_ptr<ByteSource>& part : parts_) {
    if (!part->reads_in_parallel()) return false;
  }
  return true;
}

absl::StatusOr<std::unique_ptr<ModelFile>> OpenModelFile(std::shared_ptr<ByteSource> source,
                                                         PartResolver* resolver) {
  if (source == nullptr)
    return absl::InvalidArgumentError("no source was given; open a file first");
  // GGUF is the only format read from a single file so far; its reader names what is wrong with the
  // first bytes of others.
  return OpenGguf(std::move(source), resolver);
}

}  // namespace llmrt::formats
