// How tests steer the emulated driver (libcuda.so.1 of tests/cuda_host): C functions next to the
// driver's own, found by dlsym, absent from a real driver. None of them counts as a driver call.
// All are safe to call from any thread.
#pragma once

#include <cstdint>

extern "C" {

// Forgets faults, mutations, sites, calls and messages; seed 1, compute capability 9.0, one device
// with 1 GiB. Objects that exist stay.
void llmrt_emulation_reset();

// Which order blocks, warps and lanes run in, when copies land, when a query finds work unfinished.
void llmrt_emulation_set_seed(uint64_t seed);

// 8.0, 8.6, 8.9, 9.0 or 12.0; returns 0 for others. 8.x multiplies matrices as Ampere and Ada do,
// 9.0 and 12.0 as Hopper and the consumer Blackwell do (exact_mma.h).
int llmrt_emulation_set_architecture(int major, int minor);

// With 0, cuInit says that there is none.
void llmrt_emulation_set_devices(int count);

// Whether threads of a block that touch the same shared memory without a barrier between fail the
// launch; on at first. Without, only the random order shows them.
void llmrt_emulation_detect_races(int on);

// Of each device. A context takes llmrt_emulation_context_bytes() of it.
void llmrt_emulation_set_total_memory(uint64_t bytes);
uint64_t llmrt_emulation_context_bytes();

// Driver calls since the last reset of their count, and the symbol of call `index` (from 0; null
// beyond the last).
uint64_t llmrt_emulation_calls();
const char* llmrt_emulation_call_name(uint64_t index);
void llmrt_emulation_reset_calls();

// Call number `index` (as above) does nothing and returns `result`. With `sticky` the context that
// is current then is broken as by a fault: every later call in it returns the same.
void llmrt_emulation_fail_call(uint64_t index, int result, int sticky);
void llmrt_emulation_fail_no_call();

struct LlmrtEmulationCounts {
  uint64_t contexts, modules, allocations, allocated_bytes, host_allocations, host_bytes;
  uint64_t streams, events, graphs, graph_execs;
};
void llmrt_emulation_counts(struct LlmrtEmulationCounts* counts);

// The calling thread's current context and how many lie on its stack; null and 0 where there is
// none.
void* llmrt_emulation_current_context(uint64_t* depth);

// What the emulation last found wrong, in one line: why a launch failed, or what a call was refused
// for. Empty if nothing. Valid until the next call of any function.
const char* llmrt_emulation_last_message();
void llmrt_emulation_clear_message();

// Sites: the calls of a kernel to the functions of device.h. Recording is off at first, since it
// costs time.
struct LlmrtEmulationSite {
  const char* kernel;
  const char* file;
  const char* wrapper;
  uint32_t line, column;
  uint32_t bytes;  // of the type, where the function has one
  uint32_t kinds;  // mutations that make sense here: bit k is kind k
};
void llmrt_emulation_record_sites(int on);
void llmrt_emulation_reset_sites();
uint32_t llmrt_emulation_site_count();
// Returns 0 beyond the last. The strings stay valid until the sites are reset.
int llmrt_emulation_site(uint32_t index, struct LlmrtEmulationSite* site);

// A change of the kernel's source at one site.
enum LlmrtMutation {
  LLMRT_MUTATION_NONE = 0,
  LLMRT_MUTATION_SKIP = 1,          // SyncBlock, SyncWarp, CommitCopies, WaitCopies, matrix product
  LLMRT_MUTATION_OTHER_LANE = 2,    // a shuffle's lane xor 1
  LLMRT_MUTATION_NEXT_ELEMENT = 3,  // an address moved forward by one element of its type
  LLMRT_MUTATION_NEXT_INDEX = 4,    // one more than the index
  LLMRT_MUTATION_SWAP_ROWS = 5,     // matrix product: rows g and g + 8 of A exchanged
  LLMRT_MUTATION_INVERT = 6,        // CopyAsync16's `valid`, Ballot's predicate
  LLMRT_MUTATION_SWAP_HALVES = 7,   // PackPair
  LLMRT_MUTATION_DOUBLE = 8,        // the number of a block's threads or of a grid's blocks
  LLMRT_MUTATION_WEAKEN = 9,      // SyncBlock: SyncWarp; WaitCopies: one group more may be missing
  LLMRT_MUTATION_TRANSPOSE = 10,  // matrix loads
};
// At most one is planted; it stays until another is planted or llmrt_emulation_unplant().
// Returns 0 for a site or kind that does not exist.
int llmrt_emulation_plant(uint32_t site, int kind);
void llmrt_emulation_unplant();
// How many times a thread has run through the planted mutation.
uint64_t llmrt_emulation_planted_hits();

}  // extern "C"
