#include "cpu/thread_pool.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "numerics/fp_mode.h"
#include "tests/cpu/host_jobs.h"

namespace llmrt::cpu {
namespace {

int CountThreads() {
  int count = 0;
  DIR* tasks = opendir("/proc/self/task");
  while (const dirent* entry = readdir(tasks)) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

// Threads that were joined may show for a moment longer.
void ExpectThreads(int expected) {
  for (int i = 0; i < 200 && CountThreads() != expected; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(CountThreads(), expected);
}

TEST(ThreadPoolTest, RunsEveryTaskOnce) {
  for (const int32_t threads : {1, 2, 4}) {
    auto pool = ThreadPool::Create(threads).value();
    EXPECT_EQ(pool->threads(), threads);
    for (const int64_t num_tasks : {0, 1, 2, 3, 7, 1000}) {
      std::vector<std::atomic<int>> calls(num_tasks);
      ASSERT_TRUE(pool->Run(num_tasks,
                            [&](int64_t task, int32_t worker) {
                              EXPECT_GE(worker, 0);
                              EXPECT_LT(worker, threads);
                              ++calls[task];
                            })
                      .ok());
      for (const auto& count : calls) EXPECT_EQ(count, 1);
    }
  }
}

// Runs as close together as a step's ops, with pauses that let workers fall asleep.
TEST(ThreadPoolTest, ManySmallRunsLoseNoTask) {
  auto pool = ThreadPool::Create(3).value();
  std::atomic<int64_t> sum{0};
  int64_t expected = 0;
  for (int run = 0; run < 3000; ++run) {
    const int64_t num_tasks = run % 5;
    ASSERT_TRUE(pool->Run(num_tasks, [&](int64_t task, int32_t) { sum += task + 1; }).ok());
    expected += num_tasks * (num_tasks + 1) / 2;
    ASSERT_EQ(sum, expected) << "run " << run;
    if (run % 300 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(ThreadPoolTest, TheCallerWaitsUntilSlowWorkersAreDone) {
  auto pool = ThreadPool::Create(3).value();
  for (int run = 0; run < 50; ++run) {
    std::atomic<int> arrived{0}, done{0};
    ASSERT_TRUE(pool->Run(3,
                          [&](int64_t, int32_t worker) {
                            ++arrived;
                            while (arrived < 3) std::this_thread::yield();
                            if (worker != 0) {
                              std::this_thread::sleep_for(std::chrono::microseconds(run * 10));
                            }
                            ++done;
                          })
                    .ok());
    ASSERT_EQ(done, 3);
  }
}

// Two workers that must meet: tasks do run at the same time, each worker on its own thread.
TEST(ThreadPoolTest, WorkersRunSideBySide) {
  auto pool = ThreadPool::Create(2).value();
  std::atomic<int> arrived{0};
  std::thread::id ids[2];
  ASSERT_TRUE(pool->Run(2,
                        [&](int64_t, int32_t worker) {
                          ids[worker] = std::this_thread::get_id();
                          ++arrived;
                          while (arrived < 2) std::this_thread::yield();
                        })
                  .ok());
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  EXPECT_NE(ids[0], ids[1]);
}

TEST(ThreadPoolTest, AnExceptionOnAnyThreadBecomesAStatus) {
  auto pool = ThreadPool::Create(3).value();
  for (int run = 0; run < 200; ++run) {
    const absl::Status thrown = pool->Run(50, [&](int64_t task, int32_t) {
      if (task == run % 50) throw std::runtime_error("from a task");
    });
    ASSERT_EQ(thrown.code(), absl::StatusCode::kInternal);
  }
  const absl::Status memory = pool->Run(50, [](int64_t, int32_t) { throw std::bad_alloc(); });
  EXPECT_EQ(memory.code(), absl::StatusCode::kResourceExhausted);
  std::atomic<int> calls{0};
  EXPECT_TRUE(pool->Run(50, [&](int64_t, int32_t) { ++calls; }).ok()) << "usable afterwards";
  EXPECT_EQ(calls, 50);
}

TEST(ThreadPoolTest, WorkersBlockEverySignalAndTheMakerKeepsItsMask) {
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  auto pool = ThreadPool::Create(2).value();
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int number : {SIGINT, SIGTERM, SIGUSR1, SIGALRM, SIGCHLD}) {
    EXPECT_EQ(sigismember(&after, number), sigismember(&before, number));
  }
  std::atomic<int> arrived{0};
  ASSERT_TRUE(pool->Run(2,
                        [&](int64_t, int32_t worker) {
                          ++arrived;
                          while (arrived < 2) std::this_thread::yield();
                          if (worker == 0) return;
                          sigset_t mask;
                          pthread_sigmask(SIG_SETMASK, nullptr, &mask);
                          for (const int number : {SIGINT, SIGTERM, SIGUSR1, SIGALRM, SIGCHLD}) {
                            EXPECT_EQ(sigismember(&mask, number), 1) << number;
                          }
                        })
                  .ok());
}

TEST(ThreadPoolTest, WorkersComputeInTheLibrarysFloatingPointMode) {
  auto pool = ThreadPool::Create(2).value();
  std::atomic<int> arrived{0};
  ASSERT_TRUE(pool->Run(2,
                        [&](int64_t, int32_t worker) {
                          ++arrived;
                          while (arrived < 2) std::this_thread::yield();
                          if (worker == 1) {
                            constexpr uint64_t kFlags = 0x3f;  // sticky: what happened so far
                            EXPECT_EQ(numerics::ScopedFpMode::Read() & ~kFlags,
                                      numerics::ScopedFpMode::kComputeMode);
                          }
                        })
                  .ok());
}

TEST(ThreadPoolTest, NoThreadIsLeftBehind) {
  std::thread([] {}).join();  // with the first thread a sanitizer may start one of its own
  const int before = CountThreads();
  for (int i = 0; i < 100; ++i) {
    auto pool = ThreadPool::Create(3).value();
    if (i % 2 == 0) {
      ASSERT_TRUE(pool->Run(3, [](int64_t, int32_t) {}).ok());
    }
  }
  ExpectThreads(before);
}

TEST(ThreadPoolTest, AnImpossibleCountIsRefused) {
  EXPECT_EQ(ThreadPool::Create(0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ThreadPool::Create(-1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ThreadPool::Create(100000).status().code(), absl::StatusCode::kInvalidArgument);
}

// The system's refusal, made by a limit on the address space: a status, and no thread left.
TEST(ThreadPoolTest, ARefusedThreadIsAStatus) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need the address space";
#endif
  const int before = CountThreads();
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_AS, &limit), 0);
  long pages = 0;
  FILE* statm = fopen("/proc/self/statm", "r");
  ASSERT_EQ(fscanf(statm, "%ld", &pages), 1);
  fclose(statm);
  rlimit tight = limit;
  // Room for a few stacks of 8 MB, not for a thousand.
  tight.rlim_cur = static_cast<rlim_t>(pages) * sysconf(_SC_PAGESIZE) + (rlim_t{256} << 20);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
  const auto pool = ThreadPool::Create(1000);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
  EXPECT_EQ(pool.status().code(), absl::StatusCode::kResourceExhausted);
  ExpectThreads(before);
}

// With a host's jobs instead of threads, whatever the host does with them.
class HostJobsTest : public testing::TestWithParam<HostJobs::Manner> {};

std::string MannerName(const testing::TestParamInfo<HostJobs::Manner>& info) {
  constexpr const char* kNames[] = {"Soon", "Late", "Never", "Refuses", "Inline"};
  return kNames[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Manners, HostJobsTest, testing::ValuesIn(kAllManners), MannerName);

TEST_P(HostJobsTest, EveryTaskRunsOnceAndNoThreadIsStarted) {
  HostJobs host(GetParam());
  const int before = CountThreads();
  auto pool = ThreadPool::Create(4, host.hook()).value();
  EXPECT_EQ(pool->threads(), 4);
  EXPECT_EQ(CountThreads(), before);
  std::atomic<int64_t> sum{0};
  int64_t expected = 0;
  for (int run = 0; run < 2000; ++run) {
    const int64_t num_tasks = run % 40;
    ASSERT_TRUE(pool->Run(num_tasks,
                          [&](int64_t task, int32_t worker) {
                            EXPECT_GE(worker, 0);
                            EXPECT_LT(worker, 4);
                            sum += task + 1;
                          })
                    .ok());
    expected += num_tasks * (num_tasks + 1) / 2;
    ASSERT_EQ(sum, expected) << "run " << run;
    // Long enough for jobs to leave, so that new ones must be asked for.
    if (run % 200 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (GetParam() == HostJobs::Manner::kSoon) {
    EXPECT_GT(host.submitted(), 3);
  }
}

TEST_P(HostJobsTest, PoolsMayGoWhileTheHostHoldsTheirJobs) {
  HostJobs host(GetParam());
  for (int i = 0; i < 100; ++i) {
    auto pool = ThreadPool::Create(3, host.hook()).value();
    std::atomic<int> calls{0};
    ASSERT_TRUE(pool->Run(10, [&](int64_t, int32_t) { ++calls; }).ok());
    EXPECT_EQ(calls, 10);
  }
}

// A worker's number is its scratch memory: two threads never have the same one at a time.
TEST_P(HostJobsTest, AWorkersNumberBelongsToOneThreadAtATime) {
  HostJobs host(GetParam(), 6);
  auto pool = ThreadPool::Create(4, host.hook()).value();
  std::atomic<int> holders[4] = {};
  for (int run = 0; run < 300; ++run) {
    ASSERT_TRUE(pool->Run(64,
                          [&](int64_t, int32_t worker) {
                            EXPECT_EQ(++holders[worker], 1);
                            --holders[worker];
                          })
                    .ok());
  }
}

TEST(ThreadPoolTest, AJobInsideTheCallDoesWhatThereIsToDo) {
  HostJobs host(HostJobs::Manner::kInline, 0);
  auto pool = ThreadPool::Create(2, host.hook()).value();
  int inside = 0;
  ASSERT_TRUE(pool->Run(4, [&](int64_t, int32_t worker) { inside += worker; }).ok());
  EXPECT_EQ(inside, 4);
  EXPECT_EQ(host.finished(), 1);
}

TEST(ThreadPoolTest, AHostsThreadWorksInOurModeAndKeepsItsOwn) {
  HostJobs host(HostJobs::Manner::kNever, 0);
  constexpr uint64_t kFlags = 0x3f;  // sticky: what happened so far
  auto pool = ThreadPool::Create(2, host.hook()).value();
  std::atomic<int> arrived{0};
  uint64_t inside = 0, before = 0, after = 0;
  std::thread worker([&] {
    while (host.waiting() == 0) std::this_thread::yield();
    before = numerics::ScopedFpMode::Read() & ~kFlags;
    host.RunTheRest();
    after = numerics::ScopedFpMode::Read() & ~kFlags;
  });
  ASSERT_TRUE(pool->Run(2,
                        [&](int64_t, int32_t number) {
                          if (number == 1) inside = numerics::ScopedFpMode::Read() & ~kFlags;
                          ++arrived;
                          while (arrived < 2) std::this_thread::yield();
                        })
                  .ok());
  worker.join();
  EXPECT_EQ(inside, numerics::ScopedFpMode::kComputeMode);
  EXPECT_NE(before, inside);
  EXPECT_EQ(before, after);
}

}  // namespace
}  // namespace llmrt::cpu
