// A group of the log from hostile bytes: visited, or refused; never believed.
#include <cstring>

#include "base/checksum.h"
#include "block/log_format.h"

namespace varve::block {
namespace {

void fuzz_group(ByteView input) {
  if (input.size() < sizeof(GroupHeader)) return;
  Buffer group(input.begin(), input.end());
  auto& header = *reinterpret_cast<GroupHeader*>(group.data());
  header.length = static_cast<uint32_t>(group.size());
  header.records %= 1000;
  seal_group(group);
  VARVE_ASSERT(is_intact(group), "what was sealed is intact");
  uint64_t heap_bytes = 0;
  const Result<void> visited = visit_entries(group, [&](const LogEntry& entry) -> Result<void> {
    VARVE_ASSERT(entry.kind == LogEntry::kReleased || entry.bytes.size() == entry.length,
                 "an entry has the bytes it speaks of");
    heap_bytes += crc32c(entry.bytes) & 1;
    return {};
  });
  VARVE_ASSERT(visited.ok() || visited.code() == Code::kBadFormat, "damage has one name");
}

}  // namespace
}  // namespace varve::block

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  varve::block::fuzz_group({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
