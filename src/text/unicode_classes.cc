#include "text/unicode_classes.h"

#include <utf8proc.h>

namespace llmrt::text {
namespace {

CharClass Lookup(char32_t value) {
  if (IsWhitespace(value)) return CharClass::kWhitespace;
  if (value > 0x10FFFF) return CharClass::kOther;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(value))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::kNumber;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return CharClass::kPunctuation;
    default:
      return CharClass::kOther;
  }
}

}  // namespace

bool IsWhitespace(char32_t value) {
  if (value < 0x80) return value == ' ' || (value >= 0x09 && value <= 0x0D);
  return value == 0x85 || value == 0xA0 || value == 0x1680 ||
         (value >= 0x2000 && value <= 0x200A) || value == 0x2028 || value == 0x2029 ||
         value == 0x202F || value == 0x205F || value == 0x3000;
}

CharClass ClassOf(char32_t value) {
  // Most text is ASCII; the rest goes through utf8proc's two-stage table.
  if (value < 0x80) {
    if ((value >= 'a' && value <= 'z') || (value >= 'A' && value <= 'Z')) return CharClass::kLetter;
    if (value >= '0' && value <= '9') return CharClass::kNumber;
  }
  return Lookup(value);
}

}  // namespace llmrt::text
