// Appends of many clients: the target of the last chunk puts the data behind what it has, so that
// nobody comes too late. What crosses the end of a chunk asks that this end still be where it was
// seen, and is stored whole with the first part, as the value of the chunk's guard; whoever meets the
// end of that chunk with nothing behind it puts the rest there.
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
  VARVE_CO_CHECK(co_await do_duties(session));
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
  const uint64_t chunk_bytes = node.inode.chunk_bytes, total = size_of(from);
  for (uint64_t attempt = 0; session.executor().now() < deadline; ++attempt) {
    VARVE_CO_TRY(const uint64_t end, co_await size(session, node));
    const uint64_t chunk = end / chunk_bytes, within = end % chunk_bytes;
    VARVE_CO_CHECK(co_await cover(session, node, end + total));
    if (within == 0 && end > 0) {
      VARVE_CO_TRY(const bool finished, co_await finish_append(session, node, chunk));
      if (finished) continue;
    }
    if (total <= chunk_bytes - within) {
      VARVE_CO_TRY(const std::optional<uint64_t> at,
                   co_await append_within(session, node, chunk, from));
      if (at) co_return chunk * chunk_bytes + *at;
      continue;  // others have filled the chunk
    }
    VARVE_CO_TRY(const bool appended, co_await append_across(session, node, end, from));
    if (appended) co_return end;
    const uint64_t most_us = 20ULL << std::min<uint64_t>(attempt, 5);
    co_await session.executor().sleep_for(
        std::chrono::microseconds(session.executor().random().below(most_us)));
  }
  co_return Error(Code::kTimedOut, "'" + node.name +
                                       "': others appended all the time until the deadline");
}

// The target says where the end is, and puts the data there; nothing: the chunk has no room for it.
// A key of its own names the append, so that one whose answer was lost is not done twice.
Task<Result<std::optional<uint64_t>>> FileSystem::append_within(Session& session, Node& node,
                                                                uint64_t chunk, Gather from) {
  static constexpr std::byte kOne{1};
  const uint64_t key = chunk_key(chunk), token = session.executor().random().next();
  const ByteView one(&kOne, 1), nothing;
  const std::string akey = std::string(kAppendPrefix) + std::string(as_text(bytes_of(token)));
  const object::Range range{node.inode.chunk_bytes, size_of(from)}, first{0, 1};
  client::IoDescriptor descriptors[] = {chunk_data(range, from), chunk_data(first, {&one, 1}),
                                        single_value({}, nothing)};
  descriptors[0].conditions = object::kAppend;
  descriptors[1].akey = as_bytes(akey);
  descriptors[1].conditions = store::kCondAkeyInsert;
  size_t count = 2;
  const std::optional<AppendName> last = node.last_append.take();
  if (last && last->chunk == chunk) {
    descriptors[2] = chunk_data(first, {});
    descriptors[2].akey = as_bytes(last->akey);
    count = 3;
  }
  Result<Epoch> stored =
      co_await session.update(node.file, bytes_of(key), store::kCondPerAkey, {descriptors, count});
  if (stored.code() == Code::kOverflow) co_return std::optional<uint64_t>();
  node.last_append.put({chunk, akey});
  if (stored) co_return std::optional(descriptors[0].appended_at);
  if (stored.code() != Code::kExists) co_return std::move(stored.error());
  co_return co_await find_append(session, node, chunk, akey);
}

// Where an append came to lie whose answer was lost: what has the epoch of its name.
Task<Result<std::optional<uint64_t>>> FileSystem::find_append(Session& session, const Node& node,
                                                              uint64_t chunk,
                                                              const std::string& akey) {
  const uint64_t key = chunk_key(chunk);
  Session::Anchor anchor;
  VARVE_CO_TRY(const auto names, co_await session.list_ranges(node.file, bytes_of(key),
                                                              as_bytes(akey), anchor, 1));
  for (anchor = {}; !names.empty() && !anchor.end;) {
    VARVE_CO_TRY(const auto page, co_await session.list_ranges(node.file, bytes_of(key),
                                                               as_bytes(kDataKey), anchor, 512));
    for (const object::ListedEntry& entry : page)
      if (entry.epoch == names[0].epoch) co_return std::optional(entry.range.index);
  }
  co_return Error(Code::kTimedOut, "'" + node.name +
                                       "': the data was appended, but the answer was lost and it "
                                       "is not known where it lies");
}

// What crosses the end of the chunk in which the file ends at `offset`. False: it does not end there
// any more.
Task<Result<bool>> FileSystem::append_across(Session& session, const Node& node, uint64_t offset,
                                             Gather from) {
  const uint64_t chunk_bytes = node.inode.chunk_bytes, within = offset % chunk_bytes;
  const uint64_t chunk = offset / chunk_bytes, key = chunk_key(chunk), total = size_of(from);
  VARVE_CO_TRY(Guarded guard, co_await read_guarded(session, node.file, bytes_of(key)));
  const uint64_t first = std::min(total, chunk_bytes - within);
  const std::vector<ByteView> part = slice(from, 0, first);
  const object::Range range{within, first};
  Buffer rest;
  for (const ByteView piece : slice(from, first, total - first))
    rest.insert(rest.end(), piece.begin(), piece.end());
  std::vector<client::IoDescriptor> together{chunk_data(range, part)};
  together[0].conditions = object::kAtEnd;
  Result<bool> stored = co_await replace_guarded(session, node.file, bytes_of(key), guard,
                                                 std::move(rest), std::move(together));
  if (stored.code() == Code::kOverflow) co_return false;
  if (!stored || !*stored) co_return stored;
  VARVE_CO_CHECK(co_await finish_append(session, node, chunk + 1));
  co_return true;
}

// True: the chunk before this empty one had something for it, which it has now.
Task<Result<bool>> FileSystem::finish_append(Session& session, const Node& node, uint64_t chunk) {
  const uint64_t before = chunk_key(chunk - 1), key = chunk_key(chunk);
  VARVE_CO_TRY(const Guarded pending, co_await read_guarded(session, node.file, bytes_of(before)));
  if (pending.value.empty()) co_return false;
  const ByteView rest = pending.value;
  const object::Range range{0, rest.size()};
  std::vector<client::IoDescriptor> together{chunk_data(range, Gather(&rest, 1))};
  Guarded nothing;
  co_return co_await replace_guarded(session, node.file, bytes_of(key), nothing, {},
                                     std::move(together));
}

// The file is cut within this chunk or at its end: what an append had for the next one goes too.
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
