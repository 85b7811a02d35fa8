// Large buffers from the host's hooks or from the system. The account is charged before the memory
// is asked for and refunded if there is none, so that allocations racing each other never pass the
// limit together.
#include "memory/large_buffer.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "memory/system_pages.h"

namespace llmrt::memory {
namespace {

std::string_view TagName(Tag tag) {
  switch (tag) {
    case Tag::kWeights:
      return "weights need";
    case Tag::kKv:
      return "the KV cache needs";
    case Tag::kWorkspace:
      return "the workspace needs";
  }
  return "a buffer needs";
}

// What makes the next attempt succeed, besides more memory.
std::string_view Remedy(Tag tag) {
  switch (tag) {
    case Tag::kWeights:
      return "choose a smaller model";
    case Tag::kKv:
      return "ask for fewer KV blocks";
    case Tag::kWorkspace:
      return "lower the tokens per step";
  }
  return "ask for less";
}

absl::Status OverBudget(int64_t bytes, Tag tag, int64_t used, int64_t limit) {
  return absl::ResourceExhaustedError(
      absl::StrCat(TagName(tag), " ", bytes, " bytes; ", used, " of the budget of ", limit,
                   " bytes are used; raise memory_budget_bytes or ", Remedy(tag)));
}

absl::Status SystemHasNone(int64_t bytes, Tag tag, int64_t used, bool from_host) {
  return absl::ResourceExhaustedError(absl::StrCat(
      TagName(tag), " ", bytes, " bytes and ", from_host ? "the host's allocator" : "the system",
      " has none; ", used, " bytes are used; free memory or ", Remedy(tag)));
}

void RaiseTo(std::atomic<int64_t>& peak, int64_t value) {
  int64_t seen = peak.load(std::memory_order_relaxed);
  while (seen < value && !peak.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

// One hook without the other would mix two allocators: both, or the system's.
HostHooks BothOrNone(HostHooks hooks) {
  if (hooks.allocate == nullptr || hooks.release == nullptr) return HostHooks{};
  return hooks;
}

}  // namespace

LargeBuffer& LargeBuffer::operator=(LargeBuffer&& other) noexcept {
  std::swap(owner_, other.owner_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(tag_, other.tag_);
  // What this buffer held must go back now, not when `other` happens to end.
  if (this != &other && other.owner_ != nullptr) {
    other.owner_->Release(other.data_, other.bytes_, other.tag_);
    other.owner_ = nullptr;
    other.data_ = nullptr;
    other.bytes_ = 0;
  }
  return *this;
}

LargeBuffer::~LargeBuffer() {
  if (owner_ != nullptr) owner_->Release(data_, bytes_, tag_);
}

LargeMemory::LargeMemory(int64_t limit_bytes, HostHooks hooks)
    : LargeMemory(Budget::Create(limit_bytes), hooks) {}

LargeMemory::LargeMemory(BudgetRef budget, HostHooks hooks)
    : budget_(std::move(budget)), hooks_(BothOrNone(hooks)) {}

LargeMemory::~LargeMemory() = default;

ForeignMemory& ForeignMemory::operator=(ForeignMemory&& other) noexcept {
  if (this == &other) return *this;
  if (owner_ != nullptr) owner_->Uncount(bytes_, tag_);
  owner_ = std::exchange(other.owner_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  tag_ = other.tag_;
  return *this;
}

ForeignMemory::~ForeignMemory() {
  if (owner_ != nullptr) owner_->Uncount(bytes_, tag_);
}

absl::Status LargeMemory::Charge(int64_t bytes, Tag tag) {
  if (bytes < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(TagName(tag), " ", bytes, " bytes; a size is 0 or more"));
  }
  if (budget_->Charge(bytes)) return absl::OkStatus();
  const Budget& limiting = budget_->limiting();
  return OverBudget(bytes, tag, limiting.used_bytes(), limiting.limit_bytes());
}

void LargeMemory::Count(int64_t bytes, Tag tag) {
  RaiseTo(peak_, used_.fetch_add(bytes, std::memory_order_relaxed) + bytes);
  used_by_tag_[static_cast<int>(tag)].fetch_add(bytes, std::memory_order_relaxed);
}

void LargeMemory::Uncount(int64_t bytes, Tag tag) {
  used_by_tag_[static_cast<int>(tag)].fetch_sub(bytes, std::memory_order_relaxed);
  used_.fetch_sub(bytes, std::memory_order_relaxed);
  budget_->Refund(bytes);
}

absl::StatusOr<ForeignMemory> LargeMemory::ChargeForeign(int64_t bytes, Tag tag) {
  if (absl::Status status = Charge(bytes, tag); !status.ok()) return status;
  Count(bytes, tag);
  ForeignMemory charge;
  charge.owner_ = this;
  charge.bytes_ = bytes;
  charge.tag_ = tag;
  return charge;
}

absl::StatusOr<LargeBuffer> LargeMemory::Allocate(int64_t bytes, Tag tag) {
  if (absl::Status status = Charge(bytes, tag); !status.ok()) return status;
  if (bytes == 0) return LargeBuffer();
  const bool from_host = hooks_.allocate != nullptr;
  void* data = nullptr;
  if (bytes < kAddressSpaceBytes) {
    data = from_host ? hooks_.allocate(hooks_.user, bytes, kAlignment, static_cast<int32_t>(tag))
                     : AllocatePages(bytes);
  }
  if (data == nullptr) {
    budget_->Refund(bytes);
    return SystemHasNone(bytes, tag, used_bytes(), from_host);
  }
  Count(bytes, tag);
  LargeBuffer buffer;  // owns `data` from here on, whatever is returned
  buffer.owner_ = this;
  buffer.data_ = static_cast<uint8_t*>(data);
  buffer.bytes_ = bytes;
  buffer.tag_ = tag;
  if (const auto address = reinterpret_cast<uintptr_t>(data); address % kAlignment != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the host's allocator gave an address ", address % kAlignment, " bytes past a multiple of ",
        kAlignment, "; honour the alignment it is given"));
  }
  return buffer;
}

void LargeMemory::Release(uint8_t* data, int64_t bytes, Tag tag) {
  if (hooks_.release != nullptr) {
    hooks_.release(hooks_.user, data, bytes, static_cast<int32_t>(tag));
  } else {
    ReleasePages(data, bytes);
  }
  // After the memory is back: the counts never say less than what is held.
  Uncount(bytes, tag);
}

}  // namespace llmrt::memory
