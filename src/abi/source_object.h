// What stands behind a source handle: where a model's bytes come from, and the parts that were
// given by name. Opening makes a model file of it, once for each model or engine made from the
// source.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/model.h"
#include "formats/byte_source.h"
#include "llmrt.h"

namespace llmrt::abi {

// One place that bytes come from. Immutable and shared, so that a source can be a part of another,
// or of itself, without keeping anything alive in a circle.
class ByteOrigin {
 public:
  virtual ~ByteOrigin() = default;
  virtual absl::StatusOr<std::shared_ptr<formats::ByteSource>> Open(bool use_mmap) const = 0;
  // Siblings by name; null where there is no folder to look in.
  virtual std::unique_ptr<formats::PartResolver> Siblings(bool) const { return nullptr; }
};

std::shared_ptr<const ByteOrigin> PathOrigin(std::string_view path, int64_t offset, int64_t length);
// `mode` BORROW or COPY.
std::shared_ptr<const ByteOrigin> MemoryOrigin(absl::Span<const uint8_t> bytes,
                                               llmrt_memory_mode mode);
// Calls are made one at a time, whoever opened the source, with no other lock held.
std::shared_ptr<const ByteOrigin> CallbackOrigin(llmrt_read_at read_at, void* user, int64_t size);

// Thread-safe.
class SourceObject final : public engine::ModelSource {
 public:
  explicit SourceObject(std::shared_ptr<const ByteOrigin> origin) : origin_(std::move(origin)) {}

  // ALREADY_EXISTS for a name that was given before.
  absl::Status AddPart(std::string_view name, const SourceObject& part);
  absl::StatusOr<std::unique_ptr<formats::ModelFile>> Open(bool use_mmap) override;

 private:
  class Resolver;

  const std::shared_ptr<const ByteOrigin> origin_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const ByteOrigin>, std::less<>> parts_;  // under mutex_
};

}  // namespace llmrt::abi
