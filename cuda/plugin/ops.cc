#include "cuda/plugin/ops.h"

#include <algorithm>
#include <cstring>

#include "cuda/kernels/attention.h"
#include "cuda/kernels/draw.h"
#include "cuda/kernels/elementwise.h"
#include "cuda/kernels/matmul.h"
#include "cuda/plugin/steps.h"

namespace llmrt::cuda {
namespace {

using backend::PluginDevice;
using backend::PluginError;
using backend::PluginKv;

// Blocks that a row's splits are spread over at most: more would find nothing left to read faster.
constexpr int64_t kSplitBlocksMax = 64;

template <typename T>
T* At(uint64_t address) {
  return reinterpret_cast<T*>(address);
}

Element ElementOf(int32_t element) { return static_cast<Element>(element); }

KvLayout LayoutOf(const PluginKv& kv) {
  return {.block_size = kv.block_size,
          .num_kv_heads = kv.num_kv_heads,
          .head_dim = kv.head_dim,
          .layer = kv.layer,
          .tile_bytes = kv.tile_bytes};
}

// Every launch of an op goes through here.
template <typename Args>
int32_t Run(PluginDevice& device, KernelId kernel, const LaunchShape& shape, const Args& args,
            PluginError* error) {
  const ContextScope scope(device, error);
  if (scope.status() != 0) return scope.status();
  device.finish_recorded = false;
  return Check(device.driver, device.kernels.Launch(kernel, shape, args, device.launch_stream),
               kKernelNames[static_cast<int>(kernel)], error);
}

// How many blocks the splits of each row are spread over; 1: the block of a row takes them all.
int64_t SplitBlocks(const PluginDevice& device) {
  if (device.num_tiles > 0 && device.recording < 0) return 1;
  if (device.counts.rows > kSplitRowsMax || device.layout.splits_max <= 1) return 1;
  // A recording serves rows at any position.
  const int64_t splits =
      device.recording >= 0 ? device.layout.splits_max : device.last_position / kAttentionSplit + 1;
  return std::min(splits, kSplitBlocksMax);
}

AttentionArgs AttentionArgsOf(const PluginDevice& device, const backend::PluginAttention& params) {
  AttentionArgs args = {.step = ViewOf(device),
                        .kv = LayoutOf(params.kv),
                        .element = ElementOf(params.kv.element),
                        .num_q_heads = params.num_q_heads,
                        .scale = params.scale,
                        .first_unit = params.first,
                        .end_unit = params.end,
                        .tile_rows = 1,
                        .q = At<const float>(params.q),
                        .out = At<float>(params.out),
                        .splits_max = static_cast<int32_t>(device.layout.splits_max)};
  if (device.num_tiles > 0 && device.recording < 0) {
    args.tiles = StepArray<AttentionTile>(device, device.layout.tiles);
    args.num_tiles = StepArray<int32_t>(device, device.layout.counters) + kCountTiles;
    args.tile_rows = AttentionTileRows(AttentionVariant::kColumns32, AttentionGroup(args));
  }
  return args;
}

}  // namespace

int32_t Embed(PluginDevice* device, const backend::PluginEmbed* params, PluginError* error) {
  const EmbedArgs args = {.step = ViewOf(*device),
                          .table = At<const uint8_t>(params->table.data),
                          .row_stride = params->table.row_stride,
                          .element = ElementOf(params->table.element),
                          .first = static_cast<int32_t>(params->first),
                          .cols = params->table.cols,
                          .out = At<float>(params->out)};
  return Run(*device, KernelId::kEmbedKernel,
             EmbedShape(static_cast<uint32_t>(params->end - params->first)), args, error);
}

int32_t RmsNorm(PluginDevice* device, const backend::PluginRmsNorm* params, PluginError* error) {
  const RmsNormArgs args = {.in = At<const float>(params->in),
                            .weight = At<const float>(params->weight),
                            .rows = params->of_logit_rows != 0
                                        ? StepArray<int32_t>(*device, device->layout.logit_rows)
                                        : nullptr,
                            .first = static_cast<int32_t>(params->first),
                            .count = static_cast<int32_t>(params->end - params->first),
                            .dim = params->dim,
                            .epsilon = params->epsilon,
                            .out = At<float>(params->out)};
  return Run(*device, KernelId::kRmsNormKernel, RmsNormShape(args), args, error);
}

int32_t Prepare(PluginDevice* device, const backend::PluginPrepare* params, PluginError* error) {
  const int64_t element_bytes = params->element == backend::kPluginF32 ? 4 : 2;
  const PrepareArgs args = {.in = At<const float>(params->in),
                            .first = static_cast<int32_t>(params->first),
                            .count = static_cast<int32_t>(params->end - params->first),
                            .cols = params->cols,
                            .padded_cols = params->row_bytes / element_bytes,
                            .element = ElementOf(params->element),
                            .out = At<uint8_t>(params->out)};
  return Run(*device, KernelId::kPrepareKernel, PrepareShape(args), args, error);
}

int32_t MatMul(PluginDevice* device, const backend::PluginMatMul* params, PluginError* error) {
  const Element element = ElementOf(params->weight.element);
  const int64_t group = element == Element::kF32 ? 16 : 64;
  const MatMulArgs args = {.weight = At<const uint8_t>(params->weight.data),
                           .activations = At<const uint8_t>(params->activations),
                           .row_stride = params->weight.row_stride,
                           .padded_k = (params->weight.cols + group - 1) / group * group,
                           .first_feature = static_cast<int32_t>(params->first),
                           .end_feature = static_cast<int32_t>(params->end),
                           .num_rows = static_cast<int32_t>(params->num_rows),
                           .accumulate = params->accumulate,
                           .out = At<float>(params->out),
                           .out_stride = params->out_stride};
  if (params->row_bytes != args.row_stride) {
    return Fail(error, kInternal, "rows of activations take %lld bytes, those of the weights %lld",
                static_cast<long long>(params->row_bytes), static_cast<long long>(args.row_stride));
  }
  if (args.num_rows == 0 || args.first_feature == args.end_feature) return 0;
  const MatMulLaunch launch = MatMulLaunchFor(element, args);
  return Run(*device, launch.kernel, launch.shape, args, error);
}

int32_t RopeStore(PluginDevice* device, const backend::PluginRopeStore* params,
                  PluginError* error) {
  const RopeStoreArgs args = {.step = ViewOf(*device),
                              .kv = LayoutOf(params->kv),
                              .element = ElementOf(params->kv.element),
                              .first = static_cast<int32_t>(params->first),
                              .rope_table = At<const float>(params->rope_table),
                              .rope_dims = params->rope_dims,
                              .num_q_heads = params->num_q_heads,
                              .q = At<float>(params->q),
                              .k = At<float>(params->k),
                              .v = At<const float>(params->v)};
  return Run(*device, KernelId::kRopeStoreKernel,
             RopeStoreShape(static_cast<uint32_t>(params->end - params->first)), args, error);
}

int32_t Attention(PluginDevice* device, const backend::PluginAttention* params,
                  PluginError* error) {
  if (params->first == params->end) return 0;
  AttentionArgs args = AttentionArgsOf(*device, *params);
  const int64_t splits = SplitBlocks(*device);
  if (splits > 1) args.partial = StepArray<float>(*device, device->layout.partial);
  const auto tiles =
      static_cast<uint32_t>(args.tiles != nullptr ? device->num_tiles : device->counts.rows);
  const AttentionLaunch launch = AttentionLaunchFor(args, tiles, static_cast<uint32_t>(splits));
  const int32_t code = Run(*device, launch.kernel, launch.shape, args, error);
  if (code != 0 || args.partial == nullptr) return code;
  return Run(*device, KernelId::kAttentionMergeKernel, AttentionMergeShape(args), args, error);
}

int32_t SwiGlu(PluginDevice* device, const backend::PluginSwiGlu* params, PluginError* error) {
  const auto offset = static_cast<uint64_t>(params->first) * sizeof(float);
  const SwiGluArgs args = {.gate = At<const float>(params->gate + offset),
                           .up = At<const float>(params->up + offset),
                           .count = params->end - params->first,
                           .out = At<float>(params->out + offset)};
  return Run(*device, KernelId::kSwiGluKernel, SwiGluShape(args), args, error);
}

int32_t MoveRows(PluginDevice* device, const backend::PluginMoveRows* params, PluginError* error) {
  const MoveRowsArgs args = {.rows = At<uint8_t>(params->rows),
                             .row_bytes = params->row_bytes,
                             .from = params->from,
                             .to = params->to,
                             .count = params->count};
  return Run(*device, KernelId::kMoveRowsKernel, MoveRowsShape(args), args, error);
}

int32_t Draw(PluginDevice* device, uint64_t logits, const backend::PluginDrawRequest* requests,
             int64_t count, PluginError* error) {
  static_assert(sizeof(backend::PluginDrawRequest) == sizeof(DrawRequest));
  static_assert(sizeof(backend::PluginDrawResult) == sizeof(DrawResult));
  const ContextScope scope(*device, error);
  if (scope.status() != 0) return scope.status();
  const DriverTable& driver = device->driver;
  const StepLayout& layout = device->layout;
  device->finish_recorded = false;
  if (count > device->needs.logit_rows) {
    return Fail(error, kInternal, "%lld draws; a step has at most %lld",
                static_cast<long long>(count), static_cast<long long>(device->needs.logit_rows));
  }
  CuResult result = driver.event_synchronize(device->requested);
  if (result == kCuSuccess) {
    *reinterpret_cast<int32_t*>(device->staging + layout.request_count) =
        static_cast<int32_t>(count);
    std::memcpy(device->staging + layout.requests, requests,
                static_cast<size_t>(count) * sizeof *requests);
    const auto offset = static_cast<uint64_t>(layout.request_count);
    const int64_t bytes =
        layout.requests - layout.request_count + count * static_cast<int64_t>(sizeof(DrawRequest));
    result = driver.copy_to_device(device->step_memory + offset, device->staging + offset,
                                   static_cast<size_t>(bytes), device->stream);
  }
  if (result == kCuSuccess) result = driver.event_record(device->requested, device->stream);
  const auto vocab_size = static_cast<int32_t>(device->needs.vocab_size);
  const DrawArgs args = {.logits = At<const float>(logits),
                         .vocab_size = vocab_size,
                         .requests = StepArray<DrawRequest>(*device, layout.requests),
                         .num_requests = StepArray<int32_t>(*device, layout.request_count),
                         .parts = StepArray<DrawPart>(*device, layout.parts),
                         .results = StepArray<DrawResult>(*device, layout.results)};
  const auto rows = static_cast<uint32_t>(count);
  if (result == kCuSuccess) {
    result = device->kernels.Launch(KernelId::kDrawPartsKernel, DrawPartsShape(vocab_size, rows),
                                    args, device->stream);
  }
  if (result == kCuSuccess) {
    result = device->kernels.Launch(KernelId::kDrawMergeKernel, DrawMergeShape(rows), args,
                                    device->stream);
  }
  if (result == kCuSuccess) {
    result = driver.copy_to_host(device->staging + layout.results,
                                 device->step_memory + static_cast<uint64_t>(layout.results),
                                 static_cast<size_t>(count) * sizeof(DrawResult), device->stream);
  }
  return Check(driver, result, "drawing", error);
}

int32_t DrawResults(PluginDevice* device, backend::PluginDrawResult* results, int64_t count,
                    PluginError* error) {
  if (count > device->needs.logit_rows) {
    return Fail(error, kInternal, "%lld results of draws; a step has at most %lld",
                static_cast<long long>(count), static_cast<long long>(device->needs.logit_rows));
  }
  std::memcpy(results, device->staging + device->layout.results,
              static_cast<size_t>(count) * sizeof *results);
  return 0;
}

}  // namespace llmrt::cuda
