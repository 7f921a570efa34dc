#include <algorithm>

#include "client/array.h"
#include "runtime/wait.h"

namespace varve::client {
namespace {

constexpr std::string_view kDataKey = "0";
constexpr std::string_view kAttributesKey = "attributes";
constexpr uint64_t kAttributesDkey = 0;
constexpr uint64_t kCondDkeyInsert = 2;  // store::kCondDkeyInsert
constexpr size_t kChunksAtOnce = 16;
constexpr uint32_t kPage = 1024;
constexpr uint8_t kMaxDkey = 1, kMaxRange = 16;  // object::QueryRequest::flags

// The value of akey "attributes" under dkey 0: docs/formats/dfs.md.
struct ArrayRecord {
  static constexpr uint64_t kMagic = 0x3159525241565256;  // "VRVARRY1"
  uint64_t magic = kMagic;
  uint64_t cell_bytes = 0, chunk_cells = 0;
};
static_assert(sizeof(ArrayRecord) == 24);

std::span<IoDescriptor> only(IoDescriptor& descriptor) { return {&descriptor, 1}; }

IoDescriptor of_chunk(const OpenArray& array, std::span<const object::Range> ranges) {
  IoDescriptor descriptor;
  descriptor.akey = as_bytes(kDataKey);
  descriptor.kind = object::ValueKind::kArray;
  descriptor.record_size = array.cell_bytes;
  descriptor.ranges = ranges;
  return descriptor;
}

Task<Result<void>> write_part(Session& session, const OpenArray& array, uint64_t chunk,
                              std::span<const object::Range> ranges, Gather from) {
  const uint64_t dkey = chunk + 1;
  IoDescriptor descriptor = of_chunk(array, ranges);
  descriptor.from = from;
  Result<Epoch> updated =
      co_await session.update(array.object, bytes_of(dkey), 0, only(descriptor));
  if (!updated) co_return std::move(updated.error());
  co_return Result<void>();
}

// Returns the cell within the chunk where the data found ends; 0: only holes.
Task<Result<uint64_t>> read_part(Session& session, const OpenArray& array, const Object& object,
                                 uint64_t chunk, std::span<const object::Range> ranges,
                                 Scatter into) {
  const uint64_t dkey = chunk + 1;
  IoDescriptor descriptor = of_chunk(array, ranges);
  descriptor.into = into;
  descriptor.zero_holes = true;
  Result<void> fetched = co_await session.fetch(object, bytes_of(dkey), 0, only(descriptor));
  if (!fetched) co_return std::move(fetched.error());
  uint64_t left = descriptor.fetched_end / array.cell_bytes, end = 0;
  for (const object::Range& range : ranges) {
    const uint64_t taken = std::min(left, range.count);
    if (taken > 0) end = std::max(end, range.index + taken);
    left -= taken;
  }
  co_return end;
}

template <class Job>
struct Work {
  std::vector<Job>& jobs;
  Task<Result<void>> (*one)(Job&);
  size_t next = 0;
  Result<void> result;
};
template <class Job>
Task<bool> worker(Work<Job>& work) {
  while (work.next < work.jobs.size() && work.result.ok()) {
    Job& job = work.jobs[work.next++];
    Result<void> done = co_await work.one(job);
    if (!done && work.result.ok()) work.result = std::move(done);
  }
  co_return true;
}
template <class Job>
Task<Result<void>> side_by_side(Session& session, std::vector<Job>& jobs,
                                Task<Result<void>> (*one)(Job&)) {
  if (jobs.empty()) co_return Result<void>();
  Work<Job> work{jobs, one, 0, {}};
  std::vector<Task<bool>> workers;
  for (size_t i = 0; i < std::min(kChunksAtOnce, jobs.size()); ++i) workers.push_back(worker(work));
  const auto cancellation = session.cancellation();
  co_await when_all(std::move(workers));
  session.set_cancellation(cancellation);
  co_return std::move(work.result);
}

struct WriteJob {
  Session* session;
  const OpenArray* array;
  ChunkPart<ByteView> part;
};
Task<Result<void>> write_job(WriteJob& job) {
  return write_part(*job.session, *job.array, job.part.chunk, job.part.ranges, job.part.memory);
}

struct ReadJob {
  Session* session;
  const OpenArray* array;
  const Object* object;
  uint64_t chunk_cells;
  ChunkPart<MutableByteView> part;
  uint64_t data_end = 0;
};
Task<Result<void>> read_job(ReadJob& job) {
  VARVE_CO_TRY(const uint64_t end,
               co_await read_part(*job.session, *job.array, *job.object, job.part.chunk,
                                  job.part.ranges, job.part.memory));
  job.data_end = end ? job.part.chunk * job.chunk_cells + end : 0;
  co_return Result<void>();
}

Result<uint64_t> chunk_of(ByteView dkey) {
  Decoder decoder(dkey);
  const auto key = decoder.get<uint64_t>();
  if (!decoder.done())
    return Error(Code::kBadFormat, "an array's object holds a dkey that is no chunk number");
  return key;  // chunk + 1; 0: attributes
}

Task<Result<std::vector<uint64_t>>> chunks_with_data(Session& session, const Object& object) {
  std::vector<uint64_t> chunks;
  Session::Anchor anchor;
  while (!anchor.end) {
    auto page = co_await session.list_dkeys(object, anchor, kPage);
    if (page.code() == Code::kNonexistent) break;
    if (!page) co_return std::move(page.error());
    for (const object::ListedEntry& entry : *page) {
      VARVE_CO_TRY(const uint64_t key, chunk_of(entry.key));
      if (key > 0) chunks.push_back(key - 1);
    }
  }
  std::sort(chunks.begin(), chunks.end());
  co_return chunks;
}

bool one_chunk(std::span<const object::Range> ranges, uint64_t chunk_cells) {
  return ranges.size() == 1 && ranges[0].count > 0 &&
         ranges[0].count <= chunk_cells - ranges[0].index % chunk_cells;
}

}  // namespace

template <class View>
std::vector<ChunkPart<View>> split_by_chunk(std::span<const object::Range> ranges,
                                            std::span<const View> memory, uint64_t chunk_cells,
                                            uint64_t cell_bytes) {
  std::vector<ChunkPart<View>> parts;
  size_t piece = 0;
  uint64_t used = 0;
  for (const object::Range& range : ranges) {
    uint64_t index = range.index;
    for (uint64_t left = range.count; left > 0;) {
      const uint64_t chunk = index / chunk_cells, within = index % chunk_cells;
      const uint64_t count = std::min(left, chunk_cells - within);
      if (parts.empty() || parts.back().chunk != chunk) parts.emplace_back().chunk = chunk;
      ChunkPart<View>& part = parts.back();
      part.ranges.push_back({within, count});
      for (uint64_t wanted = memory.empty() ? 0 : count * cell_bytes; wanted > 0;) {
        while (used == memory[piece].size()) ++piece, used = 0;
        const uint64_t taken = std::min<uint64_t>(wanted, memory[piece].size() - used);
        part.memory.push_back(memory[piece].subspan(used, taken));
        used += taken;
        wanted -= taken;
      }
      index += count;
      left -= count;
    }
  }
  return parts;
}

Task<Result<void>> store_array_attributes(Session& session, const OpenArray& array) {
  const ArrayRecord record{ArrayRecord::kMagic, array.cell_bytes, array.chunk_cells.load()};
  const ByteView value = bytes_of(record);
  IoDescriptor descriptor;
  descriptor.akey = as_bytes(kAttributesKey);
  descriptor.from = Gather(&value, 1);
  Result<Epoch> stored =
      co_await session.update(array.object, bytes_of(kAttributesDkey), kCondDkeyInsert,
                              std::span<IoDescriptor>(&descriptor, 1));
  if (!stored) co_return std::move(stored.error());
  co_return Result<void>();
}

Task<Result<void>> load_array_attributes(Session& session, OpenArray& array) {
  ArrayRecord record{0, 0, 0};
  const MutableByteView room(reinterpret_cast<std::byte*>(&record), sizeof record);
  IoDescriptor descriptor;
  descriptor.akey = as_bytes(kAttributesKey);
  descriptor.into = Scatter(&room, 1);
  VARVE_CO_CHECK(co_await session.fetch(array.object, bytes_of(kAttributesDkey), 0,
                                        std::span<IoDescriptor>(&descriptor, 1)));
  if (descriptor.fetched_bytes == 0)
    co_return Error(Code::kNonexistent, "there is no array " + array.object.oid.to_string());
  if (descriptor.fetched_bytes != sizeof record || record.magic != ArrayRecord::kMagic ||
      record.cell_bytes == 0 || record.chunk_cells == 0)
    co_return Error(Code::kBadFormat,
                    "object " + array.object.oid.to_string() + " holds no array attributes");
  array.cell_bytes = record.cell_bytes;
  array.chunk_cells = record.chunk_cells;
  co_return Result<void>();
}

Task<Result<void>> write_array(Session& session, const OpenArray& array,
                               std::span<const object::Range> ranges, Gather from) {
  const uint64_t chunk_cells = array.chunk_cells.load(std::memory_order_relaxed);
  if (one_chunk(ranges, chunk_cells)) {
    const object::Range range{ranges[0].index % chunk_cells, ranges[0].count};
    co_return co_await write_part(session, array, ranges[0].index / chunk_cells,
                                  std::span<const object::Range>(&range, 1), from);
  }
  std::vector<WriteJob> jobs;
  for (ChunkPart<ByteView>& part :
       split_by_chunk<ByteView>(ranges, from, chunk_cells, array.cell_bytes))
    jobs.push_back({&session, &array, std::move(part)});
  co_return co_await side_by_side(session, jobs, write_job);
}

Task<Result<uint64_t>> read_array(Session& session, const OpenArray& array, const Object& object,
                                  std::span<const object::Range> ranges, Scatter into) {
  const uint64_t chunk_cells = array.chunk_cells.load(std::memory_order_relaxed);
  uint64_t wanted_end = 0, total = 0, data_end = 0;
  for (const object::Range& range : ranges) {
    total += range.count;
    if (range.count > 0) wanted_end = std::max(wanted_end, range.index + range.count);
  }
  if (one_chunk(ranges, chunk_cells)) {
    const object::Range range{ranges[0].index % chunk_cells, ranges[0].count};
    const uint64_t chunk = ranges[0].index / chunk_cells;
    VARVE_CO_TRY(const uint64_t end,
                 co_await read_part(session, array, object, chunk,
                                    std::span<const object::Range>(&range, 1), into));
    data_end = end ? chunk * chunk_cells + end : 0;
  } else {
    std::vector<ReadJob> jobs;
    for (ChunkPart<MutableByteView>& part :
         split_by_chunk<MutableByteView>(ranges, into, chunk_cells, array.cell_bytes))
      jobs.push_back({&session, &array, &object, chunk_cells, std::move(part)});
    VARVE_CO_CHECK(co_await side_by_side(session, jobs, read_job));
    for (const ReadJob& job : jobs) data_end = std::max(data_end, job.data_end);
  }
  if (data_end >= wanted_end) co_return total;
  // A hole or the end: only the size tells.
  VARVE_CO_TRY(const ArrayExtent extent, co_await array_extent(session, array, object));
  const uint64_t end = std::max(extent.cells, data_end);
  uint64_t before_end = 0;
  for (const object::Range& range : ranges)
    if (range.index < end) before_end += std::min(range.count, end - range.index);
  co_return before_end;
}

Task<Result<void>> punch_array(Session& session, const OpenArray& array,
                               std::span<const object::Range> ranges) {
  const uint64_t chunk_cells = array.chunk_cells.load(std::memory_order_relaxed);
  std::vector<WriteJob> jobs;
  for (ChunkPart<ByteView>& part :
       split_by_chunk<ByteView>(ranges, {}, chunk_cells, array.cell_bytes))
    jobs.push_back({&session, &array, std::move(part)});
  co_return co_await side_by_side(session, jobs, write_job);  // without memory: punches
}

Task<Result<ArrayExtent>> array_extent(Session& session, const OpenArray& array,
                                       const Object& object) {
  const uint64_t chunk_cells = array.chunk_cells.load(std::memory_order_relaxed);
  ArrayExtent extent;
  auto reply = co_await session.query(object, {}, as_bytes(kDataKey), kMaxDkey | kMaxRange);
  if (reply.code() == Code::kNonexistent) co_return extent;
  if (!reply) co_return std::move(reply.error());
  extent.newest = reply->max_epoch;
  if (reply->dkey.empty()) co_return extent;
  VARVE_CO_TRY(const uint64_t key, chunk_of(reply->dkey));
  if (key == 0) co_return extent;
  if (reply->range.count > 0) {
    extent.cells = (key - 1) * chunk_cells + reply->range.index + reply->range.count;
    co_return extent;
  }
  // The last chunk holds nothing but holes: an earlier one is the last.
  VARVE_CO_TRY(std::vector<uint64_t> chunks, co_await chunks_with_data(session, object));
  for (; !chunks.empty(); chunks.pop_back()) {
    const uint64_t dkey = chunks.back() + 1;
    auto last = co_await session.query(object, bytes_of(dkey), as_bytes(kDataKey), kMaxRange);
    if (last.code() == Code::kNonexistent || (last && last->range.count == 0)) continue;
    if (!last) co_return std::move(last.error());
    extent.cells = chunks.back() * chunk_cells + last->range.index + last->range.count;
    break;
  }
  co_return extent;
}

Task<Result<void>> resize_array(Session& session, const OpenArray& array, uint64_t cells) {
  const uint64_t chunk_cells = array.chunk_cells.load(std::memory_order_relaxed);
  VARVE_CO_TRY(ArrayExtent extent, co_await array_extent(session, array, array.object));
  if (extent.cells > cells) {
    VARVE_CO_TRY(const std::vector<uint64_t> chunks,
                 co_await chunks_with_data(session, array.object));
    std::vector<uint64_t> whole;
    for (const uint64_t chunk : chunks)
      if (chunk * chunk_cells >= cells) whole.push_back(chunk + 1);
    for (size_t i = 0; i < whole.size(); i += kPage) {
      std::vector<ByteView> dkeys;
      for (size_t k = i; k < std::min(whole.size(), i + kPage); ++k)
        dkeys.push_back(bytes_of(whole[k]));
      Result<void> punched = co_await session.punch(array.object, dkeys, {}, 0);
      if (!punched && punched.code() != Code::kNonexistent) co_return punched;
    }
    if (cells % chunk_cells != 0) {
      const object::Range rest{cells, chunk_cells - cells % chunk_cells};
      VARVE_CO_CHECK(
          co_await punch_array(session, array, std::span<const object::Range>(&rest, 1)));
    }
    VARVE_CO_TRY(extent, co_await array_extent(session, array, array.object));
  }
  if (extent.cells >= cells) co_return Result<void>();
  // It ends behind its last cell: a zero there.
  const Buffer zero(array.cell_bytes);
  const ByteView memory(zero);
  const object::Range last{cells - 1, 1};
  co_return co_await write_array(session, array, std::span<const object::Range>(&last, 1),
                                 Gather(&memory, 1));
}

}  // namespace varve::client
