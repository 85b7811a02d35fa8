#include "engine/bounded_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace llmrt::engine {
namespace {

TEST(BoundedQueueTest, HoldsWhatADequeHolds) {
  for (const int64_t capacity : {1, 2, 7}) {
    BoundedQueue<int> queue(capacity);
    std::deque<int> expected;
    std::mt19937 random(static_cast<uint32_t>(capacity));
    for (int step = 0; step < 1000; ++step) {
      const uint32_t action = random() % 8;
      if (action < 4 && queue.size() < capacity) {
        queue.Push(step);
        expected.push_back(step);
      } else if (!queue.empty()) {
        queue.DropOldest();
        expected.pop_front();
      }
      ASSERT_EQ(queue.size(), static_cast<int64_t>(expected.size()));
      ASSERT_EQ(queue.empty(), expected.empty());
      for (int64_t i = 0; i < queue.size(); ++i) {
        ASSERT_EQ(queue[i], expected[static_cast<size_t>(i)]);
      }
    }
  }
}

}  // namespace
}  // namespace llmrt::engine
