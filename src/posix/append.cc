// Appends of many clients: the data goes in together with a new generation of its chunk's guard, so
// that of two who saw the same end one comes too late and looks again. What crosses the end of a
// chunk is stored whole with the first part, as the guard's value; whoever meets the end of that
// chunk with nothing behind it puts the rest there.
#include "posix/chunks.h"
#include "posix/file_system.h"
#include "posix/guarded.h"
#include "posix/parallel.h"

namespace varve::posix {
namespace {

client::IoDescriptor chunk_data(const object::Range& range, Gather from) {
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(kDataKey);
  descriptor.kind = object::ValueKind::kArray;
  descriptor.record_size = 1;
  descriptor.ranges = std::span<const object::Range>(&range, 1);
  descriptor.from = from;
  return descriptor;
}

std::vector<ByteView> slice(Gather pieces, uint64_t skip, uint64_t length) {
  std::vector<ByteView> part;
  for (const ByteView piece : pieces) {
    if (skip >= piece.size()) {
      skip -= piece.size();
      continue;
    }
    const uint64_t taken = std::min<uint64_t>(length, piece.size() - skip);
    if (taken > 0) part.push_back(piece.subspan(skip, taken));
    length -= taken;
    skip = 0;
  }
  return part;
}

}  // namespace

Task<Result<uint64_t>> FileSystem::append(Session& session, Node& node, Gather from) {
  if (!node.inode.is_file())
    co_return Error(Code::kInvalid, "'" + node.name + "' is not a file");
  VARVE_CO_CHECK(require_writable());
  if (!node.writable)
    co_return Error(Code::kNoPermission, "'" + node.name + "' is open for reading only");
  const uint64_t total = size_of(from), chunk_bytes = node.inode.chunk_bytes;
  if (total == 0) co_return co_await size(session, node);
  if (!node.written.load(std::memory_order_acquire))
    VARVE_CO_CHECK(co_await mark_written(session, node));
  std::optional<uint64_t> begin;
  for (uint64_t done = 0; done < total;) {
    const uint64_t length = std::min(total - done, chunk_bytes);
    const std::vector<ByteView> part = slice(from, done, length);
    VARVE_CO_TRY(const uint64_t at, co_await append_part(session, node, part));
    if (!begin) begin = at;
    done += length;
  }
  co_return *begin;
}

// At most a chunk's length.
Task<Result<uint64_t>> FileSystem::append_part(Session& session, Node& node, Gather from) {
  const Instant deadline = session.executor().now() + session.options().deadline;
  std::optional<AppendEnd> end = node.append_end.take();
  std::optional<uint64_t> chunk;
  for (uint64_t attempt = 0; session.executor().now() < deadline; ++attempt) {
    // A guard must be older than the size that goes with it: no append in between stays unseen.
    if (!end) {
      if (!chunk) {
        VARVE_CO_TRY(const uint64_t about, co_await size(session, node));
        chunk = about / node.inode.chunk_bytes;
      }
      end.emplace().chunk = *chunk;
      const uint64_t key = chunk_key(*chunk);
      VARVE_CO_TRY(end->guard, co_await read_guarded(session, node.file, bytes_of(key)));
    }
    VARVE_CO_TRY(const uint64_t size_now, co_await size(session, node));
    chunk = size_now / node.inode.chunk_bytes;
    if (*chunk == end->chunk) {
      VARVE_CO_TRY(const bool appended, co_await append_at(session, node, size_now, *end, from));
      if (appended) {
        node.append_end.put(std::move(*end));
        co_return size_now;
      }
      const uint64_t most_us = 20ULL << std::min<uint64_t>(attempt, 5);
      co_await session.executor().sleep_for(
          std::chrono::microseconds(session.executor().random().below(most_us)));
    }
    end.reset();
  }
  co_return Error(Code::kTimedOut, "'" + node.name +
                                       "': others appended all the time until the deadline");
}

// False: the end is elsewhere by now.
Task<Result<bool>> FileSystem::append_at(Session& session, Node& node, uint64_t offset,
                                         AppendEnd& end, Gather from) {
  const uint64_t chunk_bytes = node.inode.chunk_bytes, within = offset % chunk_bytes;
  const uint64_t key = chunk_key(end.chunk), total = size_of(from);
  if (within == 0 && offset > 0 && end.guard.generation == 0) {
    VARVE_CO_TRY(const bool finished, co_await finish_append(session, node, end.chunk));
    if (finished) co_return false;
  }
  const uint64_t first = std::min(total, chunk_bytes - within);
  const std::vector<ByteView> part = slice(from, 0, first);
  const object::Range range{within, first};
  Buffer rest;
  for (const ByteView piece : slice(from, first, total - first))
    rest.insert(rest.end(), piece.begin(), piece.end());
  std::vector<client::IoDescriptor> together{chunk_data(range, part)};
  const bool crosses = !rest.empty();
  VARVE_CO_TRY(const bool stored,
               co_await replace_guarded(session, node.file, bytes_of(key), end.guard,
                                        std::move(rest), std::move(together)));
  if (!stored || !crosses) co_return stored;
  ++end.chunk;
  VARVE_CO_CHECK(co_await finish_append(session, node, end.chunk));
  const uint64_t next_key = chunk_key(end.chunk);
  VARVE_CO_TRY(end.guard, co_await read_guarded(session, node.file, bytes_of(next_key)));
  co_return true;
}

// True: the chunk before this one, which nobody appended to yet, had something for it.
Task<Result<bool>> FileSystem::finish_append(Session& session, const Node& node, uint64_t chunk) {
  const uint64_t before = chunk_key(chunk - 1), key = chunk_key(chunk);
  VARVE_CO_TRY(const Guarded pending, co_await read_guarded(session, node.file, bytes_of(before)));
  if (pending.value.empty()) co_return false;
  const ByteView rest = pending.value;
  const object::Range range{0, rest.size()};
  std::vector<client::IoDescriptor> together{chunk_data(range, Gather(&rest, 1))};
  Guarded nothing;
  VARVE_CO_CHECK(co_await replace_guarded(session, node.file, bytes_of(key), nothing, {},
                                          std::move(together)));
  co_return true;
}

// The file was cut at the end of this chunk: what an append had for the next one is gone too.
Task<Result<void>> FileSystem::forget_append(Session& session, const Node& node, uint64_t chunk) {
  const uint64_t key = chunk_key(chunk);
  for (;;) {
    VARVE_CO_TRY(Guarded pending, co_await read_guarded(session, node.file, bytes_of(key)));
    if (pending.value.empty()) co_return Result<void>();
    VARVE_CO_TRY(const bool done,
                 co_await replace_guarded(session, node.file, bytes_of(key), pending, {}));
    if (done) co_return Result<void>();
  }
}

}  // namespace varve::posix
