#include "abi/objects.h"

#include "abi/status.h"
#include "absl/strings/str_cat.h"

namespace llmrt::abi {

std::string_view TypeName(HandleType type) {
  switch (type) {
    case HandleType::kOptions:
      return "options";
    case HandleType::kSource:
      return "source";
    case HandleType::kModel:
      return "model";
    case HandleType::kEngine:
      return "engine";
    case HandleType::kSession:
      return "session";
    case HandleType::kStream:
      return "stream";
    case HandleType::kNone:
      break;
  }
  return "handle";
}

absl::Status NotAHandleOf(HandleType wanted, HandleValue handle) {
  const std::string_view name = TypeName(wanted);
  if (handle == 0) {
    return InvalidHandleError(
        absl::StrCat("the ", name, " is NULL; a live ", name, " is needed; create one first"));
  }
  const std::string_view found = TypeName(TypeOf(handle));
  const std::string value = absl::StrCat("0x", absl::Hex(handle));
  if (found == "handle") {
    return InvalidHandleError(absl::StrCat(
        value, " is no handle of this library; a live ", name,
        " is needed; pass what a create function returned, and nothing that was freed"));
  }
  if (TypeOf(handle) != wanted) {
    return InvalidHandleError(
        absl::StrCat(value, " is of type ", found, "; type ", name, " is needed; pass that one"));
  }
  return InvalidHandleError(absl::StrCat(
      name, " ", value, " is stale; a live one is needed; do not use it after release or close"));
}

absl::Status CheckStillOpen(const EngineObject& engine, HandleType type, HandleValue published) {
  if (!engine.closed.load()) return absl::OkStatus();
  Handles().Release(published, type);
  return InvalidHandleError(absl::StrCat("the engine was closed during the call; a new ",
                                         TypeName(type), " needs an open one; create an engine"));
}

}  // namespace llmrt::abi
