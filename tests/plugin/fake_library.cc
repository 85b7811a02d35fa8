// The entries of the fake plugin as a shared library: the plugin's own, and some for tests, which
// hand over nothing that the other side would have to free.
#include <cstdint>

#include "tests/plugin/fake_plugin.h"

#if defined(FAKE_BUILD_ID)
constexpr char kBuildId[] = FAKE_BUILD_ID;
#else
#include "generated/build_id.h"
using llmrt::generated::kBuildId;
#endif

#define FAKE_EXPORT extern "C" __attribute__((visibility("default")))

using llmrt::testing::FakePlugin;

#if !defined(FAKE_WITHOUT_ENTRY)
FAKE_EXPORT const llmrt::backend::PluginTable* llmrt_plugin_table() {
#if defined(FAKE_TABLE_VERSION)
  static llmrt::backend::PluginTable table = *FakePlugin::Get().Table(kBuildId);
  table.version = FAKE_TABLE_VERSION;
  return &table;
#elif defined(FAKE_NO_TABLE)
  return nullptr;
#else
  return FakePlugin::Get().Table(kBuildId);
#endif
}
#endif

// See FakePlugin::fail_call; code 0: nothing fails any more.
FAKE_EXPORT void fake_plugin_fail(const char* call, int32_t device, int32_t skip, int32_t code) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  fake.fail_call = call;
  fake.fail_device = device;
  fake.fail_skip = skip;
  fake.fail_code = code;
  fake.fail_text = "the fake device fails as it was told";
}

FAKE_EXPORT void fake_plugin_set_free_bytes(int64_t bytes) {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  fake.free_bytes = bytes;
}

FAKE_EXPORT int64_t fake_plugin_held_bytes() { return FakePlugin::Get().HeldBytes(); }

FAKE_EXPORT int32_t fake_plugin_open_devices() {
  FakePlugin& fake = FakePlugin::Get();
  const std::lock_guard<std::mutex> lock(fake.mutex);
  return fake.open_devices;
}
