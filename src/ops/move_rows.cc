#include "ops/move_rows.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "ops/batch.h"

namespace llmrt::ops {

absl::Status CheckMoveRows(const backend::MoveRowsParams& params) {
  if (params.rows == nullptr) return OpError("MoveRows", "a pointer is null");
  if (params.row_bytes <= 0) {
    return OpError("MoveRows", absl::StrCat("rows of ", params.row_bytes, " bytes"));
  }
  if (params.to < 0 || params.to > params.from || params.count < 0) {
    return OpError("MoveRows", absl::StrCat(params.count, " rows from ", params.from, " to ",
                                            params.to, ", which is not towards the front"));
  }
  return absl::OkStatus();
}

void OracleMoveRows(const backend::MoveRowsParams& params) {
  std::memmove(params.rows + params.to * params.row_bytes,
               params.rows + params.from * params.row_bytes,
               static_cast<size_t>(params.count * params.row_bytes));
}

}  // namespace llmrt::ops
