#include "tests/cuda/engine/emulated_engine.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "cuda/driver/driver_library.h"
#include "tests/shared_files.h"

namespace llmrt::testing {
namespace {

// Loaded once: a real driver does not support being unloaded, and the emulation need not.
struct Driver {
  cuda::DriverTable table;
  cuda::Emulation controls;
  bool emulated = false;

  Driver() {
    if (cuda::OpenDriverLibrary(&table) != nullptr) return;
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    if (library == nullptr) return;
    emulated = true;
#define LLMRT_CUDA_EMULATION_FIND(name)                                \
  controls.name = reinterpret_cast<decltype(&llmrt_emulation_##name)>( \
      dlsym(library, "llmrt_emulation_" #name));                       \
  emulated = emulated && controls.name != nullptr;
    LLMRT_CUDA_EMULATION_CONTROLS(LLMRT_CUDA_EMULATION_FIND)
#undef LLMRT_CUDA_EMULATION_FIND
  }
};

const Driver& TheLoadedDriver() {
  static const Driver driver;
  return driver;
}

}  // namespace

const cuda::Emulation* FindEmulation() {
  const Driver& driver = TheLoadedDriver();
  return driver.emulated ? &driver.controls : nullptr;
}

bool SkipWithoutEmulation() {
  if (FindEmulation() != nullptr) return false;
  constexpr char kWhy[] = "libcuda.so.1 is not the emulation of tests/cuda_host";
  if (SharedFilesArePromised()) {
    ADD_FAILURE() << kWhy;
  } else {
    [&] { GTEST_SKIP() << kWhy; }();
  }
  return true;
}

const cuda::Emulation& TheEmulation() { return TheLoadedDriver().controls; }

const cuda::DriverTable& TheDriver() { return TheLoadedDriver().table; }

std::string PluginFolder() { return LLMRT_PLUGIN_FOLDER; }

engine::EngineOptions CudaOptions() {
  engine::EngineOptions options;
  options.device = "cuda:0";
  options.plugin_folder = PluginFolder();
  return options;
}

std::unique_ptr<backend::Backend> MakeCudaBackend(memory::LargeMemory& memory) {
  auto backend = backend::CreatePluginBackend({.memory = &memory, .folder = PluginFolder()});
  if (!backend.ok()) throw std::runtime_error(backend.status().ToString());
  return *std::move(backend);
}

RunnerOptions CudaRunner(backend::KvType kv_type) {
  RunnerOptions options;
  options.kv_type = kv_type;
  options.make = MakeCudaBackend;
  return options;
}

LlmrtEmulationCounts Counts() {
  LlmrtEmulationCounts counts;
  TheEmulation().counts(&counts);
  return counts;
}

std::string Describe(const LlmrtEmulationCounts& counts) {
  return absl::StrCat(counts.contexts, " contexts, ", counts.modules, " modules, ",
                      counts.allocations, " allocations of ", counts.allocated_bytes, " bytes, ",
                      counts.host_allocations, " host allocations of ", counts.host_bytes,
                      " bytes, ", counts.streams, " streams, ", counts.events, " events, ",
                      counts.graphs, " graphs, ", counts.graph_execs, " graph executions");
}

}  // namespace llmrt::testing
