#include "text/byte_level_bpe.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "formats/quote_for_message.h"
#include "text/utf8.h"

namespace llmrt::text {
namespace {

using formats::TokenKind;

uint64_t PairKey(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

// The merge loop, reused from pre-token to pre-token so that its memory is allocated once. A doubly
// linked list of token ids and a heap of (rank, position); an entry whose pair is gone is
// recognized when it comes up, because its rank names the pair. A merge adds at most two entries:
// O(n log n), also for a pre-token of a million letters.
class MergeLoop {
 public:
  explicit MergeLoop(const ByteLevelBpe& model) : model_(model) {}

  // Merges ids[first, end) in place and shortens the vector.
  void Run(size_t first, std::vector<int32_t>* ids) {
    const int32_t count = static_cast<int32_t>(ids->size() - first);
    if (count < 2) return;
    symbols_.clear();
    for (int32_t i = 0; i < count; ++i) symbols_.push_back({i - 1, i + 1, (*ids)[first + i]});
    symbols_.back().next = -1;
    for (int32_t i = 0; i + 1 < count; ++i) AddCandidate(i);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), ComesLater);
      const Candidate candidate = heap_.back();
      heap_.pop_back();
      Apply(candidate);
    }
    ids->resize(first);
    for (int32_t i = 0; i >= 0; i = symbols_[i].next) ids->push_back(symbols_[i].id);
  }

 private:
  struct Symbol {
    int32_t prev = -1;
    int32_t next = -1;
    int32_t id = -1;  // -1: merged into another
  };
  struct Candidate {
    int32_t rank = 0;
    int32_t left = 0;
  };

  // Heap order: the lowest rank comes first, of equal ones the leftmost.
  static bool ComesLater(const Candidate& a, const Candidate& b) {
    return a.rank > b.rank || (a.rank == b.rank && a.left > b.left);
  }

  void AddCandidate(int32_t left) {
    if (left < 0 || symbols_[left].next < 0) return;
    const int32_t rank = model_.FindRank(symbols_[left].id, symbols_[symbols_[left].next].id);
    if (rank < 0) return;
    heap_.push_back({rank, left});
    std::push_heap(heap_.begin(), heap_.end(), ComesLater);
  }

  void Apply(const Candidate& candidate) {
    const ByteLevelBpe::Merge& merge = model_.merge(candidate.rank);
    Symbol& left = symbols_[candidate.left];
    if (left.id != merge.left || left.next < 0) return;
    Symbol& right = symbols_[left.next];
    if (right.id != merge.right) return;
    left.id = merge.result;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) symbols_[left.next].prev = candidate.left;
    AddCandidate(left.prev);
    AddCandidate(candidate.left);
  }

  const ByteLevelBpe& model_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
};

}  // namespace

ByteLevelBpe::ByteLevelBpe(const Vocabulary& vocabulary, PreTokenizer pre_tokenizer)
    : vocabulary_(vocabulary), pre_tokenizer_(pre_tokenizer) {
  for (int byte = 0; byte < 256; ++byte) {
    byte_ids_[byte] = vocabulary_.Find(alphabet_.Encode(static_cast<uint8_t>(byte)));
  }
}

absl::StatusOr<std::unique_ptr<ByteLevelBpe>> ByteLevelBpe::Create(
    const Vocabulary& vocabulary, PreTokenizer pre_tokenizer,
    const std::vector<std::string>& merges) {
  if (merges.size() > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the tokenizer has ", merges.size(), " merges; the limit is 2147483647"));
  }
  std::unique_ptr<ByteLevelBpe> model(new ByteLevelBpe(vocabulary, pre_tokenizer));
  model->merges_.reserve(merges.size());
  model->ranks_.reserve(merges.size());
  for (const std::string& merge : merges) {
    if (absl::Status status = model->AddMerge(merge); !status.ok()) return status;
  }
  return model;
}

absl::Status ByteLevelBpe::AddMerge(std::string_view merge) {
  const auto error = [&](std::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("merge ", merges_.size(), " is ",
                                                   formats::QuoteForMessage(merge), "; ", what,
                                                   "; the file is damaged or badly converted"));
  };
  // From the second byte on: a token is not empty, but could begin with a space.
  const size_t space = merge.find(' ', 1);
  if (space == std::string_view::npos || space + 1 == merge.size()) {
    return error("a merge is two tokens with a space between");
  }
  const std::string_view left = merge.substr(0, space);
  const std::string_view right = merge.substr(space + 1);
  const Merge ids = {vocabulary_.Find(left), vocabulary_.Find(right),
                     vocabulary_.Find(absl::StrCat(left, right))};
  if (ids.left < 0 || ids.right < 0) return error("one of the two is not in the vocabulary");
  if (ids.result < 0) return error("the result is not in the vocabulary");
  ranks_.try_emplace(PairKey(ids.left, ids.right), static_cast<int32_t>(merges_.size()));
  merges_.push_back(ids);
  return absl::OkStatus();
}

int32_t ByteLevelBpe::FindRank(int32_t left, int32_t right) const {
  const auto it = ranks_.find(PairKey(left, right));
  return it == ranks_.end() ? -1 : it->second;
}

int32_t ByteLevelBpe::FindWhole(std::string_view pre_token) const {
  // In the byte alphabet a text is at least as long as its bytes.
  if (!pre_tokenizer_.whole_pre_tokens_first() || pre_token.size() > vocabulary_.longest())
    return -1;
  std::string encoded;
  alphabet_.AppendEncoded(pre_token, &encoded);
  const int32_t id = vocabulary_.Find(encoded);
  return id >= 0 && vocabulary_.kind(id) == TokenKind::kNormal ? id : -1;
}

absl::Status ByteLevelBpe::AppendBytes(std::string_view pre_token,
                                       std::vector<int32_t>* out) const {
  for (const char byte : pre_token) {
    int32_t id = byte_ids_[static_cast<uint8_t>(byte)];
    if (id < 0) id = vocabulary_.special().unknown;
    if (id < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("byte 0x", absl::Hex(static_cast<uint8_t>(byte), absl::kZeroPad2), " in ",
                       formats::QuoteForMessage(pre_token),
                       " is not in the vocabulary, which has no unknown token; leave it out"));
    }
    out->push_back(id);
  }
  return absl::OkStatus();
}

absl::Status ByteLevelBpe::Encode(std::string_view text, bool, std::vector<int32_t>* out) const {
  MergeLoop loop(*this);
  for (const std::string_view pre_token : pre_tokenizer_.Split(text)) {
    if (const int32_t whole = FindWhole(pre_token); whole >= 0) {
      out->push_back(whole);
      continue;
    }
    const size_t first = out->size();
    if (absl::Status status = AppendBytes(pre_token, out); !status.ok()) return status;
    loop.Run(first, out);
  }
  return absl::OkStatus();
}

std::string ByteLevelBpe::TokenBytes(int32_t id) const {
  const std::string_view piece = vocabulary_.piece(id);
  if (vocabulary_.kind(id) == TokenKind::kUserDefined) return std::string(piece);
  // Tokens that were added to a vocabulary by hand may be plain text; they stand for themselves.
  return alphabet_.Decode(piece).value_or(std::string(piece));
}

}  // namespace llmrt::text
