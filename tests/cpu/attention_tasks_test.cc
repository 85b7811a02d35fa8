// How an Attention op is cut: every query head of every row goes to one kernel call, exactly once,
// and rows that may share keys do.
#include "cpu/attention_tasks.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "tests/cpu/counted_kernels.h"
#include "tests/ops/random_data.h"

namespace llmrt::cpu {
namespace {

using backend::Range;

constexpr int64_t kHeadDim = 8;

// What the kernel of these tests was called with. (A kernel is a plain function.)
std::vector<AttentionTask> calls;
void Record(const AttentionTask& task) { calls.push_back(task); }

class Op {
 public:
  // Where q and out begin: nobody reads or writes them.
  static float* Base() { return reinterpret_cast<float*>(uintptr_t{1} << 40); }

  Op(int32_t num_kv_heads, int32_t group, int32_t head_dim = kHeadDim)
      : shape_{.num_layers = 1, .num_kv_heads = num_kv_heads, .head_dim = head_dim} {
    cache_ = CpuKvCache::Create(TestMemory(), shape_, 1).value();
    params_.num_q_heads = num_kv_heads * group;
    params_.cache = cache_.get();
    params_.q = Base();
    params_.out = Base();
  }
  void Add(int32_t sequence, int32_t position, int32_t count = 1) {
    for (int32_t i = 0; i < count; ++i) batch_.Add(sequence, position + i);
    batch_.tables.resize(batch_.positions.size());
  }
  int64_t units() const { return static_cast<int64_t>(batch_.tokens.size()) * params_.num_q_heads; }

  // The calls of all tasks.
  std::vector<AttentionTask> Cut(Range heads, int32_t threads) {
    const backend::Batch view = batch_.View();
    params_.batch = &view;
    const AttentionTasks tasks(params_, heads, threads);
    calls.clear();
    for (int64_t i = 0; i < tasks.count(); ++i) tasks.Run(i, Record, nullptr);
    return calls;
  }
  // How often each unit of the op is some call's.
  std::vector<int> CountUnits(const std::vector<AttentionTask>& cut) const {
    std::vector<int> units(static_cast<size_t>(this->units()));
    for (const AttentionTask& task : cut) {
      const int64_t first = (task.q - Base()) / shape_.head_dim;
      for (int64_t row = 0; row < task.num_rows; ++row) {
        for (int64_t g = 0; g < task.group; ++g) {
          ++units[static_cast<size_t>(first + row * params_.num_q_heads + g)];
        }
        EXPECT_EQ(task.num_keys + row,
                  batch_.positions[static_cast<size_t>(first / params_.num_q_heads + row)] + 1);
      }
    }
    return units;
  }

 private:
  const backend::KvShape shape_;
  std::unique_ptr<backend::KvCache> cache_;
  ops::OwnedBatch batch_;
  backend::AttentionParams params_;
};

TEST(AttentionTasksTest, EveryHeadOfTheRangeIsCutOnce) {
  for (const int32_t group : {1, 3, 4, 40, 100}) {
    for (const int32_t kv_heads : {1, 3}) {
      Op op(kv_heads, group);
      op.Add(0, 10, 7);
      op.Add(1, 17);
      op.Add(2, 18, 2);
      op.Add(2, 18, 3);
      for (const int32_t threads : {1, 2, 5, 64}) {
        for (int64_t begin = 0; begin < op.units(); begin += 1 + op.units() / 7) {
          for (int64_t end = begin + 1; end <= op.units(); end += 1 + op.units() / 9) {
            const std::vector<int> seen = op.CountUnits(op.Cut({begin, end}, threads));
            for (int64_t unit = 0; unit < op.units(); ++unit) {
              ASSERT_EQ(seen[static_cast<size_t>(unit)], unit >= begin && unit < end)
                  << group << " " << begin << " " << end << " " << threads << ": " << unit;
            }
          }
        }
      }
    }
  }
}

TEST(AttentionTasksTest, AChunkIsOneBlockForEachKvHead) {
  Op op(8, 4);
  op.Add(0, 100, 6);
  const std::vector<AttentionTask> cut = op.Cut({0, op.units()}, 2);
  ASSERT_EQ(cut.size(), 8u);
  for (const AttentionTask& task : cut) {
    EXPECT_EQ(task.num_rows, 6);
    EXPECT_EQ(task.group, 4);
    EXPECT_EQ(task.num_keys, 101);
    EXPECT_EQ(task.row_stride, 32 * kHeadDim);
  }
}

TEST(AttentionTasksTest, BlocksEndWhereSequencesOrPositionsDo) {
  Op op(1, 1);
  op.Add(0, 5, 2);  // rows 0 and 1
  op.Add(1, 7, 2);  // 2 and 3: the next positions, but another sequence
  op.Add(1, 10);    // 4: a gap
  op.Add(1, 10);    // 5: the same position again
  const std::vector<AttentionTask> cut = op.Cut({0, op.units()}, 1);
  std::vector<int64_t> rows;
  for (const AttentionTask& task : cut) rows.push_back(task.num_rows);
  EXPECT_EQ(rows, (std::vector<int64_t>{2, 2, 1, 1}));
}

TEST(AttentionTasksTest, NoCallHasMoreQueriesThanTheScratchHolds) {
  for (const int32_t head_dim : {8, 256, 260, 512}) {
    for (const int32_t group : {1, 5, 64, 65, 200}) {
      Op op(1, group, head_dim);
      op.Add(0, 0, 300);
      const int64_t most = head_dim > 256 ? kAttentionQueriesMax / 2 : kAttentionQueriesMax;
      for (const AttentionTask& task : op.Cut({0, op.units()}, 1)) {
        ASSERT_LE(task.num_rows * task.group, most);
      }
    }
  }
}

TEST(AttentionTasksTest, OneRowOfOneKvHeadIsSharedByTheThreads) {
  Op op(1, 32);
  op.Add(0, 4000);
  EXPECT_EQ(op.Cut({0, 32}, 4).size(), 4u);
  EXPECT_EQ(op.Cut({0, 32}, 1).size(), 1u);
}

}  // namespace
}  // namespace llmrt::cpu
