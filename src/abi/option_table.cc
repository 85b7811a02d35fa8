#include "abi/option_table.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "formats/quote_for_message.h"
#include "speculation/acceptance.h"
#include "text/utf8.h"

namespace llmrt::abi {
namespace {

constexpr int64_t kI32Max = std::numeric_limits<int32_t>::max();
constexpr int64_t kI64Max = std::numeric_limits<int64_t>::max();
constexpr int64_t kI64Min = std::numeric_limits<int64_t>::min();

// Logits are tens to hundreds; what is added to them stays far inside float's range.
constexpr float kBiasMax = 1e6f;
// Logits are divided by the temperature; below this one quotients of ordinary ones overflow.
constexpr double kTemperatureMin = 1e-6;

// The order of the words is that of the enumerations they stand for.
constexpr std::string_view kKvTypes[] = {"f32", "f16", "bf16"};
constexpr std::string_view kNumerics[] = {"exact", "fast", "reference"};
constexpr std::string_view kTiers[] = {"", "portable", "avx2", "avx512", "vnni", "amx"};

#define ROW_I64(key, minimum, maximum, standard)                                           \
  {                                                                                        \
    key, #key, ValueType::kI64, {minimum, maximum, standard}, {}, BytesForm::kNone, {}, {} \
  }
#define ROW_F64(key, minimum, maximum, standard)                                           \
  {                                                                                        \
    key, #key, ValueType::kF64, {}, {minimum, maximum, standard}, BytesForm::kNone, {}, {} \
  }
#define ROW_WORD(key, words, standard) \
  { key, #key, ValueType::kBytes, {}, {}, BytesForm::kWord, words, standard }
#define ROW_BYTES(key, form, standard) \
  { key, #key, ValueType::kBytes, {}, {}, form, {}, standard }

// Sorted by key. Bounds are where a value stops to make sense for any model; what a given model or
// machine does not take is the engine's to say.
constexpr OptionRow kRows[] = {
    ROW_BYTES(LLMRT_ENGINE_DEVICE, BytesForm::kDevice, "auto"),
    ROW_I64(LLMRT_ENGINE_THREADS, 0, 1024, 0),
    ROW_I64(LLMRT_ENGINE_MEMORY_BUDGET_BYTES, 0, kI64Max, 0),
    ROW_I64(LLMRT_ENGINE_CONTEXT_LENGTH, 0, kI32Max, 0),
    ROW_I64(LLMRT_ENGINE_SESSIONS, 1, 65536, 1),
    ROW_WORD(LLMRT_ENGINE_KV_TYPE, kKvTypes, "f16"),
    ROW_WORD(LLMRT_ENGINE_NUMERICS, kNumerics, "exact"),
    ROW_WORD(LLMRT_ENGINE_TIER, kTiers, ""),
    ROW_I64(LLMRT_ENGINE_MMAP, 0, 1, 0),
    ROW_I64(LLMRT_ENGINE_PUMPED, 0, 1, 0),
    ROW_I64(LLMRT_ENGINE_BLOCK_SIZE, 16, 32, 16),
    ROW_I64(LLMRT_ENGINE_STEP_TOKENS, 1, 65536, 512),
    ROW_I64(LLMRT_ENGINE_TPOT_TARGET_MS, 0, 3600000, 100),
    ROW_BYTES(LLMRT_ENGINE_PLUGIN_FOLDER, BytesForm::kPath, ""),
    ROW_I64(LLMRT_ENGINE_CUDA_CONTEXT, kI64Min, kI64Max, 0),
    ROW_I64(LLMRT_ENGINE_CUDA_STREAM, kI64Min, kI64Max, 0),
    ROW_I64(LLMRT_ENGINE_DRAFT_MAX, -1, speculation::kDraftMax, -1),
    ROW_I64(LLMRT_ENGINE_DRAFT_LOOKUP, 0, 1, 0),
    ROW_I64(LLMRT_ENGINE_LOG_LEVEL, LLMRT_LOG_ERROR, LLMRT_LOG_DEBUG, LLMRT_LOG_INFO),
    ROW_I64(LLMRT_SESSION_CONTEXT_LENGTH, 0, kI32Max, 0),
    ROW_I64(LLMRT_SESSION_CONTEXT_POLICY, LLMRT_CONTEXT_STOP, LLMRT_CONTEXT_STOP,
            LLMRT_CONTEXT_STOP),
    ROW_I64(LLMRT_STREAM_MAX_TOKENS, -1, kI32Max, -1),
    ROW_F64(LLMRT_STREAM_TEMPERATURE, 0, 100, 0),
    ROW_I64(LLMRT_STREAM_TOP_K, 0, kI32Max, 0),
    ROW_F64(LLMRT_STREAM_TOP_P, 0, 1, 1),
    ROW_F64(LLMRT_STREAM_MIN_P, 0, 1, 0),
    ROW_F64(LLMRT_STREAM_REPETITION_PENALTY, 0.01, 100, 1),
    ROW_F64(LLMRT_STREAM_PRESENCE_PENALTY, -100, 100, 0),
    ROW_F64(LLMRT_STREAM_FREQUENCY_PENALTY, -100, 100, 0),
    ROW_I64(LLMRT_STREAM_PENALTY_WINDOW, -1, kI32Max, 64),
    ROW_I64(LLMRT_STREAM_SEED, kI64Min, kI64Max, 0),
    ROW_I64(LLMRT_STREAM_SAMPLE_INDEX, 0, kI32Max, 0),
    ROW_BYTES(LLMRT_STREAM_LOGIT_BIAS, BytesForm::kLogitBias, ""),
    ROW_BYTES(LLMRT_STREAM_STOP_TOKENS, BytesForm::kTokenIds, ""),
    ROW_BYTES(LLMRT_STREAM_STOP_STRINGS, BytesForm::kStrings, ""),
    ROW_I64(LLMRT_STREAM_IGNORE_EOS, 0, 1, 0),
    ROW_I64(LLMRT_STREAM_LOGPROBS, 0, 1, 0),
    ROW_I64(LLMRT_STREAM_TOP_LOGPROBS, 0, 20, 0),
    ROW_I64(LLMRT_STREAM_PROMPT_LOGPROBS, 0, 1, 0),
    ROW_I64(LLMRT_STREAM_RAW_BYTES, 0, 1, 0),
    ROW_I64(LLMRT_STREAM_QUEUE_TOKENS, 1, 1 << 20, 4096),
    ROW_I64(LLMRT_STREAM_DRAFT_MAX, -1, speculation::kDraftMax, -1),
    ROW_BYTES(LLMRT_STREAM_FORCED_TOKENS, BytesForm::kTokenIds, ""),
};

#undef ROW_I64
#undef ROW_F64
#undef ROW_WORD
#undef ROW_BYTES

std::string_view TypeName(ValueType type) {
  return type == ValueType::kI64 ? "i64" : type == ValueType::kF64 ? "f64" : "bytes";
}

absl::Status CheckWord(const OptionRow& row, std::string_view bytes) {
  for (const std::string_view word : row.words) {
    if (bytes == word) return absl::OkStatus();
  }
  const auto quote = [](std::string* out, std::string_view word) {
    absl::StrAppend(out, "\"", word, "\"");
  };
  return absl::InvalidArgumentError(
      absl::StrCat(row.name, " is ", formats::QuoteForMessage(bytes), "; it takes ",
                   absl::StrJoin(row.words, ", ", quote), "; pass one of these"));
}

absl::Status CheckDevice(const OptionRow& row, std::string_view bytes) {
  constexpr std::string_view kNumbered = "cuda:";
  constexpr size_t kDigitsMax = 4;
  if (bytes == "auto" || bytes == "cpu" || bytes == "cuda") return absl::OkStatus();
  if (absl::StartsWith(bytes, kNumbered)) {
    const std::string_view number = bytes.substr(kNumbered.size());
    if (!number.empty() && number.size() <= kDigitsMax &&
        number.find_first_not_of("0123456789") == number.npos) {
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(row.name, " is ", formats::QuoteForMessage(bytes),
                   "; it takes \"auto\", \"cpu\", \"cuda\" and \"cuda:N\"; pass one of these"));
}

absl::Status CheckPath(const OptionRow& row, std::string_view bytes) {
  if (const size_t nul = bytes.find('\0'); nul != bytes.npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(row.name, " has a NUL at byte ", nul,
                     "; a path has none; do not count the one at its end"));
  }
  if (const size_t bad = text::FindInvalidUtf8(bytes); bad != bytes.npos) {
    return absl::InvalidArgumentError(absl::StrCat(row.name, " is not UTF-8 at byte ", bad,
                                                   "; only UTF-8 is taken; convert it first"));
  }
  return absl::OkStatus();
}

absl::Status CheckMultiple(const OptionRow& row, std::string_view bytes, size_t unit) {
  if (bytes.size() % unit == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(row.name, " has ", bytes.size(),
                                                 " bytes; values of ", unit,
                                                 " bytes each; pass whole values"));
}

absl::Status CheckLogitBias(const OptionRow& row, std::string_view bytes) {
  constexpr size_t kPair = sizeof(int32_t) + sizeof(float);
  if (absl::Status status = CheckMultiple(row, bytes, kPair); !status.ok()) return status;
  for (size_t offset = 0; offset < bytes.size(); offset += kPair) {
    float bias;
    std::memcpy(&bias, bytes.data() + offset + sizeof(int32_t), sizeof bias);
    // Written so that NaN fails.
    if (std::fabs(bias) <= kBiasMax || bias == -std::numeric_limits<float>::infinity()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(row.name, " is ", bias, " in pair ", offset / kPair, "; it takes ", -kBiasMax,
                     " to ", kBiasMax, ", or -infinity to forbid the token; pass such"));
  }
  return absl::OkStatus();
}

absl::Status CheckStrings(const OptionRow& row, std::string_view bytes) {
  if (!bytes.empty() && bytes.back() != '\0') {
    return absl::InvalidArgumentError(absl::StrCat(row.name, " has ", bytes.size(),
                                                   " bytes and no NUL at the end; each string is ",
                                                   "followed by one; count it in the length"));
  }
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = bytes.find('\0', begin);
    const std::string_view string = bytes.substr(begin, end - begin);
    if (string.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(row.name, " has an empty string at byte ",
                                                     begin,
                                                     "; it would stop at once; leave it out"));
    }
    if (const size_t bad = text::FindInvalidUtf8(string); bad != string.npos) {
      return absl::InvalidArgumentError(absl::StrCat(row.name, " is not UTF-8 at byte ",
                                                     begin + bad,
                                                     "; only UTF-8 is taken; convert it first"));
    }
    begin = end + 1;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Span<const OptionRow> OptionRows() { return kRows; }

std::string_view KindName(int32_t kind) {
  switch (kind) {
    case LLMRT_OPTIONS_ENGINE:
      return "engine";
    case LLMRT_OPTIONS_SESSION:
      return "session";
    case LLMRT_OPTIONS_STREAM:
      return "stream";
    default:
      return "unknown";
  }
}

const OptionRow* FindOption(int32_t key) {
  for (const OptionRow& row : kRows) {
    if (row.key == key) return &row;
  }
  return nullptr;
}

absl::StatusOr<const OptionRow*> FindOption(int32_t key, ValueType type) {
  const OptionRow* row = FindOption(key);
  if (row == nullptr) {
    return absl::UnimplementedError(absl::StrCat("option key ", key,
                                                 " is unknown; this library has ", std::size(kRows),
                                                 " keys; use a newer library or another key"));
  }
  if (row->type != type) {
    return absl::UnimplementedError(absl::StrCat(row->name, " is of type ", TypeName(row->type),
                                                 ", not ", TypeName(type),
                                                 "; use the functions of ", TypeName(row->type)));
  }
  return row;
}

absl::Status CheckValue(const OptionRow& row, int64_t value) {
  if (value < row.i64.minimum || value > row.i64.maximum) {
    return absl::OutOfRangeError(absl::StrCat(row.name, " is ", value, "; it takes ",
                                              row.i64.minimum, " to ", row.i64.maximum,
                                              "; pass a value between them"));
  }
  // An i64 key that does not take all between its bounds.
  if (row.key == LLMRT_ENGINE_BLOCK_SIZE && value != 16 && value != 32) {
    return absl::OutOfRangeError(
        absl::StrCat(row.name, " is ", value, "; it takes 16 and 32; pass one of these"));
  }
  return absl::OkStatus();
}

absl::Status CheckValue(const OptionRow& row, double value) {
  if (row.key == LLMRT_STREAM_TEMPERATURE && value > 0 && value < kTemperatureMin) {
    return absl::OutOfRangeError(absl::StrCat(row.name, " is ", value, "; it takes 0 and ",
                                              kTemperatureMin, " to ", row.f64.maximum,
                                              "; pass 0 for greedy"));
  }
  // Written so that NaN fails.
  if (value >= row.f64.minimum && value <= row.f64.maximum) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat(row.name, " is ", value, "; it takes ", row.f64.minimum,
                                            " to ", row.f64.maximum,
                                            "; pass a value between them"));
}

absl::Status CheckValue(const OptionRow& row, std::string_view bytes) {
  if (bytes.size() > kOptionBytesMax) {
    return absl::OutOfRangeError(absl::StrCat(row.name, " has ", bytes.size(), " bytes; at most ",
                                              kOptionBytesMax, "; shorten it"));
  }
  switch (row.form) {
    case BytesForm::kWord:
      return CheckWord(row, bytes);
    case BytesForm::kDevice:
      return CheckDevice(row, bytes);
    case BytesForm::kPath:
      return CheckPath(row, bytes);
    case BytesForm::kLogitBias:
      return CheckLogitBias(row, bytes);
    case BytesForm::kTokenIds:
      return CheckMultiple(row, bytes, sizeof(int32_t));
    case BytesForm::kStrings:
      return CheckStrings(row, bytes);
    case BytesForm::kNone:
      break;
  }
  return absl::OkStatus();
}

}  // namespace llmrt::abi
