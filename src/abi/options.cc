// The C entry points of options.

#include "abi/arguments.h"
#include "abi/objects.h"
#include "abi/option_table.h"
#include "abi/status.h"
#include "llmrt.h"

namespace llmrt::abi {
namespace {

// -1 as a length is for words, names and paths only: binary values hold NULs.
absl::StatusOr<std::string_view> InputBytes(int32_t key, const void* bytes, int64_t length) {
  const OptionRow* row = FindOption(key);
  if (length == -1 && row != nullptr && row->form != BytesForm::kWord &&
      row->form != BytesForm::kDevice && row->form != BytesForm::kPath) {
    return absl::InvalidArgumentError(absl::StrCat("the length of ", row->name,
                                                   " is -1, which means NUL-terminated; its bytes "
                                                   "may hold NULs; pass their number"));
  }
  return InputText(static_cast<const char*>(bytes), length, "bytes");
}

}  // namespace
}  // namespace llmrt::abi

using namespace llmrt::abi;  // NOLINT: this file is the C face of that namespace.

llmrt_status llmrt_options_create(int32_t kind, llmrt_options** options) {
  return Enter([&]() -> absl::Status {
    ABI_RETURN_IF_ERROR(CheckOutput(options, "options"));
    if (kind < LLMRT_OPTIONS_ENGINE || kind > LLMRT_OPTIONS_STREAM) {
      return absl::InvalidArgumentError(
          absl::StrCat("options kind is ", kind, "; kinds are 1 to 3; pass an llmrt_options_kind"));
    }
    return Give(std::make_shared<OptionsObject>(kind), nullptr, options);
  });
}

llmrt_status llmrt_options_set_i64(llmrt_options* options, int32_t key, int64_t value) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(options));
    return object->SetI64(key, value);
  });
}

llmrt_status llmrt_options_set_f64(llmrt_options* options, int32_t key, double value) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(options));
    return object->SetF64(key, value);
  });
}

llmrt_status llmrt_options_set_bytes(llmrt_options* options, int32_t key, const void* bytes,
                                     int64_t length) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(options));
    ABI_ASSIGN_OR_RETURN(const std::string_view value, InputBytes(key, bytes, length));
    return object->SetBytes(key, value);
  });
}

llmrt_status llmrt_options_get_i64(llmrt_options* options, int32_t key, int64_t* value) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(options));
    ABI_RETURN_IF_ERROR(CheckOutput(value, "value"));
    ABI_ASSIGN_OR_RETURN(*value, object->GetI64(key));
    return absl::OkStatus();
  });
}

llmrt_status llmrt_options_get_f64(llmrt_options* options, int32_t key, double* value) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(options));
    ABI_RETURN_IF_ERROR(CheckOutput(value, "value"));
    ABI_ASSIGN_OR_RETURN(*value, object->GetF64(key));
    return absl::OkStatus();
  });
}

llmrt_status llmrt_options_get_bytes(llmrt_options* options, int32_t key, void* buffer,
                                     int64_t capacity, int64_t* length) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(options));
    const TextOutput output = {buffer, capacity, length};
    ABI_RETURN_IF_ERROR(output.Check());
    ABI_ASSIGN_OR_RETURN(const std::string value, object->GetBytes(key));
    return output.Copy(value);
  });
}

llmrt_status llmrt_options_bounds_i64(int32_t key, int64_t* minimum, int64_t* maximum) {
  return Enter([&]() -> absl::Status {
    ABI_RETURN_IF_ERROR(CheckOutput(minimum, "minimum"));
    ABI_RETURN_IF_ERROR(CheckOutput(maximum, "maximum"));
    ABI_ASSIGN_OR_RETURN(const OptionRow* row, FindOption(key, ValueType::kI64));
    *minimum = row->i64.minimum;
    *maximum = row->i64.maximum;
    return absl::OkStatus();
  });
}

llmrt_status llmrt_options_bounds_f64(int32_t key, double* minimum, double* maximum) {
  return Enter([&]() -> absl::Status {
    ABI_RETURN_IF_ERROR(CheckOutput(minimum, "minimum"));
    ABI_RETURN_IF_ERROR(CheckOutput(maximum, "maximum"));
    ABI_ASSIGN_OR_RETURN(const OptionRow* row, FindOption(key, ValueType::kF64));
    *minimum = row->f64.minimum;
    *maximum = row->f64.maximum;
    return absl::OkStatus();
  });
}

llmrt_status llmrt_options_set_memory_hook(llmrt_options* options, llmrt_allocate allocate,
                                           llmrt_deallocate release, void* user) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(options));
    return object->SetMemoryHooks({.allocate = allocate, .release = release, .user = user});
  });
}

llmrt_status llmrt_options_set_job_hook(llmrt_options* options, llmrt_submit_job submit,
                                        void* user) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(options));
    return object->SetJobHook({.submit = submit, .user = user});
  });
}

llmrt_status llmrt_options_set_drafter(llmrt_options* options, llmrt_draft draft, void* user) {
  return Enter([&]() -> absl::Status {
    ABI_ASSIGN_OR_RETURN(const auto object, Find(options));
    return object->SetDrafter({.propose = draft, .user = user});
  });
}

void llmrt_options_release(llmrt_options* options) {
  EnterRelease([&] { ReleaseHandle(options); });
}
