#include "tests/model/step_runner.h"

#include <algorithm>
#include <random>
#include <stdexcept>
#include <utility>

namespace llmrt::testing {
namespace {

void Check(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

template <typename T>
T Take(absl::StatusOr<T> value) {
  Check(value.status());
  return *std::move(value);
}

std::unique_ptr<backend::Backend> MakeHostBackend(const RunnerOptions& options,
                                                  memory::LargeMemory& memory) {
  backend::BackendOptions backend_options;
  backend_options.memory = &memory;
  backend_options.numerics = options.numerics;
  backend_options.threads = options.threads;
  backend_options.tier = options.tier;
  backend_options.job_hook = options.job_hook;
  return Take(options.numerics == backend::NumericMode::kReference
                  ? backend::CreateReferenceBackend(backend_options)
                  : backend::CreateCpuBackend(backend_options));
}

std::unique_ptr<backend::Backend> MakeBackend(const RunnerOptions& options,
                                              memory::LargeMemory& memory) {
  std::unique_ptr<backend::Backend> backend =
      options.make ? options.make(memory) : MakeHostBackend(options, memory);
  return options.wrap ? options.wrap(std::move(backend)) : std::move(backend);
}

}  // namespace

StepRunner::StepRunner(const formats::ModelFile& file, const RunnerOptions& options)
    : options_(options) {
  config_ = Take(model::ReadLlamaConfig(file));
  config_.rope.freq_divisors = Take(model::ReadRopeDivisors(file));
  backend_ = MakeBackend(options, memory_);
  const int64_t weights_bytes = Take(model::CheckTensors(file, config_, *backend_));
  weights_ = Take(model::LoadWeights(file, config_, *backend_, nullptr));
  if (memory_.used_bytes(memory::Tag::kWeights) != weights_bytes)
    throw std::runtime_error("weights differ from the plan");
  const backend::KvShape shape{.num_layers = config_.num_layers,
                               .num_kv_heads = config_.num_kv_heads,
                               .head_dim = config_.head_dim,
                               .block_size = options.block_size,
                               .type = options.kv_type};
  const int64_t blocks_each =
      (config_.context_length + options.block_size - 1) / options.block_size;
  cache_ = Take(backend_->CreateKvCache(shape, kSequences * blocks_each));
  const model::StepLimits limits{
      .rows = options.rows, .logit_rows = options.rows, .context_length = config_.context_length};
  pass_ = Take(model::ForwardPass::Create(config_, weights_, *backend_, *cache_, limits));
  // Blocks of the sequences are mixed and scattered: nothing may depend on their order.
  std::vector<int32_t> blocks(static_cast<size_t>(kSequences * blocks_each));
  for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<int32_t>(i);
  std::shuffle(blocks.begin(), blocks.end(), std::mt19937(5));
  for (int32_t i = 0; i < kSequences; ++i) {
    tables_.emplace_back(blocks.begin() + i * blocks_each, blocks.begin() + (i + 1) * blocks_each);
  }
  lengths_.resize(kSequences, 0);
}

void StepRunner::Rows::PointBatch() {
  batch = {
      .tokens = tokens, .positions = positions, .sequences = sequences, .block_tables = tables};
}

void StepRunner::Begin(const std::vector<Piece>& pieces, Rows& rows) {
  for (const Piece& piece : pieces) {
    int64_t position = length(piece.sequence);
    for (const int32_t token : piece.tokens) {
      rows.logit_rows.push_back(static_cast<int32_t>(rows.tokens.size()));
      rows.tokens.push_back(token);
      rows.positions.push_back(static_cast<int32_t>(position++));
      rows.sequences.push_back(piece.sequence);
    }
  }
  rows.tables.assign(tables_.begin(), tables_.end());
  rows.PointBatch();
  Check(pass_->Begin(rows.batch, rows.logit_rows));
}

bool StepRunner::AdvanceOnce() {
  const auto stop = [this] {
    ++slices_;
    if (options_.watch) options_.watch(pass_->cursor());
    return true;
  };
  return Take(options_.slice_us > 0 ? pass_->AdvanceTimed(options_.slice_us, stop)
                                    : pass_->Advance(options_.slice_cost, stop));
}

std::vector<std::vector<float>> StepRunner::Step(const std::vector<Piece>& pieces) {
  Rows rows;
  Begin(pieces, rows);
  while (!AdvanceOnce()) {
  }
  for (const Piece& piece : pieces) {
    lengths_[static_cast<size_t>(piece.sequence)] += static_cast<int64_t>(piece.tokens.size());
  }
  return LogitsOf(rows);
}

std::vector<std::vector<float>> StepRunner::LogitsOf(const Rows& rows) const {
  std::vector<std::vector<float>> logits;
  for (size_t i = 0; i < rows.logit_rows.size(); ++i) {
    const absl::Span<const float> row = pass_->Logits(static_cast<int64_t>(i)).value();
    logits.emplace_back(row.begin(), row.end());
  }
  return logits;
}

// In place, as an engine does it that keeps one set of arrays for all its steps.
void StepRunner::RemoveFrom(Rows& rows, const Removal& removal) {
  for (std::vector<int32_t>* array : {&rows.tokens, &rows.positions, &rows.sequences}) {
    array->erase(array->begin() + removal.first, array->begin() + removal.first + removal.count);
  }
  std::vector<int32_t> logit_rows;
  for (const int32_t row : rows.logit_rows) {
    if (row < removal.first) logit_rows.push_back(row);
    if (row >= removal.first + removal.count) {
      logit_rows.push_back(row - static_cast<int32_t>(removal.count));
    }
  }
  rows.logit_rows = std::move(logit_rows);
  rows.PointBatch();
}

std::vector<std::vector<float>> StepRunner::StepRemoving(const std::vector<Piece>& pieces,
                                                         const std::vector<Removal>& removals,
                                                         std::vector<model::Cursor>& where) {
  Rows rows;
  Begin(pieces, rows);
  size_t removed = 0;
  for (int64_t slices = 0;; ++slices) {
    for (; removed < removals.size() && removals[removed].after_slices == slices; ++removed) {
      if (pass_->cursor().op >= model::Op::kFinalNorm) continue;
      where.push_back(pass_->cursor());
      RemoveFrom(rows, removals[removed]);
      Check(pass_->RemoveRows(removals[removed].first, removals[removed].count, rows.batch,
                              rows.logit_rows));
    }
    if (AdvanceOnce()) break;
  }
  for (const int32_t sequence : rows.sequences) ++lengths_[static_cast<size_t>(sequence)];
  return LogitsOf(rows);
}

model::Cursor StepRunner::AbandonAfter(const std::vector<Piece>& pieces, int64_t slices) {
  Rows rows;
  Begin(pieces, rows);
  for (int64_t i = 0; i < slices; ++i) {
    if (Take(pass_->Advance(options_.slice_cost, [] { return true; }))) break;
  }
  const model::Cursor where = pass_->cursor();
  pass_->Abandon();
  return where;
}

void StepRunner::DropKv() {
  lengths_[0] = 0;
  std::reverse(tables_[0].begin(), tables_[0].end());
}

std::vector<std::vector<float>> StepRunner::Run(const std::vector<int32_t>& tokens,
                                                const std::vector<int64_t>& chunks) {
  std::vector<std::vector<float>> all;
  for (size_t i = 0, piece = 0; i < tokens.size(); ++piece) {
    const auto chunk = static_cast<size_t>(chunks[std::min(piece, chunks.size() - 1)]);
    const size_t end = std::min(tokens.size(), i + chunk);
    for (auto& row : Step({{0, {tokens.begin() + i, tokens.begin() + end}}})) {
      all.push_back(std::move(row));
    }
    i = end;
  }
  return all;
}

std::vector<std::vector<float>> StepRunner::Run(const std::vector<int32_t>& tokens, int64_t chunk) {
  return Run(tokens, std::vector<int64_t>{chunk});
}

std::vector<uint8_t> StepRunner::KvBytes(int32_t sequence) {
  const backend::KvShape& shape = cache_->shape();
  const int64_t slot_bytes = shape.TileBytes() / shape.block_size;
  const int64_t num_tiles = shape.BlockBytes() / shape.TileBytes();
  std::vector<std::vector<uint8_t>> tiles(static_cast<size_t>(num_tiles));
  std::vector<uint8_t> block(static_cast<size_t>(shape.BlockBytes()));
  for (int64_t first = 0; first < length(sequence); first += shape.block_size) {
    const size_t logical = static_cast<size_t>(first / shape.block_size);
    Check(backend_->ReadKvBlock(*cache_, tables_[static_cast<size_t>(sequence)][logical],
                                absl::MakeSpan(block)));
    const int64_t used = std::min<int64_t>(shape.block_size, length(sequence) - first);
    for (int64_t i = 0; i < num_tiles; ++i) {
      const auto tile = block.begin() + i * shape.TileBytes();
      auto& out = tiles[static_cast<size_t>(i)];
      out.insert(out.end(), tile, tile + used * slot_bytes);
    }
  }
  std::vector<uint8_t> all;
  for (const auto& tile : tiles) all.insert(all.end(), tile.begin(), tile.end());
  return all;
}

std::vector<backend::CpuTier> TiersHere() {
  std::vector<backend::CpuTier> tiers;
  for (const auto tier :
       {backend::CpuTier::kPortable, backend::CpuTier::kAvx2, backend::CpuTier::kAvx512,
        backend::CpuTier::kVnni, backend::CpuTier::kAmx}) {
    memory::LargeMemory memory(0);
    backend::BackendOptions options;
    options.memory = &memory;
    options.threads = 1;
    options.tier = tier;
    if (backend::CreateCpuBackend(options).ok()) tiers.push_back(tier);
  }
  return tiers;
}

std::string NameOfTier(backend::CpuTier tier) {
  switch (tier) {
    case backend::CpuTier::kAvx2:
      return "Avx2";
    case backend::CpuTier::kAvx512:
      return "Avx512";
    case backend::CpuTier::kVnni:
      return "Vnni";
    case backend::CpuTier::kAmx:
      return "Amx";
    case backend::CpuTier::kBest:
      return "Best";
    case backend::CpuTier::kPortable:
      break;
  }
  return "Portable";
}

std::vector<int64_t> RandomPartition(int64_t count, int64_t largest, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int64_t> sizes;
  while (count > 0) {
    // The bound is random, too: half of the sizes would lie above half of a fixed one.
    const int64_t bound = 1 + random() % static_cast<uint32_t>(largest);
    const int64_t size = std::min<int64_t>(count, 1 + random() % static_cast<uint32_t>(bound));
    sizes.push_back(size);
    count -= size;
  }
  return sizes;
}

std::vector<int32_t> RandomTokens(int64_t count, int32_t vocab_size, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) {
    token = static_cast<int32_t>(random() % static_cast<uint32_t>(vocab_size));
  }
  return tokens;
}

}  // namespace llmrt::testing
