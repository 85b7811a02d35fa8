// One row for each option key: which options it belongs to, its type, what it takes, and its
// default. A new option is a new row here and a line in options_object.cc that hands it to the
// engine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "llmrt.h"

namespace llmrt::abi {

enum class ValueType : uint8_t { kI64, kF64, kBytes };

// What the bytes of a kBytes option are.
enum class BytesForm : uint8_t {
  kNone,
  kWord,    // one of `words`
  kDevice,  // "auto", "cpu", "cuda" or "cuda:N"; whether this machine has it is the engine's to say
  kPath,    // UTF-8 without a NUL; empty: none
  kLogitBias,  // pairs of int32 token id, finite float32 bias
  kTokenIds,   // int32 token ids
  kStrings,    // UTF-8 strings, not empty, each followed by a NUL
};

inline constexpr int64_t kOptionBytesMax = 1 << 20;

struct OptionRow {
  int32_t key = 0;
  std::string_view name;  // as the header spells it
  ValueType type = ValueType::kI64;
  struct {
    int64_t minimum = 0;
    int64_t maximum = 0;
    int64_t standard = 0;  // the default
  } i64 = {};
  struct {
    double minimum = 0;
    double maximum = 0;
    double standard = 0;
  } f64 = {};
  BytesForm form = BytesForm::kNone;
  absl::Span<const std::string_view> words = {};
  std::string_view standard_bytes = {};
};

absl::Span<const OptionRow> OptionRows();

// The options that a key belongs to, by its range.
constexpr int32_t KindOfKey(int32_t key) { return key / 1000 + 1; }

// "engine", "session", "stream".
std::string_view KindName(int32_t kind);

// Null: no such key.
const OptionRow* FindOption(int32_t key);
// UNIMPLEMENTED where the key is unknown or has another type.
absl::StatusOr<const OptionRow*> FindOption(int32_t key, ValueType type);

// OUT_OF_RANGE outside the bounds.
absl::Status CheckValue(const OptionRow& row, int64_t value);
absl::Status CheckValue(const OptionRow& row, double value);
// OUT_OF_RANGE above 1 MiB, INVALID_ARGUMENT for a wrong form.
absl::Status CheckValue(const OptionRow& row, std::string_view bytes);

}  // namespace llmrt::abi
