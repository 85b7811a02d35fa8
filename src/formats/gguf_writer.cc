#include "formats/gguf_writer.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "formats/gguf_cursor.h"
#include "formats/quote_for_message.h"
#include "formats/status_macros.h"

namespace llmrt::formats {
namespace {

// Numbers as they lie in memory: the machines that this runs on are little endian (gguf_cursor.h).
template <typename T>
void Put(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void PutString(std::string* out, std::string_view text) {
  Put<uint64_t>(out, text.size());
  out->append(text);
}

absl::Span<const uint8_t> AsBytes(std::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

// Counts on the way to another sink.
class CountingSink : public ByteSink {
 public:
  explicit CountingSink(ByteSink* sink) : sink_(sink) {}
  absl::Status Append(absl::Span<const uint8_t> bytes) override {
    count_ += static_cast<int64_t>(bytes.size());
    return sink_->Append(bytes);
  }
  int64_t count() const { return count_; }

 private:
  ByteSink* const sink_;
  int64_t count_ = 0;
};

bool FitsInt32(int64_t value) {
  return value >= std::numeric_limits<int32_t>::min() &&
         value <= std::numeric_limits<int32_t>::max();
}

// A NaN compares unequal to itself and stays a float32.
bool NeedsFloat64(double value) {
  return value == value && static_cast<double>(static_cast<float>(value)) != value;
}

}  // namespace

GgufWriter::GgufWriter(int64_t alignment) : alignment_(alignment) {
  if (alignment != kGgufDefaultAlignment) {
    AddUint32("general.alignment", static_cast<uint32_t>(alignment));
  }
}

void GgufWriter::BeginKey(std::string_view key, GgufValueType type) {
  ++num_keys_;
  PutString(&metadata_, key);
  Put(&metadata_, static_cast<uint32_t>(type));
}

void GgufWriter::BeginArray(std::string_view key, GgufValueType type, size_t count) {
  BeginKey(key, GgufValueType::kArray);
  Put(&metadata_, static_cast<uint32_t>(type));
  Put<uint64_t>(&metadata_, count);
}

void GgufWriter::AddBool(std::string_view key, bool value) {
  BeginKey(key, GgufValueType::kBool);
  Put<uint8_t>(&metadata_, value ? 1 : 0);
}

void GgufWriter::AddUint16(std::string_view key, uint16_t value) {
  BeginKey(key, GgufValueType::kUint16);
  Put(&metadata_, value);
}

void GgufWriter::AddUint32(std::string_view key, uint32_t value) {
  BeginKey(key, GgufValueType::kUint32);
  Put(&metadata_, value);
}

void GgufWriter::AddInt32(std::string_view key, int32_t value) {
  BeginKey(key, GgufValueType::kInt32);
  Put(&metadata_, value);
}

void GgufWriter::AddUint64(std::string_view key, uint64_t value) {
  BeginKey(key, GgufValueType::kUint64);
  Put(&metadata_, value);
}

void GgufWriter::AddInt64(std::string_view key, int64_t value) {
  BeginKey(key, GgufValueType::kInt64);
  Put(&metadata_, value);
}

void GgufWriter::AddFloat32(std::string_view key, float value) {
  BeginKey(key, GgufValueType::kFloat32);
  Put(&metadata_, value);
}

void GgufWriter::AddFloat64(std::string_view key, double value) {
  BeginKey(key, GgufValueType::kFloat64);
  Put(&metadata_, value);
}

void GgufWriter::AddString(std::string_view key, std::string_view value) {
  BeginKey(key, GgufValueType::kString);
  PutString(&metadata_, value);
}

void GgufWriter::AddStrings(std::string_view key, absl::Span<const std::string> values) {
  BeginArray(key, GgufValueType::kString, values.size());
  for (const std::string& value : values) PutString(&metadata_, value);
}

void GgufWriter::AddInt32s(std::string_view key, absl::Span<const int32_t> values) {
  BeginArray(key, GgufValueType::kInt32, values.size());
  for (int32_t value : values) Put(&metadata_, value);
}

void GgufWriter::AddFloat32s(std::string_view key, absl::Span<const float> values) {
  BeginArray(key, GgufValueType::kFloat32, values.size());
  for (float value : values) Put(&metadata_, value);
}

void GgufWriter::AddRaw(std::string_view key, GgufValueType type, std::string_view value_bytes) {
  BeginKey(key, type);
  metadata_.append(value_bytes);
}

void GgufWriter::AddEntry(const std::string& key, const MetadataValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    AddBool(key, *flag);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    AddString(key, *text);
  } else if (const auto* number = std::get_if<int64_t>(&value)) {
    FitsInt32(*number) ? AddInt32(key, static_cast<int32_t>(*number)) : AddInt64(key, *number);
  } else if (const auto* count = std::get_if<uint64_t>(&value)) {
    *count <= std::numeric_limits<uint32_t>::max() ? AddUint32(key, static_cast<uint32_t>(*count))
                                                   : AddUint64(key, *count);
  } else if (const auto* real = std::get_if<double>(&value)) {
    NeedsFloat64(*real) ? AddFloat64(key, *real) : AddFloat32(key, static_cast<float>(*real));
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    AddStrings(key, *texts);
  } else if (const auto* numbers = std::get_if<std::vector<int64_t>>(&value)) {
    if (std::all_of(numbers->begin(), numbers->end(), FitsInt32)) {
      AddInt32s(key, std::vector<int32_t>(numbers->begin(), numbers->end()));
    } else {
      BeginArray(key, GgufValueType::kInt64, numbers->size());
      for (int64_t element : *numbers) Put(&metadata_, element);
    }
  } else if (const auto* reals = std::get_if<std::vector<double>>(&value)) {
    if (std::any_of(reals->begin(), reals->end(), NeedsFloat64)) {
      BeginArray(key, GgufValueType::kFloat64, reals->size());
      for (double element : *reals) Put(&metadata_, element);
    } else {
      AddFloat32s(key, std::vector<float>(reals->begin(), reals->end()));
    }
  }
}

bool GgufWriter::AddTokenizerArray(const std::string& key, const TokenizerData& tokenizer) {
  if (key == "tokenizer.ggml.tokens") {
    AddStrings(key, tokenizer.tokens);
  } else if (key == "tokenizer.ggml.merges") {
    AddStrings(key, tokenizer.merges);
  } else if (key == "tokenizer.ggml.scores") {
    AddFloat32s(key, tokenizer.scores);
  } else if (key == "tokenizer.ggml.token_type") {
    BeginArray(key, GgufValueType::kInt32, tokenizer.kinds.size());
    for (TokenKind kind : tokenizer.kinds) Put(&metadata_, static_cast<int32_t>(kind));
  } else {
    return false;
  }
  return true;
}

absl::Status GgufWriter::AddMetadataOf(const ModelFile& file,
                                       absl::Span<const std::string_view> except) {
  for (const MetadataEntry& entry : file.metadata()) {
    if (entry.key == "general.alignment") continue;  // the writer's own
    if (std::find(except.begin(), except.end(), entry.key) != except.end()) continue;
    const auto* omitted = std::get_if<OmittedArray>(&entry.value);
    if (omitted == nullptr) {
      AddEntry(entry.key, entry.value);
    } else if (!AddTokenizerArray(entry.key, file.tokenizer())) {
      return absl::UnimplementedError(
          absl::StrCat("key ", QuoteForMessage(entry.key), " is an array of ", omitted->length,
                       " values, which are not kept; leave the key out"));
    }
  }
  return absl::OkStatus();
}

absl::Status GgufWriter::AddTensor(std::string_view name, backend::WeightType type,
                                   absl::Span<const int64_t> dims, TensorBytes bytes) {
  const std::string what = absl::StrCat("tensor ", QuoteForMessage(name));
  if (dims.empty() || dims.size() > 4) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " has ", dims.size(), " dimensions; give 1 to 4"));
  }
  int64_t size = backend::RowBytes(type, dims[0]).value_or(0);
  bool valid = size > 0 && dims[0] < (int64_t{1} << 48);
  for (int64_t dim : dims.subspan(1)) {
    valid = valid && dim > 0 && !__builtin_mul_overflow(size, dim, &size);
  }
  if (!valid) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " cannot be ", backend::GeometryOf(type).name, " with rows of ", dims[0],
                     " values; rows are whole blocks of ", backend::GeometryOf(type).values,
                     ", no dimension is 0"));
  }
  tensors_.push_back({std::string(name), type, {dims.begin(), dims.end()}, size, std::move(bytes)});
  return absl::OkStatus();
}

absl::Status GgufWriter::AddTensor(std::string_view name, backend::WeightType type,
                                   absl::Span<const int64_t> dims, std::vector<uint8_t> bytes) {
  return AddTensor(name, type, dims,
                   [held = std::move(bytes)](ByteSink& sink) { return sink.Append(held); });
}

int64_t GgufWriter::Padding(int64_t bytes) const {
  return (alignment_ - bytes % alignment_) % alignment_;
}

std::string GgufWriter::Header() const {
  std::string header;
  Put(&header, kGgufMagic);
  Put<uint32_t>(&header, 3);
  Put<uint64_t>(&header, tensors_.size());
  Put(&header, num_keys_);
  header += metadata_;
  int64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    PutString(&header, tensor.name);
    Put(&header, static_cast<uint32_t>(tensor.dims.size()));
    for (int64_t dim : tensor.dims) Put(&header, static_cast<uint64_t>(dim));
    Put(&header, GgufTypeOf(tensor.type));
    Put(&header, static_cast<uint64_t>(offset));
    offset += tensor.bytes + Padding(tensor.bytes);
  }
  header.append(static_cast<size_t>(Padding(static_cast<int64_t>(header.size()))), '\0');
  return header;
}

absl::Status GgufWriter::Write(ByteSink& sink) const {
  if (alignment_ < 8 || alignment_ % 8 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the alignment is ", alignment_, "; give a multiple of 8"));
  }
  FORMATS_RETURN_IF_ERROR(sink.Append(AsBytes(Header())));
  for (const Tensor& tensor : tensors_) {
    CountingSink counted(&sink);
    FORMATS_RETURN_IF_ERROR(tensor.write(counted));
    if (counted.count() != tensor.bytes) {
      return absl::InternalError(absl::StrCat("tensor ", QuoteForMessage(tensor.name), " has ",
                                              tensor.bytes, " bytes and ", counted.count(),
                                              " were written"));
    }
    const std::string padding(static_cast<size_t>(Padding(tensor.bytes)), '\0');
    FORMATS_RETURN_IF_ERROR(sink.Append(AsBytes(padding)));
  }
  return absl::OkStatus();
}

}  // namespace llmrt::formats
