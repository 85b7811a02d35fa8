// What arrives, its hash and every failure are the same whoever reads: one thread or several, from
// a file, from memory or from a host's reader.
#include "model/weight_loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backend/create_backend.h"
#include "formats/model_file_builder.h"
#include "memory/counted_heap.h"
#include "tests/cpu/host_jobs.h"
#include "tests/model/recording_backend.h"

namespace llmrt::model {
namespace {

using backend::WeightType;
using cpu::HostJobs;
using llmrt::testing::RecordingBackend;

enum class Kind { kFile, kMemory, kHostReader };

// Bytes that are served as the kind is, with reads that fail where a test says.
class TestSource final : public formats::ByteSource {
 public:
  TestSource(std::vector<uint8_t> bytes, Kind kind) : bytes_(std::move(bytes)), kind_(kind) {}

  int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
  std::string_view name() const override { return "test"; }
  bool reads_in_parallel() const override { return kind_ != Kind::kHostReader; }
  const uint8_t* mapped() const override {
    return kind_ == Kind::kMemory ? bytes_.data() : nullptr;
  }
  void Forget(int64_t, int64_t bytes) override { forgotten_ += bytes; }

  absl::Status ReadAt(int64_t offset, absl::Span<uint8_t> out) override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      offsets_.push_back(offset);
      readers_.insert(std::this_thread::get_id());
    }
    if (offset >= fails_from_ && offset < fails_to_) {
      return absl::UnavailableError(absl::StrCat("no bytes at ", offset));
    }
    std::copy_n(bytes_.begin() + offset, out.size(), out.begin());
    return absl::OkStatus();
  }

  void FailIn(int64_t from, int64_t to) { fails_from_ = from, fails_to_ = to; }
  // Another bit in the file.
  void Flip(int64_t offset) { bytes_[static_cast<size_t>(offset)] ^= 1; }
  const std::vector<uint8_t>& bytes() const { return bytes_; }
  const std::vector<int64_t>& offsets() const { return offsets_; }
  const std::set<std::thread::id>& readers() const { return readers_; }
  int64_t forgotten_bytes() const { return forgotten_; }

 private:
  std::vector<uint8_t> bytes_;
  const Kind kind_;
  std::mutex mutex_;
  std::vector<int64_t> offsets_;
  std::set<std::thread::id> readers_;
  int64_t fails_from_ = 0;
  int64_t fails_to_ = 0;
  std::atomic<int64_t> forgotten_{0};
};

constexpr int64_t kNormElements = 256;

// Three matrices and a norm, which lie in the file in another order than they are asked for: one of
// several chunks, one of several pieces, one that does not end with a whole step of rows.
class LoadCase {
 public:
  // Tiny matrices, each a chunk, before the large one, of three. The second chunk of that one is
  // then the last of the first wave.
  static constexpr int kManyTensors = 252;
  static_assert(2 + kManyTensors + 2 == WeightLoader::kWaveChunks);  // small and norm stand first

  struct Options {
    uint32_t seed = 1;
    int tiny_tensors = 0;
    backend::JobHook job_hook;
  };
  LoadCase(Kind kind, int32_t threads) : LoadCase(kind, threads, Options{}) {}
  LoadCase(Kind kind, int32_t threads, const Options& settings) : memory_(0) {
    backend::BackendOptions options;
    options.memory = &memory_;
    options.threads = threads;
    options.job_hook = settings.job_hook;
    backend_ = std::make_unique<RecordingBackend>(backend::CreateCpuBackend(options).value());
    formats::ModelFileBuilder builder;
    Place(builder, "small", WeightType::kQ4_0, 37, 64);
    Place(builder, "norm", WeightType::kF16, 1, kNormElements);
    for (int i = 0; i < settings.tiny_tensors; ++i) {
      Place(builder, absl::StrCat("tiny.", 1000 + i), WeightType::kF32, 17, 32);
    }
    Place(builder, "large", WeightType::kF32, 2500, 512);
    Place(builder, "middle", WeightType::kQ8_0, 3001, 256);
    std::vector<uint8_t> bytes(static_cast<size_t>(end_));
    std::mt19937_64 random(settings.seed);
    for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
      const uint64_t word = random();
      std::memcpy(bytes.data() + i, &word, 8);
    }
    source_ = std::make_shared<TestSource>(std::move(bytes), kind);
    builder.AddPart(source_);
    file_ = builder.Finish();
  }

  absl::Status Load(const LoadProgress& progress = nullptr) {
    matrices_.clear();
    WeightLoader loader(*file_, *backend_, progress,
                        {.tensors = static_cast<int64_t>(file_->tensors().size()),
                         .vector_elements = kNormElements});
    for (const formats::TensorInfo& tensor : file_->tensors()) {
      if (tensor.name == "norm") continue;
      matrices_.push_back(
          backend_->CreateMatrix(tensor.type, tensor.rows(), tensor.cols()).value());
      loader.AddMatrix(tensor, *matrices_.back());
    }
    norm_ = backend_->CreateBuffer(kNormElements * 4, memory::Tag::kWeights).value();
    loader.AddVector(*file_->FindTensor("norm"), *norm_, 0);
    absl::Status status = loader.Run();
    hash_ = loader.hash();
    return status;
  }

  // Where a matrix lies in the file.
  int64_t OffsetOf(const char* name) const { return file_->FindTensor(name)->offset; }

  // Whether each matrix has the bytes of its place in the file.
  bool EveryMatrixIsThatOfTheFile() {
    size_t next = 0;
    for (const formats::TensorInfo& tensor : file_->tensors()) {
      if (tensor.name == "norm") continue;
      const std::vector<uint8_t>& content = backend_->content(*matrices_[next++]);
      if (static_cast<int64_t>(content.size()) != tensor.bytes ||
          !std::equal(content.begin(), content.end(), source_->bytes().begin() + tensor.offset)) {
        return false;
      }
    }
    return true;
  }

  // All that arrived, matrices first.
  std::vector<uint8_t> Content() {
    std::vector<uint8_t> all;
    for (const auto& matrix : matrices_) {
      const std::vector<uint8_t>& one = backend_->content(*matrix);
      all.insert(all.end(), one.begin(), one.end());
    }
    all.insert(all.end(), norm_->data(), norm_->data() + norm_->bytes());
    return all;
  }

  static constexpr WeightLoader::Limits kLimits = {.tensors = 4, .vector_elements = kNormElements};
  RecordingBackend& backend() { return *backend_; }
  TestSource& source() { return *source_; }
  const formats::ModelFile& file() const { return *file_; }
  const std::vector<std::unique_ptr<backend::Matrix>>& matrices() const { return matrices_; }
  uint64_t hash() const { return hash_; }
  int64_t bytes() const { return end_; }

 private:
  void Place(formats::ModelFileBuilder& builder, std::string name, WeightType type, int64_t rows,
             int64_t cols) {
    const int64_t bytes = rows * *backend::RowBytes(type, cols);
    builder.AddTensor({.name = std::move(name),
                       .type = type,
                       .num_dims = 2,
                       .dims = {cols, rows, 1, 1},
                       .offset = end_,
                       .bytes = bytes});
    end_ += bytes;
  }

  int64_t end_ = 0;
  memory::LargeMemory memory_;
  std::unique_ptr<RecordingBackend> backend_;
  std::shared_ptr<TestSource> source_;
  std::unique_ptr<formats::ModelFile> file_;
  std::vector<std::unique_ptr<backend::Matrix>> matrices_;
  std::unique_ptr<backend::Buffer> norm_;
  uint64_t hash_ = 0;
};

TEST(WeightLoaderTest, ContentAndHashAreEqualForEveryReaderAndNumberOfThreads) {
  LoadCase first(Kind::kFile, 1);
  ASSERT_TRUE(first.Load().ok());
  const std::vector<uint8_t> content = first.Content();
  for (const Kind kind : {Kind::kFile, Kind::kMemory, Kind::kHostReader}) {
    for (const int32_t threads : {1, 2, 3, 4}) {
      LoadCase load(kind, threads);
      ASSERT_TRUE(load.Load().ok());
      EXPECT_TRUE(load.Content() == content) << threads;
      EXPECT_EQ(load.hash(), first.hash()) << threads;
    }
  }
}

TEST(WeightLoaderTest, EachRowComesOnceInWholeSteps) {
  for (const Kind kind : {Kind::kFile, Kind::kHostReader}) {
    for (const int32_t threads : {1, 3}) {
      LoadCase load(kind, threads);
      ASSERT_TRUE(load.Load().ok());
      for (const auto& matrix : load.matrices()) {
        EXPECT_TRUE(load.backend().EachRowCameOnce(*matrix)) << matrix->rows();
      }
      EXPECT_EQ(load.backend().broken_steps(), 0);
    }
  }
}

TEST(WeightLoaderTest, OtherBytesHaveAnotherHash) {
  LoadCase one(Kind::kFile, 2, {.seed = 1}), other(Kind::kFile, 2, {.seed = 2});
  ASSERT_TRUE(one.Load().ok() && other.Load().ok());
  EXPECT_NE(one.hash(), other.hash());
}

TEST(WeightLoaderTest, OneThreadReadsInTheOrderOfTheFile) {
  LoadCase load(Kind::kFile, 1);
  ASSERT_TRUE(load.Load().ok());
  EXPECT_TRUE(std::is_sorted(load.source().offsets().begin(), load.source().offsets().end()));
}

TEST(WeightLoaderTest, AHostsReaderIsCalledInOrderByTheCallingThreadAlone) {
  LoadCase load(Kind::kHostReader, 4);
  ASSERT_TRUE(load.Load().ok());
  EXPECT_TRUE(std::is_sorted(load.source().offsets().begin(), load.source().offsets().end()));
  EXPECT_EQ(load.source().readers(), std::set<std::thread::id>{std::this_thread::get_id()});
}

TEST(WeightLoaderTest, MemoryIsNotCopiedAndAllOfItIsForgotten) {
  LoadCase load(Kind::kMemory, 2);
  ASSERT_TRUE(load.Load().ok());
  EXPECT_TRUE(load.source().offsets().empty());
  EXPECT_EQ(load.source().forgotten_bytes(), load.bytes());
}

TEST(WeightLoaderTest, ProgressGrowsToTheWholeOnTheCallingThread) {
  for (const Kind kind : {Kind::kFile, Kind::kHostReader}) {
    LoadCase load(kind, 3);
    const std::thread::id test_thread = std::this_thread::get_id();
    int64_t last = 0;
    ASSERT_TRUE(load.Load([&](int64_t done) {
                      EXPECT_EQ(std::this_thread::get_id(), test_thread);
                      EXPECT_GT(done, last);
                      last = done;
                      return true;
                    })
                    .ok());
    EXPECT_EQ(last, load.bytes());
  }
}

// A host's threads that help are told nothing; and a host that runs jobs inside the call that hands
// them over makes the calling thread another worker, which is to be told no less.
TEST(WeightLoaderTest, ProgressIsTheCallingThreadsWhateverTheHostDoesWithJobs) {
  for (const HostJobs::Manner manner : cpu::kAllManners) {
    HostJobs jobs(manner);
    LoadCase load(Kind::kFile, 3, {.job_hook = jobs.hook()});
    const std::thread::id test_thread = std::this_thread::get_id();
    std::vector<int64_t> looks;
    ASSERT_TRUE(load.Load([&](int64_t done) {
                      EXPECT_EQ(std::this_thread::get_id(), test_thread);
                      looks.push_back(done);
                      return true;
                    })
                    .ok());
    EXPECT_EQ(looks.back(), load.bytes());
    if (manner != HostJobs::Manner::kInline) continue;
    EXPECT_EQ(load.source().readers().size(), 1u);
    EXPECT_EQ(looks.size(), load.source().offsets().size()) << "one for each piece";
    LoadCase cancelled(Kind::kFile, 3, {.job_hook = jobs.hook()});
    EXPECT_EQ(cancelled.Load([](int64_t) { return false; }).code(), absl::StatusCode::kCancelled);
    EXPECT_EQ(cancelled.source().offsets().size(), 1u) << "the first look ended it";
  }
}

// More chunks than one wave has. The cut lies inside the large matrix.
TEST(WeightLoaderTest, TheSecondWaveArrivesAndIsHashedLikeTheFirst) {
  const LoadCase::Options many = {.tiny_tensors = LoadCase::kManyTensors};
  LoadCase first(Kind::kFile, 1, many);
  ASSERT_TRUE(first.Load().ok());
  for (const Kind kind : {Kind::kFile, Kind::kMemory, Kind::kHostReader}) {
    for (const int32_t threads : {1, 3}) {
      LoadCase load(kind, threads, many);
      int64_t last = 0;
      ASSERT_TRUE(load.Load([&](int64_t done) {
                        EXPECT_GT(done, last);
                        last = done;
                        return true;
                      })
                      .ok());
      EXPECT_EQ(last, load.bytes());
      EXPECT_TRUE(load.EveryMatrixIsThatOfTheFile());
      for (const auto& matrix : load.matrices()) {
        EXPECT_TRUE(load.backend().EachRowCameOnce(*matrix)) << matrix->rows();
      }
      EXPECT_EQ(load.hash(), first.hash());
    }
  }
  // One bit of either wave.
  for (const int64_t offset : {first.OffsetOf("tiny.1100"), first.OffsetOf("middle")}) {
    LoadCase other(Kind::kFile, 2, many);
    other.source().Flip(offset);
    ASSERT_TRUE(other.Load().ok());
    EXPECT_NE(other.hash(), first.hash()) << offset;
  }
}

TEST(WeightLoaderTest, FailuresAndCancellingEndTheSecondWaveToo) {
  const LoadCase::Options many = {.tiny_tensors = LoadCase::kManyTensors};
  for (const int32_t threads : {1, 3}) {
    LoadCase failing(Kind::kFile, threads, many);
    const int64_t middle = failing.OffsetOf("middle");
    failing.source().FailIn(middle, failing.bytes());
    EXPECT_EQ(failing.Load(), absl::UnavailableError(absl::StrCat("no bytes at ", middle)));
    LoadCase cancelled(Kind::kFile, threads, many);
    // The last chunk of the large matrix is of the second wave.
    const int64_t wave_bytes = middle - (2500 - 2048) * 512 * 4;
    EXPECT_EQ(cancelled.Load([&](int64_t done) { return done <= wave_bytes; }).code(),
              absl::StatusCode::kCancelled);
    // Of several threads the two chunks of that wave may be others'.
    if (threads > 1) continue;
    const std::vector<int64_t>& offsets = cancelled.source().offsets();
    EXPECT_EQ(std::count_if(offsets.begin(), offsets.end(),
                            [&](int64_t offset) { return offset >= wave_bytes; }),
              1)
        << "the first look ended it";
  }
}

// Offsets of all pieces, in the order of the file.
std::vector<int64_t> PieceOffsets() {
  LoadCase load(Kind::kFile, 1);
  EXPECT_TRUE(load.Load().ok());
  return load.source().offsets();
}

TEST(WeightLoaderTest, OfSeveralFailedReadsTheFirstInTheFileIsTold) {
  for (const int64_t offset : PieceOffsets()) {
    for (const Kind kind : {Kind::kFile, Kind::kHostReader}) {
      for (const int32_t threads : {1, 4}) {
        LoadCase load(kind, threads);
        load.source().FailIn(offset, load.bytes());  // this one and all behind it
        const absl::Status status = load.Load();
        EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
        EXPECT_EQ(status.message(), absl::StrCat("no bytes at ", offset)) << threads;
      }
    }
  }
}

TEST(WeightLoaderTest, EverySingleReadMayFail) {
  for (const int64_t offset : PieceOffsets()) {
    LoadCase load(Kind::kFile, 3);
    load.source().FailIn(offset, offset + 1);
    EXPECT_EQ(load.Load(), absl::UnavailableError(absl::StrCat("no bytes at ", offset)));
    load.source().FailIn(0, 0);
    EXPECT_TRUE(load.Load().ok());
  }
}

TEST(WeightLoaderTest, EveryLookAtTheProgressMayCancel) {
  for (const Kind kind : {Kind::kFile, Kind::kHostReader}) {
    for (const int32_t threads : {1, 3}) {
      int looks = 0;
      LoadCase whole(kind, threads);
      ASSERT_TRUE(whole.Load([&](int64_t) { return ++looks > 0; }).ok());
      for (int last = 1; last <= looks; ++last) {
        LoadCase load(kind, threads);
        int seen = 0;
        const absl::Status status = load.Load([&](int64_t) { return ++seen < last; });
        // Other threads may leave fewer looks to this one than the first time.
        if (seen < last) continue;
        EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << last;
        EXPECT_EQ(seen, last);
      }
    }
  }
}

TEST(WeightLoaderTest, EveryWriteMayRunOutOfMemory) {
  LoadCase load(Kind::kFile, 2);
  ASSERT_TRUE(load.Load().ok());
  const int64_t writes = load.backend().writes();
  ASSERT_GT(writes, 20);
  for (int64_t write = 1; write <= writes; ++write) {
    load.backend().ThrowAt(write);
    EXPECT_EQ(load.Load().code(), absl::StatusCode::kResourceExhausted) << write;
  }
  load.backend().ThrowAt(0);
  EXPECT_TRUE(load.Load().ok());
}

TEST(WeightLoaderTest, TakesFromTheHeapWhatItSaysAndNothingWhileItRuns) {
  if (!memory::HeapIsCounted()) GTEST_SKIP() << "a sanitizer keeps its own operator new";
  for (const int32_t threads : {1, 3}) {
    LoadCase load(Kind::kFile, threads);
    const int64_t before = memory::HeapBytes();
    WeightLoader loader(load.file(), load.backend(), nullptr, LoadCase::kLimits);
    EXPECT_EQ(memory::HeapBytes() - before,
              WeightLoader::HeapBytes(load.file(), threads, LoadCase::kLimits));
    const int64_t allocations = memory::HeapAllocations();
    const auto& file = load.file();
    const auto norm = load.backend().CreateBuffer(kNormElements * 4, memory::Tag::kWeights).value();
    const int64_t buffer_allocations = memory::HeapAllocations() - allocations;
    loader.AddVector(*file.FindTensor("norm"), *norm, 0);
    ASSERT_TRUE(loader.Run().ok());
    // TestSource notes each read in a vector and, once a thread, in a set.
    EXPECT_LE(memory::HeapAllocations() - allocations - buffer_allocations, 2);
  }
}

TEST(WeightLoaderTest, WhatWasReadBeforeCountsAndEntersTheHash) {
  LoadCase load(Kind::kFile, 1);
  int64_t done = 0;
  const LoadProgress progress = [&](int64_t bytes) {
    done = bytes;
    return bytes < 100;
  };
  WeightLoader loader(load.file(), load.backend(), progress, LoadCase::kLimits);
  const uint64_t empty = loader.hash();
  const std::vector<uint8_t> content(8, 1);
  EXPECT_TRUE(loader.AddRead(content, 99).ok());
  EXPECT_EQ(done, 99);
  EXPECT_NE(loader.hash(), empty);
  EXPECT_EQ(loader.AddRead(content, 1).code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace llmrt::model
