// A GGUF model from one file or several: the fixed header, the parts' order, the model's name.
#include "formats/gguf.h"

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "formats/gguf_cursor.h"
#include "formats/gguf_metadata.h"
#include "formats/gguf_tensors.h"
#include "formats/gguf_tokenizer.h"
#include "formats/gguf_types.h"
#include "formats/model_file_builder.h"
#include "formats/quote_for_message.h"
#include "formats/sha256.h"
#include "formats/status_macros.h"

namespace llmrt::formats {
namespace {

constexpr int64_t kPartsMax = 99999;  // five digits in the files' names

struct FixedHeader {
  uint32_t version = 0;
  uint64_t num_tensors = 0;
  uint64_t num_keys = 0;
};

absl::Status ReadMagic(GgufCursor& cursor) {
  const ByteSource& source = cursor.source();
  constexpr std::string_view kRemedy = "give the path of a GGUF model";
  uint32_t magic = 0;
  if (source.size() < static_cast<int64_t>(sizeof(magic))) {
    return absl::InvalidArgumentError(absl::StrCat(source.name(), " has ", source.size(),
                                                   " bytes and is no model file; ", kRemedy));
  }
  FORMATS_RETURN_IF_ERROR(cursor.Read(&magic, "the magic"));
  if (magic == kGgufMagicSwapped) return cursor.Unsupported("big-endian GGUF is not supported");
  if (magic != kGgufMagic) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s starts with bytes %02x %02x %02x %02x, not with \"GGUF\"; %s", source.name(),
        magic & 255, magic >> 8 & 255, magic >> 16 & 255, magic >> 24, kRemedy));
  }
  return absl::OkStatus();
}

absl::Status ReadFixedHeader(GgufCursor& cursor, FixedHeader* header) {
  FORMATS_RETURN_IF_ERROR(ReadMagic(cursor));
  FORMATS_RETURN_IF_ERROR(cursor.Read(&header->version, "the version"));
  // Versions are small numbers: a byte-swapped one has its low half empty.
  if (header->version != 0 && (header->version & 0xffff) == 0) {
    return cursor.Unsupported(
        "big-endian GGUF is not supported; convert the model on a little-endian machine");
  }
  if (header->version != 2 && header->version != 3) {
    return cursor.Unsupported(
        absl::StrCat("GGUF version ", header->version,
                     " is not supported, 2 and 3 are; convert the model again"));
  }
  FORMATS_RETURN_IF_ERROR(cursor.Read(&header->num_tensors, "the number of tensors"));
  FORMATS_RETURN_IF_ERROR(cursor.CheckCount(header->num_tensors, 1, "the number of tensors"));
  return cursor.Read(&header->num_keys, "the number of metadata keys");
}

absl::StatusOr<int64_t> ReadAlignment(const GgufCursor& cursor, const ModelFile& file) {
  const absl::StatusOr<int64_t> alignment = file.GetInt("general.alignment", kGgufDefaultAlignment);
  if (!alignment.ok()) return alignment.status();
  if (*alignment < 8 || *alignment % 8 != 0 || *alignment > (int64_t{1} << 31)) {
    return cursor.Corrupt(absl::StrCat("key \"general.alignment\" is ", *alignment,
                                       "; it is a multiple of 8 up to 2^31"));
  }
  return *alignment;
}

// One file, whole or part of a model, into a description of its own.
absl::Status ReadPart(std::shared_ptr<ByteSource> source, Sha256* hash, ModelFileBuilder* builder) {
  GgufCursor cursor(source.get(), hash);
  FixedHeader header;
  FORMATS_RETURN_IF_ERROR(ReadFixedHeader(cursor, &header));
  FORMATS_RETURN_IF_ERROR(ReadGgufMetadata(cursor, header.num_keys, *builder));
  const absl::StatusOr<int64_t> alignment = ReadAlignment(cursor, builder->file());
  if (!alignment.ok()) return alignment.status();
  std::vector<TensorInfo> tensors;
  FORMATS_RETURN_IF_ERROR(ReadGgufTensors(cursor, header.num_tensors, &tensors));
  FORMATS_RETURN_IF_ERROR(PlaceGgufTensors(cursor, *alignment, &tensors));
  cursor.FinishHash();
  const int32_t part = builder->AddPart(std::move(source));
  for (TensorInfo& tensor : tensors) {
    tensor.part = part;
    builder->AddTensor(std::move(tensor));
  }
  builder->SetFormat(absl::StrCat("GGUF v", header.version));
  return absl::OkStatus();
}

struct Split {
  int64_t no = 0;     // of this part, from 0
  int64_t count = 1;  // of parts; 1 when the model is not split
};

absl::StatusOr<Split> ReadSplit(const ModelFile& file, std::string_view name) {
  const absl::StatusOr<int64_t> count = file.GetInt("split.count", 1);
  if (!count.ok()) return count.status();
  const absl::StatusOr<int64_t> no = file.GetInt("split.no", 0);
  if (!no.ok()) return no.status();
  if (*count <= 1) return Split{};  // writers put 0 or 1 for a model in one file
  if (*count > kPartsMax || *no < 0 || *no >= *count) {
    return absl::DataLossError(absl::StrCat(name, ": part number ", *no, " of ", *count,
                                            " (split.no, split.count); at most ", kPartsMax,
                                            " parts, numbered from 0; split the model again"));
  }
  return Split{*no, *count};
}

std::string PartSuffix(int64_t no, int64_t count) {
  return absl::StrFormat("-%05d-of-%05d.gguf", no + 1, count);
}

// Adds what part `no` describes to the model.
class SplitReader {
 public:
  SplitReader(std::string_view first_name, int64_t count, PartResolver* resolver,
              ModelFileBuilder* model)
      : first_name_(first_name), count_(count), resolver_(resolver), model_(model) {}

  absl::Status ReadRest(Sha256* hash) {
    const std::string first_suffix = PartSuffix(0, count_);
    const bool is_named = absl::EndsWith(first_name_, first_suffix);
    if (resolver_ != nullptr && !is_named) {
      return absl::InvalidArgumentError(absl::StrCat(
          first_name_, " is part 1 of ", count_, " and its name does not end in ", first_suffix,
          ", so the others cannot be found; give the files their original names"));
    }
    const std::string_view stem =
        is_named ? first_name_.substr(0, first_name_.size() - first_suffix.size()) : first_name_;
    for (int64_t no = 1; no < count_; ++no) {
      FORMATS_RETURN_IF_ERROR(Append(absl::StrCat(stem, PartSuffix(no, count_)), no, hash));
    }
    return CheckTensorCount();
  }

 private:
  absl::Status Append(const std::string& name, int64_t no, Sha256* hash) {
    if (resolver_ == nullptr) {
      return absl::NotFoundError(
          absl::StrCat("part ", name, " of ", first_name_,
                       " is missing; open the model by path, or name its parts"));
    }
    absl::StatusOr<std::shared_ptr<ByteSource>> source = resolver_->OpenPart(name);
    if (!source.ok()) {
      return absl::Status(source.status().code(),
                          absl::StrCat("part ", name, " of ", first_name_, ": ",
                                       source.status().message(), "; put all parts in one folder"));
    }
    ModelFileBuilder part;
    FORMATS_RETURN_IF_ERROR(ReadPart(*source, hash, &part));
    const absl::StatusOr<Split> split = ReadSplit(part.file(), name);
    if (!split.ok()) return split.status();
    if (split->no != no || split->count != count_) {
      return absl::DataLossError(absl::StrCat(name, " says it is part ", split->no + 1, " of ",
                                              split->count, ", not ", no + 1, " of ", count_,
                                              "; download the parts of one model"));
    }
    return Merge(name, part.file(), *std::move(source));
  }

  absl::Status Merge(const std::string& name, const ModelFile& part,
                     std::shared_ptr<ByteSource> source) {
    const int32_t index = model_->AddPart(std::move(source));
    for (TensorInfo tensor : part.tensors()) {
      tensor.part = index;
      const std::string tensor_name = tensor.name;
      if (!model_->AddTensor(std::move(tensor))) {
        return absl::DataLossError(
            absl::StrCat(name, ": tensor ", QuoteForMessage(tensor_name),
                         " is in another part already; split the model again"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckTensorCount() const {
    const auto found = static_cast<int64_t>(model_->file().tensors().size());
    const absl::StatusOr<int64_t> expected = model_->file().GetInt("split.tensors.count", found);
    if (!expected.ok()) return expected.status();
    if (*expected != found) {
      return absl::DataLossError(absl::StrCat(first_name_, ": split.tensors.count is ", *expected,
                                              "; the ", count_, " parts hold ", found,
                                              " tensors; download the parts of one model"));
    }
    return absl::OkStatus();
  }

  const std::string_view first_name_;
  const int64_t count_;
  PartResolver* const resolver_;
  ModelFileBuilder* const model_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ModelFile>> OpenGguf(std::shared_ptr<ByteSource> source,
                                                    PartResolver* resolver) {
  const std::string name(source->name());
  Sha256 hash;
  ModelFileBuilder model;
  FORMATS_RETURN_IF_ERROR(ReadPart(std::move(source), &hash, &model));
  const absl::StatusOr<Split> split = ReadSplit(model.file(), name);
  if (!split.ok()) return split.status();
  if (split->no != 0) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is part ", split->no + 1, " of ",
                                                   split->count, "; open the first part (",
                                                   PartSuffix(0, split->count), ")"));
  }
  if (split->count > 1) {
    FORMATS_RETURN_IF_ERROR(SplitReader(name, split->count, resolver, &model).ReadRest(&hash));
  }
  FORMATS_RETURN_IF_ERROR(FillGgufTokenizer(model.file(), name, &model.tokenizer()));
  model.SetHeaderHash(hash.FinishHex());
  return model.Finish();
}

}  // namespace llmrt::formats
