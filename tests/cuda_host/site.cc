#include "cuda_host/site.h"

#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <tuple>

namespace llmrt::cuda_host {
namespace {

constexpr const char* kWrapperNames[] = {"ThreadIndex",
                                         "LaneIndex",
                                         "WarpIndex",
                                         "BlockThreads",
                                         "BlockIndexX",
                                         "BlockIndexY",
                                         "BlockIndexZ",
                                         "GridSizeX",
                                         "GridSizeY",
                                         "GridSizeZ",
                                         "Load",
                                         "Store",
                                         "SyncBlock",
                                         "SyncWarp",
                                         "ShuffleXor",
                                         "ShuffleFrom",
                                         "Ballot",
                                         "CopyAsync16",
                                         "CommitCopies",
                                         "WaitCopies",
                                         "LoadMatrices4",
                                         "LoadMatrices4Transposed",
                                         "LoadMatrices2",
                                         "LoadMatrices2Transposed",
                                         "MultiplyAccumulate",
                                         "PackPair"};

struct Site {
  std::string kernel;
  std::string file;
  Wrapper wrapper;
  uint32_t line, column, bytes;
};

struct SiteBook {
  bool recording = false;
  std::deque<Site> sites;  // strings must not move
  std::map<std::tuple<std::string, std::string, uint32_t, uint32_t, int, int>, size_t> by_place;
  // Pointers of the running kernel's calls that are in `sites`: strings need not be compared again.
  std::map<std::tuple<const char*, uint32_t, uint32_t, int, int>, bool> seen;
  const char* kernel = nullptr;
  Site planted;
  int planted_kind = LLMRT_MUTATION_NONE;
  bool planted_in_kernel = false;
  uint64_t hits = 0;
};

SiteBook& Book() {
  static SiteBook book;
  return book;
}

void Record(SiteBook& book, const Call& call) {
  const Location& at = call.location;
  const auto key = std::make_tuple(at.file_name(), at.line(), at.column(),
                                   static_cast<int>(call.wrapper), int{call.bytes});
  if (!book.seen.try_emplace(key, true).second) return;
  const auto place =
      std::make_tuple(std::string(book.kernel), std::string(at.file_name()), at.line(), at.column(),
                      static_cast<int>(call.wrapper), int{call.bytes});
  if (!book.by_place.try_emplace(place, book.sites.size()).second) return;
  book.sites.push_back(
      {book.kernel, at.file_name(), call.wrapper, at.line(), at.column(), call.bytes});
}

constexpr uint32_t Bit(int kind) { return 1u << kind; }

}  // namespace

bool watching_calls = false;

const char* WrapperName(Wrapper wrapper) { return kWrapperNames[static_cast<int>(wrapper)]; }

uint32_t MutationKinds(Wrapper wrapper) {
  switch (wrapper) {
    case Wrapper::kThreadIndex:
    case Wrapper::kLaneIndex:
    case Wrapper::kWarpIndex:
    case Wrapper::kBlockIndexX:
    case Wrapper::kBlockIndexY:
    case Wrapper::kBlockIndexZ:
      return Bit(LLMRT_MUTATION_NEXT_INDEX);
    case Wrapper::kBlockThreads:
    case Wrapper::kGridSizeX:
    case Wrapper::kGridSizeY:
    case Wrapper::kGridSizeZ:
      return Bit(LLMRT_MUTATION_DOUBLE);
    case Wrapper::kSyncBlock:
    case Wrapper::kWaitCopies:
      return Bit(LLMRT_MUTATION_SKIP) | Bit(LLMRT_MUTATION_WEAKEN);
    case Wrapper::kSyncWarp:
    case Wrapper::kCommitCopies:
      return Bit(LLMRT_MUTATION_SKIP);
    case Wrapper::kShuffleXor:
    case Wrapper::kShuffleFrom:
      return Bit(LLMRT_MUTATION_OTHER_LANE);
    case Wrapper::kBallot:
      return Bit(LLMRT_MUTATION_INVERT);
    case Wrapper::kCopyAsync16:
      return Bit(LLMRT_MUTATION_NEXT_ELEMENT) | Bit(LLMRT_MUTATION_INVERT);
    case Wrapper::kLoadMatrices4:
    case Wrapper::kLoadMatrices4Transposed:
    case Wrapper::kLoadMatrices2:
    case Wrapper::kLoadMatrices2Transposed:
      return Bit(LLMRT_MUTATION_NEXT_ELEMENT) | Bit(LLMRT_MUTATION_TRANSPOSE);
    case Wrapper::kMultiplyAccumulate:
      return Bit(LLMRT_MUTATION_SKIP) | Bit(LLMRT_MUTATION_SWAP_ROWS);
    case Wrapper::kPackPair:
      return Bit(LLMRT_MUTATION_SWAP_HALVES);
    default:
      return Bit(LLMRT_MUTATION_NEXT_ELEMENT);
  }
}

int VisitCall(const Call& call) {
  SiteBook& book = Book();
  if (book.recording) Record(book, call);
  const Site& planted = book.planted;
  const Location& at = call.location;
  if (!book.planted_in_kernel || planted.line != at.line() || planted.column != at.column() ||
      planted.wrapper != call.wrapper || planted.bytes != call.bytes ||
      planted.file != at.file_name()) {
    return LLMRT_MUTATION_NONE;
  }
  ++book.hits;
  return book.planted_kind;
}

void BeginKernelCalls(const char* kernel) {
  SiteBook& book = Book();
  book.kernel = kernel;
  book.seen.clear();
  book.planted_in_kernel =
      book.planted_kind != LLMRT_MUTATION_NONE && book.planted.kernel == kernel;
  watching_calls = book.recording || book.planted_in_kernel;
}

void EndKernelCalls() { watching_calls = false; }

const char* FileName(const char* path) {
  const char* slash = std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

void RecordSites(bool on) { Book().recording = on; }

void ResetSites() {
  Book().sites.clear();
  Book().by_place.clear();
}

uint32_t SiteCount() { return static_cast<uint32_t>(Book().sites.size()); }

bool DescribeSite(uint32_t index, LlmrtEmulationSite* out) {
  if (index >= SiteCount()) return false;
  const Site& site = Book().sites[index];
  *out = {.kernel = site.kernel.c_str(),
          .file = site.file.c_str(),
          .wrapper = WrapperName(site.wrapper),
          .line = site.line,
          .column = site.column,
          .bytes = site.bytes,
          .kinds = MutationKinds(site.wrapper)};
  return true;
}

bool PlantMutation(uint32_t index, int kind) {
  SiteBook& book = Book();
  if (index >= book.sites.size() || kind <= 0 || kind > 31) return false;
  if ((MutationKinds(book.sites[index].wrapper) & Bit(kind)) == 0) return false;
  book.planted = book.sites[index];
  book.planted_kind = kind;
  book.hits = 0;
  return true;
}

void UnplantMutation() { Book().planted_kind = LLMRT_MUTATION_NONE; }

uint64_t PlantedHits() { return Book().hits; }

}  // namespace llmrt::cuda_host
