#include <algorithm>

#include "posix/chunks.h"
#include "posix/file_system.h"
#include "posix/parallel.h"

namespace varve::posix {
namespace {

// Chunks of one call under way at a time.
constexpr size_t kChunksAtOnce = 16;

struct WriteJob {
  Session* session;
  const client::Object* object;
  ChunkPart<ByteView> part;
};
Task<Result<void>> write_part(Session& session, const client::Object& object, uint64_t chunk,
                              std::span<const object::Range> ranges, Gather from) {
  const uint64_t key = chunk_key(chunk);
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(kDataKey);
  descriptor.kind = object::ValueKind::kArray;
  descriptor.record_size = 1;
  descriptor.ranges = ranges;
  descriptor.from = from;
  VARVE_CO_CHECK(co_await session.update(object, bytes_of(key), 0, only(descriptor)));
  co_return Result<void>();
}
Task<Result<void>> write_job(WriteJob& job) {
  return write_part(*job.session, *job.object, job.part.chunk, job.part.ranges, job.part.memory);
}

struct ReadJob {
  Session* session;
  const client::Object* object;
  uint64_t chunk_bytes;
  ChunkPart<MutableByteView> part;
  uint64_t data_end = 0;  // offset in the file where the data found ends; 0: only holes
};

void fill_with_zeros(Scatter into) {
  for (const MutableByteView& piece : into) std::fill(piece.begin(), piece.end(), std::byte{0});
}

// Where in the chunk the data ends, that ends `fetched` bytes into the ranges.
uint64_t end_in_chunk(std::span<const object::Range> ranges, uint64_t fetched) {
  uint64_t end = 0;
  for (const object::Range& range : ranges) {
    const uint64_t taken = std::min(fetched, range.count);
    if (taken > 0) end = std::max(end, range.index + taken);
    fetched -= taken;
  }
  return end;
}

// Returns where the data ends within the chunk; 0: only holes.
Task<Result<uint64_t>> read_part(Session& session, const client::Object& object, uint64_t chunk,
                                 std::span<const object::Range> ranges, Scatter into) {
  const uint64_t key = chunk_key(chunk);
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(kDataKey);
  descriptor.kind = object::ValueKind::kArray;
  descriptor.record_size = 1;
  descriptor.ranges = ranges;
  descriptor.into = into;
  descriptor.zero_holes = true;
  Result<void> fetched = co_await session.fetch(object, bytes_of(key), 0, only(descriptor));
  if (fetched.code() == Code::kNonexistent) {
    fill_with_zeros(into);
    co_return uint64_t{0};
  }
  if (!fetched) co_return std::move(fetched.error());
  co_return end_in_chunk(ranges, descriptor.fetched_end);
}
Task<Result<void>> read_job(ReadJob& job) {
  VARVE_CO_TRY(const uint64_t end, co_await read_part(*job.session, *job.object, job.part.chunk,
                                                      job.part.ranges, job.part.memory));
  job.data_end = end ? job.part.chunk * job.chunk_bytes + end : 0;
  co_return Result<void>();
}

Error not_a_file(const Node& node) {
  return Error(node.inode.is_directory() ? Code::kIsDirectory : Code::kInvalid,
               "'" + node.name + "' is not a file");
}

}  // namespace

Result<uint64_t> check_ranges(std::span<const FileRange> ranges, uint64_t memory_bytes) {
  uint64_t total = 0;
  for (const FileRange& range : ranges) {
    constexpr uint64_t kOffsetMax = uint64_t{1} << 63;
    if (range.offset >= kOffsetMax || range.length >= kOffsetMax - range.offset)
      return Error(Code::kOverflow, "a range of a file ends beyond 2^63 - 1");
    total += range.length;
  }
  if (total > memory_bytes)
    return Error(Code::kInvalid, "the ranges are " + std::to_string(total) +
                                     " bytes, the memory for them " + std::to_string(memory_bytes) +
                                     ": give one as long as the other");
  return total;
}

// Together with the first data of a file its entry says that there may be some: who stats or removes
// a file whose entry does not say so need not look at any target.
Task<Result<void>> FileSystem::mark_written(Session& session, Node& node) {
  static constexpr std::byte kMark{1};
  const ByteView mark(&kMark, 1);
  Result<void> marked = co_await update_record(session, node, kOccupiedKey, mark);
  // The entry was renamed (which marks it) or removed.
  if (!marked && marked.code() != Code::kNonexistent) co_return std::move(marked.error());
  node.written.store(true, std::memory_order_release);
  co_return Result<void>();
}

Task<Result<void>> FileSystem::write(Session& session, Node& node,
                                     std::span<const FileRange> ranges, Gather from) {
  if (!node.inode.is_file()) co_return not_a_file(node);
  VARVE_CO_CHECK(require_writable());
  if (!node.writable)
    co_return Error(Code::kNoPermission, "'" + node.name + "' is open for reading only");
  VARVE_CO_TRY(const uint64_t total, check_ranges(ranges, size_of(from)));
  if (total == 0) co_return Result<void>();
  VARVE_CO_CHECK(co_await do_duties(session));
  if (quotas_.any()) {
    uint64_t end = 0;
    for (const FileRange& range : ranges) end = std::max(end, range.offset + range.length);
    VARVE_CO_CHECK(co_await cover(session, node, end));
  }
  if (node.written.load(std::memory_order_acquire))
    co_return co_await store_ranges(session, node, ranges, from);
  // Acknowledged when both are stored: a crash in between leaves data that nobody was promised.
  auto [stored, marked] = co_await both(store_ranges(session, node, ranges, from),
                                        mark_written(session, node));
  VARVE_CO_CHECK(std::move(marked));
  co_return std::move(stored);
}

// Checked already.
Task<Result<void>> FileSystem::store_ranges(Session& session, Node& node,
                                            std::span<const FileRange> ranges, Gather from) {
  uint64_t total = 0;
  for (const FileRange& range : ranges) total += range.length;
  const uint64_t chunk_bytes = node.inode.chunk_bytes, within = ranges[0].offset % chunk_bytes;
  if (ranges.size() == 1 && total <= chunk_bytes - within && total == size_of(from)) {
    const object::Range range{within, total};
    co_return co_await write_part(session, node.file, ranges[0].offset / chunk_bytes,
                                  std::span<const object::Range>(&range, 1), from);
  }
  std::vector<WriteJob> jobs;
  for (ChunkPart<ByteView>& part : split_by_chunk<ByteView>(ranges, from, chunk_bytes))
    jobs.push_back({&session, &node.file, std::move(part)});
  co_return co_await for_each_limited(jobs, kChunksAtOnce, write_job);
}

Task<Result<uint64_t>> FileSystem::read(Session& session, const Node& node,
                                        std::span<const FileRange> ranges, Scatter into) {
  if (!node.inode.is_file()) co_return not_a_file(node);
  VARVE_CO_TRY(const uint64_t total, check_ranges(ranges, size_of(into)));
  if (total == 0) co_return uint64_t{0};
  if (renewal_due(session)) co_await renew(session);
  const uint64_t chunk_bytes = node.inode.chunk_bytes, within = ranges[0].offset % chunk_bytes;
  uint64_t wanted_end = 0, data_end = 0;
  for (const FileRange& range : ranges)
    if (range.length > 0) wanted_end = std::max(wanted_end, range.offset + range.length);
  if (ranges.size() == 1 && total <= chunk_bytes - within && total == size_of(into)) {
    const object::Range range{within, total};
    const uint64_t chunk = ranges[0].offset / chunk_bytes;
    VARVE_CO_TRY(const uint64_t end,
                 co_await read_part(session, node.file, chunk,
                                    std::span<const object::Range>(&range, 1), into));
    data_end = end ? chunk * chunk_bytes + end : 0;
  } else {
    std::vector<ReadJob> jobs;
    for (ChunkPart<MutableByteView>& part :
         split_by_chunk<MutableByteView>(ranges, into, chunk_bytes))
      jobs.push_back({&session, &node.file, chunk_bytes, std::move(part)});
    VARVE_CO_CHECK(co_await for_each_limited(jobs, kChunksAtOnce, read_job));
    for (const ReadJob& job : jobs) data_end = std::max(data_end, job.data_end);
  }
  if (data_end >= wanted_end) co_return total;
  // A hole or the end of the file: only its size tells.
  VARVE_CO_TRY(const uint64_t stored, co_await size(session, node));
  const uint64_t end = std::max(stored, data_end);
  uint64_t before_end = 0;
  for (const FileRange& range : ranges)
    if (range.offset < end) before_end += std::min(range.length, end - range.offset);
  co_return before_end;
}

}  // namespace varve::posix
