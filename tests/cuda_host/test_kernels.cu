#include "cuda/device/device.h"
#include "cuda_host/test_kernels.h"

namespace llmrt::cuda {

LLMRT_DEVICE uint32_t* SharedWords() { return reinterpret_cast<uint32_t*>(SharedMemory()); }

// out[i] = in[block's threads reversed]: neighbours in other warps are read after a barrier, which
// mistake 1 leaves out, mistake 2 makes in one half of the warps only, mistake 3 in one half of
// each warp, mistake 4 twice in one half of the warps, at other places.
LLMRT_KERNEL(ReverseKernel, TestArgs, 256) {
  const uint32_t i = ThreadIndex();
  const uint32_t base = BlockIndexX() * BlockThreads();
  Store(SharedWords() + i, Load(args.in + base + i));
  if (args.wrong == 2) {
    if (WarpIndex() % 2 == 0) SyncBlock();
  } else if (args.wrong == 3) {
    if (LaneIndex() % 2 == 0) SyncBlock();
  } else if (args.wrong == 4) {
    if (WarpIndex() % 2 == 0) {
      SyncBlock();
    } else {
      SyncBlock();
    }
  } else if (args.wrong != 1) {
    SyncBlock();
  }
  Store(args.out + base + i, Load(SharedWords() + BlockThreads() - 1 - i));
}

// The same inside of each warp, with SyncWarp; mistake 1 leaves it out.
LLMRT_KERNEL(ReverseWarpKernel, TestArgs, 64) {
  const uint32_t i = ThreadIndex();
  Store(SharedWords() + i, Load(args.in + i));
  if (args.wrong != 1) SyncWarp();
  Store(args.out + i, Load(SharedWords() + i / 32 * 32 + 31 - i % 32));
}

// Lanes exchange what `n` says.
LLMRT_KERNEL(ShuffleKernel, TestArgs, 64) {
  const uint32_t i = ThreadIndex();
  const uint32_t value = Load(args.in + i);
  uint32_t result = 0;
  if (args.wrong == 0) {
    result = ShuffleXor(value, static_cast<uint32_t>(args.n));
  } else if (args.wrong == 1) {
    result = ShuffleFrom(value, static_cast<uint32_t>(args.n));
  } else if (args.wrong == 2) {
    result = static_cast<uint32_t>(ShuffleXor(uint64_t{value} << 32, 1u) >> 32);
  } else {
    result = Ballot((value & 1) != 0);
  }
  Store(args.out + i, result);
}

// Lanes of a warp disagree: 1 another function, 2 the same function elsewhere, 3 some have ended,
// 4 another type.
LLMRT_KERNEL(DivergeKernel, TestArgs, 32) {
  const bool odd = LaneIndex() % 2 != 0;
  uint32_t result = 0;
  if (args.wrong == 1) {
    result = odd ? Ballot(true) : ShuffleXor(1u, 1u);
  } else if (args.wrong == 2) {
    if (odd) {
      result = Ballot(true);
    } else {
      result = Ballot(false);
    }
  } else if (args.wrong == 3) {
    if (odd) return;
    SyncWarp();
  } else if (args.wrong == 4) {
    float d[4] = {};
    const uint32_t a[4] = {};
    const uint32_t b[2] = {};
    odd ? MultiplyAccumulate<Half>(d, a, b) : MultiplyAccumulate<BFloat16>(d, a, b);
  }
  Store(args.out, result);
}

// One access of one thread that is wrong in one way; `n` is a word or byte offset.
LLMRT_KERNEL(AccessKernel, TestArgs, 32) {
  if (LaneIndex() != 0) return;
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(args.in);
  uint32_t* null = nullptr;
  switch (args.wrong) {
    case 0:
      return Store(args.out, Load(args.in + args.n));
    case 1:
      return Store(args.out + args.n, 7u);
    case 2:
      return Store(args.out, Load(reinterpret_cast<const uint32_t*>(bytes + args.n)));
    case 3: {
      const auto* vectors = reinterpret_cast<const Vector<uint32_t, 4>*>(bytes + args.n);
      return Store(args.out, Load(vectors).values[3]);
    }
    case 4:
      return Store(args.out, Load(null));
    case 5:
      return Store(SharedWords() + args.n, 7u);
    case 6:
      return Store(args.out, Load(SharedWords()));
    default: {
      const uint32_t local = 7;
      return Store(args.out, Load(&local));
    }
  }
}

// Thread i copies 16 bytes from in + 4 i to shared memory, waits and stores them at out + 4 i.
// Mistakes: 1 reads before the wait, 2 no wait, 3 no commit, 4 a target that is not aligned, 5 a
// source beyond the allocation, 6 a target that is not shared memory. n: valid or not.
LLMRT_KERNEL(CopyKernel, TestArgs, 32) {
  using Words = Vector<uint32_t, 4>;
  const uint32_t i = ThreadIndex();
  uint8_t* target = SharedMemory() + i * 16 + (args.wrong == 4 ? 4 : 0);
  const uint32_t* source = args.in + i * 4 + (args.wrong == 5 ? 4 : 0);
  const bool valid = args.n != 0;
  if (args.wrong == 6) {
    CopyAsync16(args.out + i * 4, source, valid);
  } else {
    CopyAsync16(target, source, valid);
  }
  if (args.wrong != 3) CommitCopies();
  Words words = Load(reinterpret_cast<const Words*>(SharedMemory() + i * 16));
  if (args.wrong != 2) WaitCopies<0>();
  if (args.wrong != 1) words = Load(reinterpret_cast<const Words*>(SharedMemory() + i * 16));
  Store(reinterpret_cast<Words*>(args.out + i * 4), words);
}

// Two groups; after WaitCopies<1> the first has landed and the second not.
LLMRT_KERNEL(TwoGroupsKernel, TestArgs, 32) {
  if (LaneIndex() != 0) return;
  CopyAsync16(SharedMemory(), args.in, true);
  CommitCopies();
  CopyAsync16(SharedMemory() + 16, args.in + 4, true);
  CommitCopies();
  WaitCopies<1>();
  Store(args.out, Load(SharedWords()));
  Store(args.out + 1, Load(SharedWords() + 4));
  WaitCopies<0>();
  Store(args.out + 2, Load(SharedWords() + 4));
}

// Copies of 64 threads, two groups on their way at a time; out[i] is the sum of word i of four
// tiles of 256 words.
LLMRT_KERNEL(PipelineKernel, TestArgs, 64) {
  const uint32_t i = ThreadIndex();
  const auto fetch = [&](uint32_t tile) {
    if (tile < 4) {
      CopyAsync16(SharedMemory() + tile % 3 * 1024 + i * 16, args.in + tile * 32 + i * 4, true);
    }
    CommitCopies();
  };
  fetch(0);
  fetch(1);
  uint32_t sum = 0;
  for (uint32_t tile = 0; tile < 4; ++tile) {
    WaitCopies<1>();
    SyncBlock();
    fetch(tile + 2);
    sum += Load(SharedWords() + tile % 3 * 256 + (i * 5 + 1) % 256);
  }
  Store(args.out + i, sum);
}

// Copies and, before waiting, lets the host's side of the test see which bytes were read when: the
// source changes in between.
LLMRT_KERNEL(LateSourceKernel, TestArgs, 32) {
  if (LaneIndex() != 0) return;
  CopyAsync16(SharedMemory(), args.in, true);
  CommitCopies();
  Store(args.in, 99u);
  WaitCopies<0>();
  Store(args.out, Load(SharedWords()));
}

// in: A [16, 16] and then B [8 columns, 16] as 16-bit values (n = 1: A as [k, m], B as [k,
// column]). out: D [16, 8].
template <typename Element>
LLMRT_DEVICE void Multiply(const TestArgs& args) {
  const uint32_t lane = LaneIndex();
  for (uint32_t i = lane; i < 192; i += kWarpLanes) Store(SharedWords() + i, Load(args.in + i));
  SyncWarp();
  const uint16_t* shared_a = reinterpret_cast<const uint16_t*>(SharedMemory());
  const uint16_t* shared_b = shared_a + 256;
  uint32_t a[4], b[2];
  if (args.n == 0) {
    LoadMatrices4(a, shared_a + lane % 16 * 16 + lane / 16 * 8);
    LoadMatrices2(b, shared_b + lane % 8 * 16 + lane / 8 % 2 * 8);
  } else {
    LoadMatrices4Transposed(a, shared_a + (lane % 8 + lane / 16 * 8) * 16 + lane / 8 % 2 * 8);
    LoadMatrices2Transposed(b, shared_b + lane % 16 * 8);
  }
  float d[4] = {0.5f, 0.5f, 0.5f, 0.5f};
  MultiplyAccumulate<Element>(d, a, b);
  for (uint32_t i = 0; i < 4; ++i) {
    float* row = reinterpret_cast<float*>(args.out) + (lane / 4 + i / 2 * 8) * 8;
    Store(row + lane % 4 * 2 + i % 2, d[i]);
  }
}
LLMRT_KERNEL(MultiplyHalfKernel, TestArgs, 32) { Multiply<Half>(args); }
LLMRT_KERNEL(MultiplyBFloatKernel, TestArgs, 32) { Multiply<BFloat16>(args); }

// out[0] = the pair (in[0], in[1]) as float16, out[1] as bfloat16, out[2] = in[2] * in[3] in
// float32.
LLMRT_KERNEL(RoundKernel, TestArgs, 32) {
  if (LaneIndex() != 0) return;
  const float* in = reinterpret_cast<const float*>(args.in);
  Store(args.out, PackPair<Half>(Load(in), Load(in + 1)));
  Store(args.out + 1, PackPair<BFloat16>(Load(in), Load(in + 1)));
  Store(reinterpret_cast<float*>(args.out) + 2, Load(in + 2) * Load(in + 3));
}

// Where each thread is: out[block * 64 + thread] = x, y, z of the block, its thread, lane and warp.
LLMRT_KERNEL(WhereKernel, TestArgs, 64) {
  const uint32_t x = BlockIndexX(), y = BlockIndexY(), z = BlockIndexZ();
  const uint32_t block = (z * GridSizeY() + y) * GridSizeX() + x;
  const uint32_t where =
      x | y << 4 | z << 8 | ThreadIndex() << 12 | LaneIndex() << 20 | WarpIndex() << 28;
  Store(args.out + block * BlockThreads() + ThreadIndex(), where);
}

// Each thread that runs adds itself to a list in device memory: in which order do they come?
LLMRT_KERNEL(OrderKernel, TestArgs, 64) {
  const uint32_t count = Load(args.in);
  Store(args.out + count, BlockIndexX() << 16 | ThreadIndex());
  Store(args.in, count + 1);
}

// One more in each word: launched twice, two more.
LLMRT_KERNEL(IncrementKernel, TestArgs, 32) {
  uint32_t* word = args.out + BlockIndexX() * 32 + ThreadIndex();
  Store(word, Load(word) + static_cast<uint32_t>(args.n));
}

}  // namespace llmrt::cuda
