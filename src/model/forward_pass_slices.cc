// How a step is cut into slices: what a unit of each op costs, and where the next slice ends.
//
// A matrix product over many rows is cut in both directions: into bands of rows, and each band into
// ranges of features. Without bands the smallest slice of a prompt's product (16 features over 512
// rows of 8192 columns) is 67 million multiply-adds, milliseconds on two cores.
#include <algorithm>

#include "model/forward_pass.h"

namespace llmrt::model {
namespace {

using backend::Matrix;

// Output features of a matrix product are cut on this boundary: a multiple of every backend's panel
// (the CPU packs 16 features side by side), so that no panel is worked twice.
constexpr int64_t kFeatureStep = 16;
// Features that one thread works on at least: a shorter range leaves threads without work.
constexpr int64_t kFeaturesPerThread = 16;

// Bands are not shorter: each one reads, and unpacks, all weights again. They are multiples of the
// rows that the CPU's kernels take at a time.
constexpr int64_t kBandRowsMin = 32;
constexpr int64_t kBandRowStep = 16;

// Rows from which a product waits for arithmetic rather than for the weights: its rate is learned
// apart.
constexpr int64_t kManyRows = 16;

int64_t RoundUp(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

}  // namespace

int64_t ForwardPass::RowsOf(Op op) const {
  if (op == Op::kDraw) return 1;  // all rows at once
  const bool final_rows = op == Op::kFinalNorm || op == Op::kLogits;
  return final_rows ? static_cast<int64_t>(logit_rows_.size()) : num_rows_;
}

int64_t ForwardPass::Units(Op op) const {
  const Products products = ProductsOf(op);
  if (products.empty()) return RowsOf(op) * UnitsPerRow(op);
  int64_t features = 0;
  for (const Product& product : products) features += product.weight->rows();
  return features;
}

int64_t ForwardPass::UnitsPerRow(Op op) const {
  return op == Op::kAttention ? config_.num_q_heads : 1;
}

int ForwardPass::SliceKind() const {
  return 2 * static_cast<int>(cursor_.op) + (RowsOf(cursor_.op) >= kManyRows ? 1 : 0);
}

int64_t ForwardPass::FeatureStep() const {
  return RoundUp(std::max(kFeatureStep, kFeaturesPerThread * backend_.num_threads()), kFeatureStep);
}

int64_t ForwardPass::RowUnitCost() const {
  switch (cursor_.op) {
    case Op::kSwiGlu:
      return int64_t{20} * config_.ffn_dim;  // an exponential is about 16 steps
    case Op::kAttentionNorm:
    case Op::kFfnNorm:
    case Op::kFinalNorm:
      return int64_t{8} * config_.dim;  // two passes and the rounding
    default:
      return int64_t{4} * std::max<int64_t>(config_.dim, config_.q_dim());
  }
}

ForwardPass::Slice ForwardPass::NextSlice(int64_t slice_cost) {
  const Products products = ProductsOf(cursor_.op);
  if (!products.empty()) return MatMulSlice(products, slice_cost);
  if (cursor_.op == Op::kAttention) return AttentionSlice(slice_cost);
  const int64_t each = RowUnitCost();
  const int64_t end =
      std::min(Units(cursor_.op), cursor_.unit + std::max<int64_t>(1, slice_cost / each));
  return {{cursor_.unit, end}, (end - cursor_.unit) * each};
}

int64_t ForwardPass::FeatureCost(const Matrix& matrix) const {
  // A feature costs its multiply-adds or, where few rows share it, the reading of its weights; a
  // core does about two of the former in the time of one byte of the latter.
  const backend::BlockGeometry geometry = backend::GeometryOf(matrix.type());
  const int64_t row_bytes = matrix.cols() * geometry.bytes / geometry.values;
  return std::max((cursor_.band_end - cursor_.band_begin) * matrix.cols(), 2 * row_bytes);
}

ForwardPass::Slice ForwardPass::MatMulSlice(const Products& products, int64_t slice_cost) {
  // Products of one walk read one row, so they have the same columns.
  if (cursor_.band_end == cursor_.band_begin) PickBand(*products[0].weight, slice_cost);
  Slice slice = {{cursor_.unit, cursor_.unit}, 0};
  int64_t first = 0;  // unit of the product's first feature
  for (const Product& product : products) {
    const int64_t last = first + product.weight->rows();
    const int64_t each = FeatureCost(*product.weight);
    // A slice may go on in the next product. It ends there or here on the boundary of a panel,
    // counted from the product's first feature, or with the product; and of panels it has as many
    // for each thread.
    const int64_t size = slice.range.size(), left = last - slice.range.end;
    const int64_t fits = (slice_cost - slice.cost) / each;
    const int64_t least = RoundUp(FeatureStep() - size, kFeatureStep);
    const int64_t even = (size + fits) / FeatureStep() * FeatureStep();
    const int64_t room = fits >= left ? left : (even - size) / kFeatureStep * kFeatureStep;
    const int64_t count = std::min(left, std::max({int64_t{0}, least, room}));
    if (count > 0) {
      slice.range.end += count;
      slice.cost += count * each;
    }
    if (slice.range.end < last) break;
    first = last;
  }
  return slice;
}

void ForwardPass::PickBand(const Matrix& weight, int64_t slice_cost) {
  const int64_t left = RowsOf(cursor_.op) - cursor_.band_begin;
  const int64_t row_cost = FeatureStep() * weight.cols();  // of the shortest range of features
  int64_t rows =
      std::min(backend_.band_rows(weight), std::max(kBandRowsMin, slice_cost / row_cost));
  if (rows < left) {
    // Bands of about one size: a short last one would read all weights for a few rows.
    const int64_t bands = (left + rows - 1) / rows;
    rows = RoundUp((left + bands - 1) / bands, kBandRowStep);
  }
  cursor_.band_end = cursor_.band_begin + std::min(rows, left);
}

ForwardPass::Slice ForwardPass::AttentionSlice(int64_t slice_cost) const {
  const int64_t heads = config_.num_q_heads, units = Units(Op::kAttention);
  const int64_t group = heads / config_.num_kv_heads;
  int64_t end = cursor_.unit, cost = 0, each = 0;
  while (end < units) {
    const int64_t row = end / heads;
    // A head multiplies with the keys and with the values up to its row's position.
    each = 2 * (int64_t{batch_->positions[static_cast<size_t>(row)]} + 1) * config_.head_dim;
    // The first head goes in whatever it costs.
    const int64_t room = std::max(end == cursor_.unit ? each : 0, slice_cost - cost);
    const int64_t count = std::min(room / each, (row + 1) * heads - end);
    end += count;
    cost += count * each;
    if (end < (row + 1) * heads) break;
  }
  // Heads that share keys stay together where whole groups fit.
  const int64_t over = end % group;
  if (over > 0 && end - over > cursor_.unit) {
    end -= over;
    cost -= over * each;
  }
  return {{cursor_.unit, end}, cost};
}

void ForwardPass::FinishSlice(backend::Range range) {
  cursor_.unit = range.end;
  if (cursor_.unit < Units(cursor_.op)) return;
  if (ProductsOf(cursor_.op).empty()) return NextOp();
  cursor_.unit = 0;
  cursor_.band_begin = cursor_.band_end;
  if (cursor_.band_begin == RowsOf(cursor_.op)) NextOp();
}

void ForwardPass::NextOp() {
  cursor_.unit = cursor_.band_begin = cursor_.band_end = 0;
  if (cursor_.op == Op::kLogits) {
    cursor_.op = draws_.empty() ? Op::kDone : Op::kDraw;
  } else if (cursor_.op != Op::kDown) {
    cursor_.op = static_cast<Op>(static_cast<int>(cursor_.op) + 1);
  } else if (cursor_.layer + 1 < config_.num_layers) {
    ++cursor_.layer;
    cursor_.op = Op::kAttentionNorm;
  } else {
    // A chunk in the middle of a prompt ends here: nobody asks for its logits.
    cursor_.op = logit_rows_.empty() ? Op::kDone : Op::kFinalNorm;
  }
}

}  // namespace llmrt::model
