// A drafter guesses what a stream will say next; the step checks the guesses. What it says changes
// how many tokens a step gives, never which.
//
// A stream's way through a step: every drafter makes an offer (how sure it is, and what a token
// costs); the policy grants a number of tokens to the best offer; that drafter drafts them. One
// that has nothing after all leaves the grant to the next best.
#pragma once

#include <array>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "speculation/acceptance.h"
#include "speculation/prompt_lookup.h"

namespace llmrt::speculation {

// The host's own drafter of one stream: writes at most `capacity` tokens that may follow `history`
// and returns how many; negative: it failed.
struct HostDraft {
  int64_t (*propose)(void* user, const int32_t* history, int64_t num_history, int32_t* tokens,
                     int64_t capacity) = nullptr;
  void* user = nullptr;
};

// What drafters know of one stream, for as long as it runs.
struct StreamDrafts {
  // Prompt lookup. Null: off. What a match is worth depends on its length.
  static constexpr int kMatchClasses = 3;
  PromptLookup* lookup = nullptr;
  PromptLookup::Match match;
  std::array<Acceptance, kMatchClasses> by_match;

  // The host's drafter, while it has not failed.
  HostDraft host;
  double host_us_a_token = 0;
  Acceptance of_host;
};

struct Offer {
  const Acceptance* acceptance = nullptr;  // null: nothing to offer
  double us_a_token = 0;
};

// Why a stream's own drafter was dropped; `failure_value` of the task says more.
enum class DraftFailure : uint8_t { kNone, kThrew, kNegative, kTooMany, kNoToken };

// One stream's part of a drafting round.
struct DraftTask {
  StreamDrafts* stream = nullptr;
  absl::Span<const int32_t> history;      // its tokens
  int64_t granted = 0;                    // tokens to draft, 1 to kDraftMax
  int64_t drafted = 0;                    // tokens that were
  std::array<int32_t, kDraftMax> tokens;  // the first `drafted` count
  DraftFailure failure = DraftFailure::kNone;
  int64_t failure_value = 0;
};

class Drafter {
 public:
  virtual ~Drafter() = default;

  // A stream that begins to run: it is taken to be like those before it.
  virtual void Welcome(StreamDrafts& stream) = 0;

  // For a stream that has said `history`. Called for every stream in every step.
  virtual Offer MakeOffer(StreamDrafts& stream, absl::Span<const int32_t> history) = 0;

  // Drafts for all tasks. False: `stop` said so; the next call goes on, with the same tasks but for
  // those whose stream has left. After an error nothing was drafted for any of them.
  virtual absl::StatusOr<bool> Draft(absl::Span<DraftTask* const> tasks,
                                     absl::FunctionRef<bool()> stop) = 0;

  // Of the `drafted` tokens that it had for the stream last, the first `kept` were right.
  virtual void Learn(StreamDrafts& stream, int64_t drafted, int64_t kept) = 0;
};

}  // namespace llmrt::speculation
