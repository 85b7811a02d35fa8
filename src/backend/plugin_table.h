// What a backend in a shared library of its own (libllmrt_cuda.so) and the core say to each other:
// one table of C functions over plain structs. No C++ type with code, no exception and no allocator
// crosses: what one side allocates, that side frees, and every failure is a code with a line of
// text. The two libraries come from one build, which the core checks by build id before it calls
// anything else, so nothing here needs to stay compatible.
//
// Addresses of device memory are 64-bit numbers. The functions of one device are called by one
// thread at a time; different devices' by any threads. Ops are launched in the order of the calls
// and run later; what they read from the host they have read when they return, and what they leave
// can be read after EndStep says so. The calling thread's current context is what it was when a
// function returns.
#pragma once

#include <cstdint>

namespace llmrt::backend {

inline constexpr uint32_t kPluginTableVersion = 1;
inline constexpr char kPluginEntry[] = "llmrt_plugin_table";
inline constexpr int kBuildIdBytes = 65;  // 64 hex digits and the end

// `code` is a value of absl::StatusCode, or kPluginDeviceLost.
struct PluginError {
  int32_t code;
  char text[252];
};
// The device's context has faulted: nothing on it works any more.
inline constexpr int32_t kPluginDeviceLost = 100;

struct PluginDevice;  // one engine's hold of a device

// Numbers are those of the kernels: float32, float16, bfloat16.
enum PluginElement : int32_t { kPluginF32 = 0, kPluginF16 = 1, kPluginBF16 = 2 };

struct PluginOpenOptions {
  int32_t device_index;
  int32_t reserved;
  uint64_t context;  // the host's, to be used and not owned; 0: one of the library's own
  uint64_t stream;   // the host's, in that context; 0: one of the library's own
};

struct PluginDeviceInfo {
  char name[128];
  int32_t compute_major;
  int32_t compute_minor;
  int64_t total_bytes;
  int64_t free_bytes;      // when the device had been opened
  int64_t overhead_bytes;  // that free memory shrank by: context and kernels
  int64_t heap_bytes;      // small objects of the plugin for this device
};

// Everything that a step's memory depends on.
struct PluginStepNeeds {
  int64_t rows;           // of a step
  int64_t logit_rows;     // also: sequences of a step
  int64_t table_entries;  // blocks of all sequences of a step
  int64_t context_length;
  int64_t vocab_size;
  int32_t num_q_heads;
  int32_t num_kv_heads;
  int32_t head_dim;
  int32_t reserved;
};

struct PluginDrawRequest {
  int32_t logit_row;
  float temperature;
  uint64_t seed;
  int64_t position;
  int32_t sample_index;
  int32_t reserved;
};

struct PluginDrawResult {
  int32_t token;
  int32_t state;  // cuda/kernels/draw.h: DrawState
  float largest;
  int32_t reserved;
};

// Pinned host memory that the core fills for a step; capacities as in PluginStepNeeds.
struct PluginStepMemory {
  int32_t* tokens;        // [rows]
  int32_t* positions;     // [rows]
  int32_t* sequences;     // [rows]
  int32_t* logit_rows;    // [logit_rows]
  int32_t* table_starts;  // [logit_rows] of each sequence
  uint64_t* blocks;       // [table_entries] addresses
};

struct PluginStepCounts {
  int32_t rows;
  int32_t logit_rows;
  int32_t sequences;
  int32_t table_entries;
};

struct PluginMatrix {
  uint64_t data;  // [rows][row_stride bytes], rows padded with zeros
  int64_t row_stride;
  int64_t rows;
  int64_t cols;
  int32_t element;
  int32_t reserved;
};

// Rows of `row_bytes`, one behind the other, to rows `stride` apart; what lies between is filled
// with zeros.
struct PluginUpload {
  uint64_t to;
  int64_t stride;
  const void* from;
  int64_t row_bytes;
  int64_t rows;
};

struct PluginKv {
  int32_t element;
  int32_t block_size;
  int32_t num_kv_heads;
  int32_t head_dim;
  int32_t layer;
  int32_t reserved;
  int64_t tile_bytes;
};

struct PluginEmbed {
  PluginMatrix table;
  int64_t first, end;  // rows
  uint64_t out;
};

struct PluginRmsNorm {
  uint64_t in, weight, out;
  int64_t dim;
  int64_t first, end;  // output rows
  float epsilon;
  int32_t of_logit_rows;  // output row i reads the row of logit_rows[i], not row i
};

struct PluginPrepare {
  uint64_t in, out;
  int64_t cols;
  int64_t row_bytes;  // of an output row
  int64_t first, end;
  int32_t element;
  int32_t reserved;
};

struct PluginMatMul {
  PluginMatrix weight;
  uint64_t activations;
  int64_t row_bytes;  // of a prepared row; equals weight.row_stride
  uint64_t out;
  int64_t out_stride;
  int64_t num_rows;
  int64_t first, end;  // features
  int32_t accumulate;
  int32_t reserved;
};

struct PluginRopeStore {
  PluginKv kv;
  uint64_t rope_table, q, k, v;
  int32_t rope_dims;
  int32_t num_q_heads;
  int64_t first, end;  // rows
};

struct PluginAttention {
  PluginKv kv;
  uint64_t q, out;
  int64_t first, end;  // units: query heads of rows
  int32_t num_q_heads;
  float scale;
};

struct PluginSwiGlu {
  uint64_t gate, up, out;
  int64_t first, end;  // values
};

// Row to + i becomes what row from + i was, for i in [0, count); to < from, and the ranges may
// overlap.
struct PluginMoveRows {
  uint64_t rows;      // a multiple of 4
  int64_t row_bytes;  // a multiple of 4
  int64_t from, to, count;
};

struct PluginTable {
  uint32_t version;  // kPluginTableVersion
  uint32_t bytes;    // sizeof(PluginTable)
  char build_id[kBuildIdBytes];

  // All return 0 or the code that they put into the error. Outputs are written on success only.
  int32_t (*count_devices)(int32_t* count, PluginError* error);
  int32_t (*open)(const PluginOpenOptions* options, PluginDevice** device, PluginDeviceInfo* info,
                  PluginError* error);
  // Also of a device that was lost. Everything that was allocated on it is gone.
  void (*close)(PluginDevice* device);

  // 256-byte aligned; contents undefined.
  int32_t (*allocate)(PluginDevice* device, int64_t bytes, uint64_t* address, PluginError* error);
  void (*release)(PluginDevice* device, uint64_t address);
  // Waits.
  int32_t (*upload)(PluginDevice* device, const PluginUpload* params, PluginError* error);
  int32_t (*download)(PluginDevice* device, void* to, uint64_t from, int64_t bytes,
                      PluginError* error);
  // After what was launched before; the ranges do not overlap.
  int32_t (*copy)(PluginDevice* device, uint64_t to, uint64_t from, int64_t bytes,
                  PluginError* error);
  // An op of a step that rows leave. In order, as all ops; one launch however many rows move.
  int32_t (*move_rows)(PluginDevice* device, const PluginMoveRows* params, PluginError* error);
  int32_t (*measure_read_bandwidth)(PluginDevice* device, uint64_t data, int64_t bytes,
                                    double* bytes_per_second, PluginError* error);

  // Memory of all steps: device memory and pinned host memory, from the needs alone.
  void (*step_bytes)(const PluginStepNeeds* needs, int64_t* device_bytes, int64_t* host_bytes);
  int32_t (*reserve_steps)(PluginDevice* device, const PluginStepNeeds* needs, PluginError* error);
  void (*release_steps)(PluginDevice* device);

  // Where to write the next step's rows; waits until the last upload has been read.
  int32_t (*step_memory)(PluginDevice* device, PluginStepMemory* memory, PluginError* error);
  // The step that was written there begins, or takes the place of the one in flight.
  int32_t (*begin_step)(PluginDevice* device, const PluginStepCounts* counts, PluginError* error);
  // Waits up to `wait_us` (-1: without limit) for all that was launched; *done is 1 when it has.
  int32_t (*end_step)(PluginDevice* device, int64_t wait_us, int32_t* done, PluginError* error);

  int32_t (*embed)(PluginDevice* device, const PluginEmbed* params, PluginError* error);
  int32_t (*rms_norm)(PluginDevice* device, const PluginRmsNorm* params, PluginError* error);
  int32_t (*prepare)(PluginDevice* device, const PluginPrepare* params, PluginError* error);
  int32_t (*matmul)(PluginDevice* device, const PluginMatMul* params, PluginError* error);
  int32_t (*rope_store)(PluginDevice* device, const PluginRopeStore* params, PluginError* error);
  int32_t (*attention)(PluginDevice* device, const PluginAttention* params, PluginError* error);
  int32_t (*swiglu)(PluginDevice* device, const PluginSwiGlu* params, PluginError* error);
  // Results can be read with draw_results once end_step has said so.
  int32_t (*draw)(PluginDevice* device, uint64_t logits, const PluginDrawRequest* requests,
                  int64_t count, PluginError* error);
  int32_t (*draw_results)(PluginDevice* device, PluginDrawResult* results, int64_t count,
                          PluginError* error);

  // Ops between the two are recorded as graph `slot` instead of run; a step of at most as many rows
  // is then replayed by one call. Slots count from 0 to kPluginGraphSlots.
  int32_t (*begin_recording)(PluginDevice* device, int32_t slot, PluginError* error);
  int32_t (*end_recording)(PluginDevice* device, PluginError* error);
  int32_t (*replay)(PluginDevice* device, int32_t slot, PluginError* error);
};

inline constexpr int32_t kPluginGraphSlots = 16;

// The symbol kPluginEntry.
using PluginEntry = const PluginTable* (*)();

}  // namespace llmrt::backend
