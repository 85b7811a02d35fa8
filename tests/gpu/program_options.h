// The flags that programs on a GPU share.
#pragma once

#include <cstdio>
#include <cstring>
#include <string>

namespace llmrt::gpu {

struct ProgramOptions {
  bool quick = false;  // a fraction of everything: on the emulation only that it works is asked
  std::string json;    // where the report goes besides stdout; empty: nowhere
};

// False where the flags are none of ours, after a line of usage.
inline bool ParseProgramOptions(const char* program, int argc, char** argv, ProgramOptions& out) {
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0) {
      out.quick = true;
    } else if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      out.json = argv[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--quick] [--json FILE]\n", program);
      return false;
    }
  }
  return true;
}

}  // namespace llmrt::gpu
