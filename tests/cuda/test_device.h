// A device for tests of kernels: the machine's GPU through its driver, or the emulation of
// tests/cuda_host where the test program finds that (it does in a build tree; set
// LLMRT_TEST_CUDA_DRIVER to the path of a real libcuda.so.1 to test on a GPU).
//
//   TestDevice& device = TestDevice::Get();
//   DeviceArray<float> in(values), out(count);
//   EXPECT_EQ(device.Launch(KernelId::kSwiGluKernel, shape, args), "");
//   EXPECT_EQ(out.Download(), expected);
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda/driver/driver_table.h"
#include "cuda/kernels/kernel_list.h"
#include "cuda/kernels/step_view.h"
#include "cuda_host/control.h"

namespace llmrt::cuda {

// The emulation's controls, by the names of control.h.
#define LLMRT_CUDA_EMULATION_CONTROLS(X) \
  X(reset)                               \
  X(set_seed)                            \
  X(set_architecture)                    \
  X(set_devices)                         \
  X(detect_races)                        \
  X(set_total_memory)                    \
  X(context_bytes)                       \
  X(calls)                               \
  X(call_name)                           \
  X(reset_calls)                         \
  X(fail_call)                           \
  X(fail_no_call)                        \
  X(counts)                              \
  X(current_context)                     \
  X(last_message)                        \
  X(clear_message)                       \
  X(record_sites)                        \
  X(reset_sites)                         \
  X(site_count)                          \
  X(site)                                \
  X(plant)                               \
  X(unplant)                             \
  X(planted_hits)

struct Emulation {
#define LLMRT_CUDA_EMULATION_MEMBER(name) decltype(&llmrt_emulation_##name) name = nullptr;
  LLMRT_CUDA_EMULATION_CONTROLS(LLMRT_CUDA_EMULATION_MEMBER)
#undef LLMRT_CUDA_EMULATION_MEMBER
};

// One context with one stream, for one thread. A fault breaks the context; the next allocation
// begins a new one, so that the test after a failed one starts afresh.
class TestDevice {
 public:
  // The first device, opened once a program; ok() says whether there is one.
  static TestDevice& Get();
  ~TestDevice();
  TestDevice(const TestDevice&) = delete;
  TestDevice& operator=(const TestDevice&) = delete;

  bool ok() const { return problem_.empty(); }
  // Why there is no device, in one line.
  const std::string& problem() const { return problem_; }
  // Null on a real GPU.
  const Emulation* emulation() const { return emulated_ ? &emulation_ : nullptr; }
  const DriverTable& driver() const { return driver_; }
  int major() const { return major_; }
  int minor() const { return minor_; }
  // Of the context that is current for this thread.
  CuStream stream() const { return stream_; }

  // A new context, after the emulation was given another architecture. Arrays do not survive it.
  void Restart() { problem_ = OpenContext(); }

  // Runs a kernel to its end. Empty, or what went wrong.
  template <typename Args>
  std::string Launch(KernelId kernel, const LaunchShape& shape, const Args& args) {
    static_assert(std::is_trivially_copyable_v<Args>);
    return LaunchBytes(NameOf(kernel), shape, &args);
  }

  // For DeviceArray. An allocation belongs to one context; once that is gone so is the allocation.
  CuDevicePointer Allocate(size_t bytes, uint64_t* context_number);
  void Release(CuDevicePointer pointer, uint64_t context_number);
  void Upload(CuDevicePointer to, const void* from, size_t bytes);
  void Download(void* to, CuDevicePointer from, size_t bytes);

 private:
  TestDevice();
  static const char* NameOf(KernelId kernel) { return kKernelNames[static_cast<int>(kernel)]; }
  std::string Open();
  std::string OpenContext();
  void CloseContext();
  std::string LaunchBytes(const char* kernel, const LaunchShape& shape, const void* args);
  // Empty for success.
  std::string Describe(const char* what, CuResult result);
  std::string FindFunction(const char* kernel, CuFunction* function);

  DriverTable driver_;
  Emulation emulation_;
  bool emulated_ = false;
  std::string problem_;
  CuDevice device_ = 0;
  int major_ = 0;
  int minor_ = 0;
  CuContext context_ = nullptr;
  uint64_t context_number_ = 0;
  bool broken_ = false;
  CuStream stream_ = nullptr;
  std::vector<CuModule> modules_;
  CuFunction functions_[kKernelCount] = {};
};

// Exactly `size` elements of device memory. Fresh ones hold bytes 0xff: a NaN in every
// floating-point type.
template <typename T>
class DeviceArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit DeviceArray(size_t size) : size_(size) {
    if (size == 0) return;
    pointer_ = TestDevice::Get().Allocate(size * sizeof(T), &context_number_);
    const std::vector<uint8_t> poison(size * sizeof(T), 0xff);
    TestDevice::Get().Upload(pointer_, poison.data(), poison.size());
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    Upload(values);
  }
  ~DeviceArray() {
    if (pointer_ != 0) TestDevice::Get().Release(pointer_, context_number_);
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  size_t size() const { return size_; }
  // Not for the host to read.
  T* get() const { return reinterpret_cast<T*>(pointer_); }
  void Upload(const std::vector<T>& values) {
    if (!values.empty()) {
      TestDevice::Get().Upload(pointer_, values.data(), values.size() * sizeof(T));
    }
  }
  std::vector<T> Download() const {
    std::vector<T> values(size_);
    if (size_ != 0) TestDevice::Get().Download(values.data(), pointer_, size_ * sizeof(T));
    return values;
  }

 private:
  size_t size_;
  CuDevicePointer pointer_ = 0;
  uint64_t context_number_ = 0;
};

// Compares runs on different devices. With LLMRT_TEST_HASHES_WRITE=<file> a line with the bytes'
// hash (FNV-1a, 64 bits) is appended to that file; with LLMRT_TEST_HASHES_READ=<file> the hash must
// equal the one of that case in the file. Empty, or what differs; a case that the file lacks is a
// difference.
std::string RecordHash(const std::string& case_name, std::span<const uint8_t> bytes);
template <typename T>
std::string RecordHash(const std::string& case_name, const std::vector<T>& values) {
  return RecordHash(case_name, std::span(reinterpret_cast<const uint8_t*>(values.data()),
                                         values.size() * sizeof(T)));
}

}  // namespace llmrt::cuda
