#include "formats/gguf_metadata.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "formats/gguf_types.h"
#include "formats/quote_for_message.h"
#include "formats/status_macros.h"

namespace llmrt::formats {
namespace {

constexpr int64_t kKeyBytesMax = 65535;  // the format's own limit
// A key of one byte with a one-byte value: 8 + 1, 4, 1.
constexpr int64_t kEntryBytesMin = 14;

// Room for this many values is taken at once; beyond it a vector grows as values really come.
constexpr uint64_t kReserveMax = 65536;

struct ArrayHeader {
  std::string_view key;
  std::string what;  // "key \"x\"", for messages
  GgufValueType type = GgufValueType::kUint8;
  uint64_t count = 0;
};

absl::Status ReadValueType(GgufCursor& cursor, std::string_view what, GgufValueType* type) {
  uint32_t number = 0;
  FORMATS_RETURN_IF_ERROR(cursor.Read(&number, what));
  if (number >= kGgufValueTypeCount) {
    return cursor.Corrupt(absl::StrCat(what, " has value type ", number, "; types are 0 to ",
                                       kGgufValueTypeCount - 1));
  }
  *type = static_cast<GgufValueType>(number);
  return absl::OkStatus();
}

absl::Status ReadBool(GgufCursor& cursor, std::string_view what, bool* out) {
  uint8_t byte = 0;
  FORMATS_RETURN_IF_ERROR(cursor.Read(&byte, what));
  if (byte > 1) {
    return cursor.Corrupt(absl::StrCat(what, " has the boolean ", byte, "; booleans are 0 or 1"));
  }
  *out = byte != 0;
  return absl::OkStatus();
}

// Reads a number as the file has it and keeps it in a wider type.
template <typename Stored, typename Kept>
absl::Status ReadNumber(GgufCursor& cursor, std::string_view what, Kept* out) {
  Stored value{};
  FORMATS_RETURN_IF_ERROR(cursor.Read(&value, what));
  *out = static_cast<Kept>(value);
  return absl::OkStatus();
}

template <typename Stored, typename Kept>
absl::Status ReadScalarAs(GgufCursor& cursor, std::string_view what, MetadataValue* out) {
  return ReadNumber<Stored>(cursor, what, &out->emplace<Kept>());
}

absl::Status ReadScalar(GgufCursor& cursor, GgufValueType type, std::string_view what,
                        MetadataValue* out) {
  switch (type) {
    case GgufValueType::kUint8:
      return ReadScalarAs<uint8_t, uint64_t>(cursor, what, out);
    case GgufValueType::kInt8:
      return ReadScalarAs<int8_t, int64_t>(cursor, what, out);
    case GgufValueType::kUint16:
      return ReadScalarAs<uint16_t, uint64_t>(cursor, what, out);
    case GgufValueType::kInt16:
      return ReadScalarAs<int16_t, int64_t>(cursor, what, out);
    case GgufValueType::kUint32:
      return ReadScalarAs<uint32_t, uint64_t>(cursor, what, out);
    case GgufValueType::kInt32:
      return ReadScalarAs<int32_t, int64_t>(cursor, what, out);
    case GgufValueType::kUint64:
      return ReadScalarAs<uint64_t, uint64_t>(cursor, what, out);
    case GgufValueType::kInt64:
      return ReadScalarAs<int64_t, int64_t>(cursor, what, out);
    case GgufValueType::kFloat32:
      return ReadScalarAs<float, double>(cursor, what, out);
    case GgufValueType::kFloat64:
      return ReadScalarAs<double, double>(cursor, what, out);
    case GgufValueType::kBool:
      return ReadBool(cursor, what, &out->emplace<bool>());
    case GgufValueType::kString:
      return cursor.ReadString(kGgufHeaderBytesMax, what, &out->emplace<std::string>());
    case GgufValueType::kArray:
      break;  // read elsewhere
  }
  return absl::InternalError("not a scalar");
}

// One element of an integer or boolean array. 64-bit values above the signed range are refused: no
// known key holds them, and keeping them would need another kind of array.
absl::Status ReadInteger(GgufCursor& cursor, const ArrayHeader& array, int64_t* out) {
  switch (array.type) {
    case GgufValueType::kUint8:
      return ReadNumber<uint8_t>(cursor, array.what, out);
    case GgufValueType::kInt8:
      return ReadNumber<int8_t>(cursor, array.what, out);
    case GgufValueType::kUint16:
      return ReadNumber<uint16_t>(cursor, array.what, out);
    case GgufValueType::kInt16:
      return ReadNumber<int16_t>(cursor, array.what, out);
    case GgufValueType::kUint32:
      return ReadNumber<uint32_t>(cursor, array.what, out);
    case GgufValueType::kInt32:
      return ReadNumber<int32_t>(cursor, array.what, out);
    case GgufValueType::kInt64:
      return ReadNumber<int64_t>(cursor, array.what, out);
    case GgufValueType::kBool: {
      bool flag = false;
      FORMATS_RETURN_IF_ERROR(ReadBool(cursor, array.what, &flag));
      *out = flag ? 1 : 0;
      return absl::OkStatus();
    }
    default:
      break;
  }
  uint64_t value = 0;
  FORMATS_RETURN_IF_ERROR(cursor.Read(&value, array.what));
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return cursor.Corrupt(
        absl::StrCat(array.what, " holds ", value, "; array values end at 2^63 - 1"));
  }
  *out = static_cast<int64_t>(value);
  return absl::OkStatus();
}

absl::Status ReadFloat(GgufCursor& cursor, const ArrayHeader& array, double* out) {
  return array.type == GgufValueType::kFloat32 ? ReadNumber<float>(cursor, array.what, out)
                                               : ReadNumber<double>(cursor, array.what, out);
}

bool IsFloat(GgufValueType type) {
  return type == GgufValueType::kFloat32 || type == GgufValueType::kFloat64;
}

// Fills `out` with `count` elements, each read by `read(&element)`.
template <typename T, typename ReadElement>
absl::Status ReadElements(uint64_t count, std::vector<T>* out, ReadElement read) {
  out->clear();
  out->reserve(static_cast<size_t>(std::min(count, kReserveMax)));
  for (uint64_t i = 0; i < count; ++i) {
    T element{};
    FORMATS_RETURN_IF_ERROR(read(&element));
    out->push_back(std::move(element));
  }
  return absl::OkStatus();
}

absl::Status ReadStrings(GgufCursor& cursor, const ArrayHeader& array,
                         std::vector<std::string>* out) {
  return ReadElements(array.count, out, [&](std::string* text) {
    return cursor.ReadString(kGgufHeaderBytesMax, array.what, text);
  });
}

absl::Status SkipArray(GgufCursor& cursor, const ArrayHeader& array) {
  if (array.type != GgufValueType::kString) {
    // Cannot overflow: the count was held against the bytes that are left.
    return cursor.Skip(static_cast<int64_t>(array.count) * GgufMinimumBytes(array.type),
                       array.what);
  }
  for (uint64_t i = 0; i < array.count; ++i) {
    FORMATS_RETURN_IF_ERROR(cursor.SkipString(array.what));
  }
  return absl::OkStatus();
}

absl::Status WrongElements(GgufCursor& cursor, const ArrayHeader& array, std::string_view wanted) {
  return cursor.Corrupt(absl::StrCat(array.what, " is an array of type ",
                                     static_cast<uint32_t>(array.type), ", not of ", wanted));
}

absl::Status ReadScores(GgufCursor& cursor, const ArrayHeader& array, std::vector<float>* out) {
  if (!IsFloat(array.type)) return WrongElements(cursor, array, "floats");
  return ReadElements(array.count, out, [&](float* score) {
    double value = 0;
    FORMATS_RETURN_IF_ERROR(ReadFloat(cursor, array, &value));
    // Scores are compared: a NaN has no place in any order.
    if (std::isnan(value)) return cursor.Corrupt(absl::StrCat(array.what, " holds a NaN"));
    *score = static_cast<float>(value);
    return absl::OkStatus();
  });
}

absl::Status ReadKinds(GgufCursor& cursor, const ArrayHeader& array, std::vector<TokenKind>* out) {
  if (IsFloat(array.type) || array.type == GgufValueType::kString) {
    return WrongElements(cursor, array, "integers");
  }
  return ReadElements(array.count, out, [&](TokenKind* kind) {
    int64_t value = 0;
    FORMATS_RETURN_IF_ERROR(ReadInteger(cursor, array, &value));
    if (value < 0 || value > static_cast<int64_t>(TokenKind::kByte)) {
      return cursor.Corrupt(absl::StrCat(array.what, " holds ", value, "; token types are 0 to 6"));
    }
    // 0 is "undefined", which converters write for tokens that they know nothing about.
    *kind = value == 0 ? TokenKind::kNormal : static_cast<TokenKind>(value);
    return absl::OkStatus();
  });
}

// The tokenizer's arrays. False in `*taken`: the key is none of them and nothing was read.
absl::Status ReadTokenizerArray(GgufCursor& cursor, const ArrayHeader& array,
                                TokenizerData& tokenizer, bool* taken) {
  *taken = true;
  const bool strings = array.type == GgufValueType::kString;
  if (array.key == "tokenizer.ggml.tokens") {
    return strings ? ReadStrings(cursor, array, &tokenizer.tokens)
                   : WrongElements(cursor, array, "strings");
  }
  if (array.key == "tokenizer.ggml.merges") {
    return strings ? ReadStrings(cursor, array, &tokenizer.merges)
                   : WrongElements(cursor, array, "strings");
  }
  if (array.key == "tokenizer.ggml.scores") return ReadScores(cursor, array, &tokenizer.scores);
  if (array.key == "tokenizer.ggml.token_type") return ReadKinds(cursor, array, &tokenizer.kinds);
  *taken = false;
  return absl::OkStatus();
}

absl::Status ReadKeptArray(GgufCursor& cursor, const ArrayHeader& array, MetadataValue* out) {
  if (array.type == GgufValueType::kString) {
    return ReadStrings(cursor, array, &out->emplace<std::vector<std::string>>());
  }
  if (IsFloat(array.type)) {
    return ReadElements(array.count, &out->emplace<std::vector<double>>(),
                        [&](double* value) { return ReadFloat(cursor, array, value); });
  }
  return ReadElements(array.count, &out->emplace<std::vector<int64_t>>(),
                      [&](int64_t* value) { return ReadInteger(cursor, array, value); });
}

absl::Status ReadArray(GgufCursor& cursor, std::string_view key, TokenizerData& tokenizer,
                       MetadataValue* out) {
  ArrayHeader array{.key = key, .what = absl::StrCat("key ", QuoteForMessage(key))};
  FORMATS_RETURN_IF_ERROR(ReadValueType(cursor, array.what, &array.type));
  if (array.type == GgufValueType::kArray) {
    return cursor.Unsupported(
        absl::StrCat(array.what, " is an array of arrays; convert the model without that key"));
  }
  FORMATS_RETURN_IF_ERROR(cursor.Read(&array.count, array.what));
  FORMATS_RETURN_IF_ERROR(cursor.CheckCount(array.count, GgufMinimumBytes(array.type),
                                            absl::StrCat("array length of ", array.what)));
  FORMATS_RETURN_IF_ERROR(cursor.CheckLimit(array.count, kGgufElementsMax,
                                            absl::StrCat("array length of ", array.what)));
  bool taken = false;
  FORMATS_RETURN_IF_ERROR(ReadTokenizerArray(cursor, array, tokenizer, &taken));
  if (!taken && array.count <= kKeptArrayMax) return ReadKeptArray(cursor, array, out);
  if (!taken) FORMATS_RETURN_IF_ERROR(SkipArray(cursor, array));
  *out = OmittedArray{static_cast<int64_t>(array.count)};
  return absl::OkStatus();
}

absl::Status ReadEntry(GgufCursor& cursor, ModelFileBuilder& builder) {
  std::string key;
  FORMATS_RETURN_IF_ERROR(cursor.ReadString(kKeyBytesMax, "a metadata key", &key));
  if (key.empty()) return cursor.Corrupt("a metadata key has length 0");
  const std::string what = absl::StrCat("key ", QuoteForMessage(key));
  if (builder.file().FindMetadata(key) != nullptr) {
    return cursor.Corrupt(absl::StrCat(what, " appears twice"));
  }
  GgufValueType type = GgufValueType::kUint8;
  FORMATS_RETURN_IF_ERROR(ReadValueType(cursor, what, &type));
  MetadataValue value;
  FORMATS_RETURN_IF_ERROR(type == GgufValueType::kArray
                              ? ReadArray(cursor, key, builder.tokenizer(), &value)
                              : ReadScalar(cursor, type, what, &value));
  builder.AddMetadata(std::move(key), std::move(value));
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadGgufMetadata(GgufCursor& cursor, uint64_t count, ModelFileBuilder& builder) {
  FORMATS_RETURN_IF_ERROR(cursor.CheckCount(count, kEntryBytesMin, "the number of metadata keys"));
  FORMATS_RETURN_IF_ERROR(cursor.CheckLimit(count, kGgufKeysMax, "the number of metadata keys"));
  for (uint64_t i = 0; i < count; ++i) FORMATS_RETURN_IF_ERROR(ReadEntry(cursor, builder));
  return absl::OkStatus();
}

}  // namespace llmrt::formats
