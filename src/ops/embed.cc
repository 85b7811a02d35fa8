#include "ops/embed.h"

#include "absl/strings/str_cat.h"
#include "numerics/fp_mode.h"
#include "ops/batch.h"
#include "ops/host_storage.h"

namespace llmrt::ops {

absl::Status CheckEmbed(const backend::EmbedParams& params, backend::Range rows) {
  if (params.batch == nullptr || params.table == nullptr || params.out == nullptr) {
    return OpError("Embed", "a pointer is null");
  }
  if (absl::Status status = CheckRange("Embed", rows, params.batch->num_rows()); !status.ok()) {
    return status;
  }
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const int32_t token = params.batch->tokens[row];
    if (token < 0 || token >= params.table->rows()) {
      return OpError("Embed", absl::StrCat("token ", token, " of row ", row, "; the table has ",
                                           params.table->rows(), " rows"));
    }
  }
  return absl::OkStatus();
}

void OracleEmbed(const backend::EmbedParams& params, backend::Range rows) {
  numerics::ScopedFpMode fp_mode;
  const auto& table = static_cast<const HostMatrix&>(*params.table);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    table.DequantizeRow(params.batch->tokens[row], params.out + row * table.cols());
  }
}

}  // namespace llmrt::ops
