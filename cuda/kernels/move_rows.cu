// Rows that move towards the front of their buffer (elementwise.h). A thread owns one column, of 4
// or 16 bytes, of all rows, so no two threads share a byte and no barrier is needed. It goes
// through the rows ascending and reads each before it writes there, as to < from. No shared memory.
#include "cuda/device/device.h"
#include "cuda/kernels/elementwise.h"

namespace llmrt::cuda {
namespace {

// Reads of a thread that are under way at a time: the rows of a step one after the other would wait
// for the memory's latency as often. Those that are not read yet lie behind all that are written:
// the last of a group goes to row to + i, the next group begins at from + i + 1.
constexpr int kRowsAtOnce = 8;

template <typename Column>
LLMRT_DEVICE void MoveColumn(const MoveRowsArgs& args, int64_t column) {
  const auto at = [&](int64_t row) {
    return reinterpret_cast<Column*>(args.rows + row * args.row_bytes) + column;
  };
  for (int64_t first = 0; first < args.count; first += kRowsAtOnce) {
    Column moved[kRowsAtOnce] = {};
    for (int i = 0; i < kRowsAtOnce; ++i) {
      if (first + i < args.count) moved[i] = Load(at(args.from + first + i));
    }
    for (int i = 0; i < kRowsAtOnce; ++i) {
      if (first + i < args.count) Store(at(args.to + first + i), moved[i]);
    }
  }
}

}  // namespace

LLMRT_KERNEL(MoveRowsKernel, MoveRowsArgs, kMoveRowsThreads) {
  const int64_t column_bytes = MoveRowsColumnBytes(args);
  const int64_t column = int64_t{BlockIndexX()} * BlockThreads() + ThreadIndex();
  if (column >= args.row_bytes / column_bytes) return;
  if (column_bytes == 16) {
    MoveColumn<Vector<uint32_t, 4>>(args, column);
  } else {
    MoveColumn<uint32_t>(args, column);
  }
}

}  // namespace llmrt::cuda
