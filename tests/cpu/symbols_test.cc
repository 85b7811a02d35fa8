// What the objects of the numeric layers may refer to and define, read with nm from the archives.
//
// libm's functions differ between versions, so none may be called but fma, fmaf, sqrt and sqrtf,
// whose results IEEE 754 defines. And what is compiled for AVX2, AVX-512 or AMX must define no weak
// function: the linker keeps one copy of a weak function for the whole program, and older
// processors cannot run that one.
#include <dlfcn.h>

#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace llmrt::cpu {
namespace {

// Lines that `nm options archive` prints.
std::vector<std::string> ListSymbols(const std::string& options, const std::string& archive) {
  const std::string command = absl::StrCat("nm ", options, " '", archive, "' 2>/dev/null");
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), &pclose);
  std::string text;
  char part[4096];
  while (pipe != nullptr && fgets(part, sizeof(part), pipe.get()) != nullptr) text += part;
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

// True if the dynamic linker finds `name` in libm itself rather than in the libc that libm needs.
bool IsInLibm(void* libm, const std::string& name) {
  void* address = dlsym(libm, name.c_str());
  Dl_info info;
  return address != nullptr && dladdr(address, &info) != 0 && info.dli_fname != nullptr &&
         absl::StrContains(info.dli_fname, "libm.so");
}

TEST(SymbolsTest, NumericLayersCallNothingOfLibmButFmaAndSqrt) {
  void* libm = dlopen("libm.so.6", RTLD_LAZY);
  ASSERT_NE(libm, nullptr);
  // The test can tell libm's functions.
  ASSERT_FALSE(IsInLibm(libm, "memcpy"));
  for (const char* inexact : {"expf", "fmod", "remainder", "scalbn", "rint", "lrintf", "frexp"}) {
    ASSERT_TRUE(IsInLibm(libm, inexact)) << inexact;
  }
  const std::set<std::string> allowed = {"fma", "fmaf", "sqrt", "sqrtf"};
  for (const std::string archive :
       {LLMRT_CPU_ARCHIVE, LLMRT_OPS_ARCHIVE, LLMRT_NUMERICS_ARCHIVE, LLMRT_QUANT_ARCHIVE,
        LLMRT_MODEL_ARCHIVE, LLMRT_SAMPLING_ARCHIVE}) {
    int undefined = 0;
    for (const std::string& line : ListSymbols("-u", archive)) {
      const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
      if (words.size() != 2 || words[0] != "U") continue;
      ++undefined;
      if (allowed.count(words[1]) != 0) continue;
      EXPECT_FALSE(IsInLibm(libm, words[1])) << words[1] << " is used in " << archive;
    }
    EXPECT_GT(undefined, 0) << "nm read nothing from " << archive;
  }
  dlclose(libm);
}

TEST(SymbolsTest, ObjectsForNewerProcessorsDefineNoWeakFunction) {
#if defined(__x86_64__)
  const std::vector<std::string> symbols = ListSymbols("-A -C --defined-only", LLMRT_CPU_ARCHIVE);
  // The fewest kernels that a tier has of its own: all but attention and row operations in avx512,
  // products with quantized weights in vnni, those and bfloat16 in amx.
  for (const auto& [ending, fewest] : {std::pair("_avx2.cc.o:", 22), std::pair("_avx512.cc.o:", 11),
                                       std::pair("_vnni.cc.o:", 8), std::pair("_amx.cc.o:", 9)}) {
    int functions = 0;
    for (const std::string& line : symbols) {
      // A personality reference, which sanitizers bring in, is data that every object may hold.
      if (!absl::StrContains(line, ending) || absl::StrContains(line, "DW.ref.")) continue;
      // W: weak; V: weak object; u: one for the whole process.
      for (const char* shared : {" W ", " w ", " V ", " v ", " u "}) {
        EXPECT_FALSE(absl::StrContains(line, shared)) << line;
      }
      functions += absl::StrContains(line, " T ");
    }
    EXPECT_GE(functions, fewest) << ending;
  }
#else
  GTEST_SKIP() << "no such objects here";
#endif
}

}  // namespace
}  // namespace llmrt::cpu
