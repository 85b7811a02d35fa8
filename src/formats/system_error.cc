#include "formats/system_error.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace llmrt::formats {

std::string WithSystemWords(std::string_view what, int error) {
#if defined(__GLIBC__)
  // Neither translated nor allocated, unlike strerror.
  if (const char* words = strerrordesc_np(error)) return absl::StrCat(what, ": ", words);
#endif
  return absl::StrCat(what, ": system error ", error);
}

}  // namespace llmrt::formats
