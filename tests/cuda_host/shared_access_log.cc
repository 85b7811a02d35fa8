#include "cuda_host/shared_access_log.h"

#include <algorithm>

namespace llmrt::cuda_host {

void SharedAccessLog::BeginBlock() {
  // The last block's accesses are over as if by a barrier, so nothing is cleared but long ago.
  if (now_ > 0xf0000000u) {
    std::fill(units_.begin(), units_.end(), Unit());
    now_ = 0;
    std::fill(warp_sync_, warp_sync_ + 32, 0u);
  }
  SyncBlock();
}

SharedAccessLog::Who SharedAccessLog::Read(size_t offset, size_t bytes, Who who) {
  for (size_t i = offset / 2; i < (offset + bytes) / 2; ++i) {
    Unit& unit = units_[i];
    if (!Before(unit.write_time, unit.writer, who)) return unit.writer & 0xffff;
    // Of several readers since the last barrier only that they are several is kept.
    if (unit.reader == who || unit.read_time < block_sync_ || unit.reader == kNobody) {
      unit.reader = who;
    } else if (WarpOf(unit.reader) != WarpOf(who)) {
      unit.reader = who | kMany;
    } else if ((unit.reader & kMany) == 0 && unit.read_time >= warp_sync_[WarpOf(who)]) {
      unit.reader = who | kWarpBit;
    } else if ((unit.reader & kMany) == 0) {
      unit.reader = who;
    }
    unit.read_time = now_;
  }
  return kNobody;
}

SharedAccessLog::Who SharedAccessLog::Write(size_t offset, size_t bytes, Who who, bool same) {
  for (size_t i = offset / 2; i < (offset + bytes) / 2; ++i) {
    Unit& unit = units_[i];
    if (!same && !Before(unit.write_time, unit.writer, who)) return unit.writer & 0xffff;
    if (!same && !Before(unit.read_time, unit.reader, who)) return unit.reader & 0xffff;
    unit.writer = who;
    unit.write_time = now_;
  }
  return kNobody;
}

}  // namespace llmrt::cuda_host
