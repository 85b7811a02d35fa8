#include "cpu/job_seats.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>

#include "gtest/gtest.h"
#include "tests/cpu/host_jobs.h"

namespace llmrt::cpu {
namespace {

using Manner = HostJobs::Manner;

void WaitFor(const std::atomic<int>& value, int wanted) {
  while (value < wanted) std::this_thread::yield();
}

TEST(JobSeatsTest, EverySeatIsAskedForOnceAndHeldByOneJob) {
  HostJobs host(Manner::kSoon, 4);
  std::atomic<int> inside{0};
  std::atomic<bool> end{false};
  std::atomic<int> holders[3] = {};
  const auto seats = JobSeats::Create(3, host.hook(), [&](int32_t seat) {
    EXPECT_EQ(++holders[seat], 1);
    ++inside;
    while (!end) std::this_thread::yield();
    --holders[seat];
  });
  EXPECT_EQ(seats->count(), 3);
  seats->Fill();
  WaitFor(inside, 3);
  for (int i = 0; i < 100; ++i) seats->Fill();
  EXPECT_EQ(host.submitted(), 3);
  end = true;
}

TEST(JobSeatsTest, AJobThatLeftIsReplaced) {
  HostJobs host(Manner::kNever, 0);
  int runs = 0;
  const auto seats = JobSeats::Create(2, host.hook(), [&](int32_t) { ++runs; });
  for (int i = 0; i < 5; ++i) {
    seats->Fill();
    host.RunTheRest();
  }
  EXPECT_EQ(runs, 10);
}

TEST(JobSeatsTest, AHostThatRunsJobsInsideTheCallIsAskedSeldom) {
  HostJobs host(Manner::kInline, 0);
  int runs = 0;
  const auto seats = JobSeats::Create(3, host.hook(), [&](int32_t) { ++runs; });
  for (int i = 0; i < 1000; ++i) seats->Fill();
  EXPECT_GE(runs, 2);
  EXPECT_LE(runs, 10);
  EXPECT_EQ(host.submitted(), runs);
}

TEST(JobSeatsTest, JobsThatWaitAreNotAskedForAgain) {
  HostJobs host(Manner::kNever);
  const auto seats = JobSeats::Create(3, host.hook(), [](int32_t) {});
  for (int i = 0; i < 1000; ++i) seats->Fill();
  EXPECT_EQ(host.submitted(), 3);
}

TEST(JobSeatsTest, AHostThatRefusesIsAskedSeldom) {
  struct Counter {
    int calls = 0;
  } counter;
  const backend::JobHook hook = {.submit =
                                     [](void* user, void (*)(void*), void*) {
                                       ++static_cast<Counter*>(user)->calls;
                                       return int32_t{1};
                                     },
                                 .user = &counter};
  const auto seats = JobSeats::Create(3, hook, [](int32_t) {});
  for (int i = 0; i < 1000; ++i) seats->Fill();
  EXPECT_GE(counter.calls, 2);
  EXPECT_LE(counter.calls, 10);
}

TEST(JobSeatsTest, AJobThatRunsAfterTheEndDoesNothingAndFreesItself) {
  HostJobs host(Manner::kNever);
  std::atomic<int> runs{0};
  {
    const auto seats = JobSeats::Create(2, host.hook(), [&](int32_t) { ++runs; });
    seats->Fill();
  }
  host.RunTheRest();
  EXPECT_EQ(host.finished(), 2);
  EXPECT_EQ(runs, 0);
}

TEST(JobSeatsTest, CloseWaitsForJobsThatAreInsideAndForNoOther) {
  HostJobs host(Manner::kSoon, 1);  // one thread: the second job waits behind the first
  std::atomic<int> inside{0};
  std::atomic<bool> end{false}, left{false};
  auto seats = JobSeats::Create(2, host.hook(), [&](int32_t) {
    ++inside;
    while (!end) std::this_thread::yield();
    left = true;
  });
  seats->Fill();
  WaitFor(inside, 1);
  std::thread ender([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    end = true;
  });
  seats->Close();
  EXPECT_TRUE(left);
  EXPECT_EQ(inside, 1);
  ender.join();
}

// The second job comes while Close waits for the first one: it frees itself, and nobody looks at it
// again.
TEST(JobSeatsTest, AJobMayComeWhileCloseWaits) {
  for (int i = 0; i < 200; ++i) {
    HostJobs host(Manner::kSoon, 2);
    std::atomic<int> inside{0};
    std::atomic<bool> end{false};
    auto seats = JobSeats::Create(4, host.hook(), [&](int32_t) {
      ++inside;
      while (!end) std::this_thread::yield();
    });
    seats->Fill();
    WaitFor(inside, 2);  // two more are waiting
    std::thread ender([&] { end = true; });
    seats->Close();
    ender.join();
    EXPECT_LE(inside, 4);
  }
}

TEST(JobSeatsTest, WhatAJobThrowsStaysInside) {
  HostJobs host(Manner::kInline, 0);
  const auto seats =
      JobSeats::Create(1, host.hook(), [](int32_t) { throw std::runtime_error("from a job"); });
  EXPECT_NO_THROW(seats->Fill());
  EXPECT_EQ(host.finished(), 1);
}

TEST(JobSeatsTest, AHostThatThrowsHasRefused) {
  const backend::JobHook hook = {
      .submit = [](void*, void (*)(void*), void*) -> int32_t { throw std::runtime_error("full"); }};
  const auto seats = JobSeats::Create(1, hook, [](int32_t) {});
  EXPECT_NO_THROW(seats->Fill());
}

// Seats come and go while a slow host still holds jobs of earlier ones.
TEST(JobSeatsTest, LateJobsOfManySeatsFindTheirOwn) {
  HostJobs host(Manner::kLate, 4);
  for (int i = 0; i < 200; ++i) {
    auto alive = std::make_unique<std::atomic<int>>(0);
    const auto seats = JobSeats::Create(3, host.hook(), [&alive](int32_t) { ++*alive; });
    for (int fill = 0; fill < 20; ++fill) seats->Fill();
    seats->Close();
    alive.reset();  // a job that still got in would touch freed memory
  }
}

}  // namespace
}  // namespace llmrt::cpu
