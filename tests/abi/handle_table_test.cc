#include "abi/handle_table.h"

#include <memory>
#include <thread>
#include <unordered_set>
#include <vector>

#include "gtest/gtest.h"
#include "memory/budget.h"
#include "memory/counted_heap.h"

namespace llmrt::abi {
namespace {

constexpr HandleType kType = HandleType::kSession;

HandleValue Insert(HandleTable& table, std::shared_ptr<void> object, const void* family = nullptr) {
  const HandleValue handle = table.Reserve(kType).value();
  table.Publish(handle, std::move(object), family);
  return handle;
}

class HandleTableTest : public testing::Test {
 protected:
  void TearDown() override {
    table_.FreeIfEmpty();
    retiring_.FreeIfEmpty();
  }
  HandleTable table_;
  HandleTable retiring_{0xfffffffe, 0xffffffff};  // two lives a slot
};

TEST_F(HandleTableTest, FindsWhatWasPublished) {
  const auto object = std::make_shared<int>(7);
  const HandleValue handle = Insert(table_, object);
  EXPECT_NE(handle, 0u);
  EXPECT_EQ(TypeOf(handle), kType);
  EXPECT_EQ(table_.Find(handle, kType), object);
  EXPECT_TRUE(table_.Release(handle, kType));
}

TEST_F(HandleTableTest, SlotsStayAndAreNobodysMemory) {
  const memory::BudgetRef engine = memory::Budget::Create(0, nullptr);
  std::vector<HandleValue> handles(5000);
  const memory::ScopedHeapAccount account(engine.get());
  for (HandleValue& handle : handles) handle = table_.Reserve(kType).value();
  EXPECT_EQ(engine->peak_bytes(), 0);
  for (const HandleValue handle : handles) table_.Abandon(handle);
}

TEST_F(HandleTableTest, HandlesAreNoAddresses) {
  const HandleValue handle = Insert(table_, std::make_shared<int>());
  // A user's addresses have at most 57 bits on x86-64 and 56 on AArch64.
  EXPECT_NE(handle >> 57, 0u);
  EXPECT_TRUE(table_.Release(handle, kType));
}

TEST_F(HandleTableTest, ReservedHandleIsNotFound) {
  const HandleValue handle = table_.Reserve(kType).value();
  EXPECT_EQ(table_.Find(handle, kType), nullptr);
  EXPECT_FALSE(table_.Release(handle, kType));
  EXPECT_EQ(table_.live(), 1);
  table_.Abandon(handle);
  EXPECT_EQ(table_.live(), 0);
  table_.Publish(handle, std::make_shared<int>(), nullptr);  // too late
  EXPECT_EQ(table_.Find(handle, kType), nullptr);
}

TEST_F(HandleTableTest, OtherTypesDoNotMatch) {
  const HandleValue handle = Insert(table_, std::make_shared<int>());
  EXPECT_EQ(table_.Find(handle, HandleType::kStream), nullptr);
  EXPECT_FALSE(table_.Release(handle, HandleType::kStream));
  const HandleValue retagged = (handle & ~(HandleValue{0xff} << 56)) |
                               HandleValue{static_cast<uint8_t>(HandleType::kStream)} << 56;
  EXPECT_EQ(table_.Find(retagged, HandleType::kStream), nullptr);
  EXPECT_TRUE(table_.Release(handle, kType));
}

TEST_F(HandleTableTest, ReleasedHandleStaysStaleWhenItsSlotLivesAgain) {
  std::unordered_set<HandleValue> seen;
  for (int i = 0; i < 1000; ++i) {
    const HandleValue handle = Insert(table_, std::make_shared<int>());
    EXPECT_TRUE(seen.insert(handle).second);
    EXPECT_TRUE(table_.Release(handle, kType));
    EXPECT_FALSE(table_.Release(handle, kType));
    EXPECT_EQ(table_.Find(handle, kType), nullptr);
  }
}

TEST_F(HandleTableTest, SlotRetiresWhenItsGenerationsAreUsedUp) {
  // 16 shards take turns; after 16 handles each first slot has had one life, after 32 its last.
  std::unordered_set<HandleValue> seen;
  for (int i = 0; i < 64; ++i) {
    const HandleValue handle = Insert(retiring_, std::make_shared<int>());
    EXPECT_TRUE(seen.insert(handle).second) << "handle " << i << " came back to life";
    EXPECT_TRUE(retiring_.Release(handle, kType));
  }
  for (const HandleValue handle : seen) EXPECT_EQ(retiring_.Find(handle, kType), nullptr);
  EXPECT_EQ(retiring_.live(), 0);
}

TEST_F(HandleTableTest, ObjectDiesWithItsLastReference) {
  const auto object = std::make_shared<int>();
  const HandleValue handle = Insert(table_, object);
  EXPECT_EQ(object.use_count(), 2);
  const auto found = table_.Find(handle, kType);
  EXPECT_TRUE(table_.Release(handle, kType));
  EXPECT_EQ(object.use_count(), 2);  // ours and the one found
}

// An object whose end goes back into the table, as an engine's does with its sessions.
struct Reentrant {
  HandleTable* table;
  HandleValue other;
  ~Reentrant() { table->Release(other, kType); }
};

TEST_F(HandleTableTest, DestructorsMayUseTheTable) {
  const HandleValue inner = Insert(table_, std::make_shared<int>());
  const HandleValue outer =
      Insert(table_, std::make_shared<Reentrant>(Reentrant{&table_, 0}), this);
  std::static_pointer_cast<Reentrant>(table_.Find(outer, kType))->other = inner;
  table_.ReleaseFamily(this);
  EXPECT_EQ(table_.live(), 0);
}

TEST_F(HandleTableTest, FamilyTurnsStaleAsAWhole) {
  const int mine = 0, other = 0;
  std::vector<HandleValue> handles, others;
  for (int i = 0; i < 500; ++i) {
    handles.push_back(Insert(table_, std::make_shared<int>(), &mine));
    others.push_back(Insert(table_, std::make_shared<int>(), i % 2 ? &other : nullptr));
  }
  table_.ReleaseFamily(&mine);
  for (const HandleValue handle : handles) EXPECT_EQ(table_.Find(handle, kType), nullptr);
  for (const HandleValue handle : others) EXPECT_NE(table_.Find(handle, kType), nullptr);
  EXPECT_EQ(table_.live(), 500);
  for (const HandleValue handle : others) EXPECT_TRUE(table_.Release(handle, kType));
}

TEST_F(HandleTableTest, MemoryIsFreedWhereNothingIsLive) {
  const HandleValue kept = Insert(table_, std::make_shared<int>());
  const HandleValue gone = Insert(table_, std::make_shared<int>());
  EXPECT_TRUE(table_.Release(gone, kType));
  table_.FreeIfEmpty();
  EXPECT_NE(table_.Find(kept, kType), nullptr);
  EXPECT_EQ(table_.Find(gone, kType), nullptr);
  EXPECT_TRUE(table_.Release(kept, kType));
  table_.FreeIfEmpty();
  EXPECT_EQ(table_.Find(kept, kType), nullptr);
  EXPECT_NE(Insert(table_, std::make_shared<int>()), 0u);  // and it can be used again
  table_.ReleaseFamily(nullptr);
}

TEST_F(HandleTableTest, ManyHandlesLiveAtOnce) {
  constexpr int kMany = 200'000;  // several chunks in each shard
  const auto object = std::make_shared<int>();
  std::vector<HandleValue> handles;
  for (int i = 0; i < kMany; ++i) handles.push_back(Insert(table_, object));
  EXPECT_EQ(std::unordered_set<HandleValue>(handles.begin(), handles.end()).size(), size_t{kMany});
  EXPECT_EQ(object.use_count(), kMany + 1);
  for (const HandleValue handle : handles) ASSERT_NE(table_.Find(handle, kType), nullptr);
  for (const HandleValue handle : handles) ASSERT_TRUE(table_.Release(handle, kType));
  EXPECT_EQ(object.use_count(), 1);
}

TEST_F(HandleTableTest, ThreadsShareTheTable) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 20'000; ++i) {
        const auto object = std::make_shared<int>(i);
        const HandleValue handle = Insert(table_, object);
        ASSERT_EQ(table_.Find(handle, kType), object);
        ASSERT_TRUE(table_.Release(handle, kType));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(table_.live(), 0);
}

}  // namespace
}  // namespace llmrt::abi
