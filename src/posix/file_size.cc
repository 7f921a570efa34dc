#include <algorithm>

#include "base/coding.h"
#include "posix/chunks.h"
#include "posix/file_system.h"

namespace varve::posix {
namespace {

constexpr uint32_t kPageEntries = 1024;
// object::QueryRequest::flags
constexpr uint8_t kMaxDkey = 1, kMaxRange = 16, kBytes = 64;

// What a file counts for its quotas is under dkey 0 (quota.cc).
bool is_chunk(ByteView dkey) {
  return std::any_of(dkey.begin(), dkey.end(), [](std::byte byte) { return byte != std::byte{0}; });
}
// Chunk numbers; kBadFormat for a dkey that is none.
Result<uint64_t> chunk_of(ByteView dkey) {
  Decoder decoder(dkey);
  const auto key = decoder.get<uint64_t>();
  if (!decoder.done() || key == 0)
    return Error(Code::kBadFormat, "a file's object holds a dkey that is no chunk number");
  return key - 1;
}

Task<Result<std::vector<uint64_t>>> list_chunks(Session& session, const client::Object& object,
                                                uint64_t from) {
  std::vector<uint64_t> chunks;
  Session::Anchor anchor;
  while (!anchor.end) {
    Result<std::vector<object::ListedEntry>> page =
        co_await session.list_dkeys(object, anchor, kPageEntries);
    if (page.code() == Code::kNonexistent) break;
    if (!page) co_return std::move(page.error());
    for (const object::ListedEntry& entry : *page) {
      if (!is_chunk(entry.key)) continue;
      VARVE_CO_TRY(const uint64_t chunk, chunk_of(entry.key));
      if (chunk >= from) chunks.push_back(chunk);
    }
  }
  std::sort(chunks.begin(), chunks.end());
  co_return chunks;
}

// Zero-length data: the range becomes a hole.
Task<Result<void>> punch_range(Session& session, const client::Object& object, uint64_t chunk,
                               object::Range range) {
  const uint64_t key = chunk_key(chunk);
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(kDataKey);
  descriptor.kind = object::ValueKind::kArray;
  descriptor.record_size = 1;
  descriptor.ranges = std::span<const object::Range>(&range, 1);
  VARVE_CO_CHECK(co_await session.update(object, bytes_of(key), 0, only(descriptor)));
  co_return Result<void>();
}

Task<Result<void>> store_zero(Session& session, const client::Object& object, uint64_t chunk,
                              uint64_t within, uint64_t conditions) {
  static constexpr std::byte kZero{0};
  const uint64_t key = chunk_key(chunk);
  const ByteView zero(&kZero, 1);
  const object::Range range{within, 1};
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(kDataKey);
  descriptor.kind = object::ValueKind::kArray;
  descriptor.record_size = 1;
  descriptor.ranges = std::span<const object::Range>(&range, 1);
  descriptor.from = Gather(&zero, 1);
  Result<Epoch> stored =
      co_await session.update(object, bytes_of(key), conditions, only(descriptor));
  if (!stored) co_return std::move(stored.error());
  co_return Result<void>();
}

// The file ends just behind this byte. Whoever writes it at the same instant wins where the chunk
// holds nothing yet; in a chunk that does, the last one wins.
Task<Result<void>> end_with_zero(Session& session, const client::Object& object, uint64_t chunk,
                                 uint64_t within) {
  Result<void> stored = co_await store_zero(session, object, chunk, within, store::kCondAkeyInsert);
  if (stored.code() != Code::kExists) co_return stored;
  co_return co_await store_zero(session, object, chunk, within, 0);
}

}  // namespace

Task<Result<FileSystem::Extent>> FileSystem::extent(Session& session, const client::Object& object,
                                                    uint64_t chunk_bytes, bool count_bytes) {
  Extent found;
  const uint8_t flags = kMaxDkey | kMaxRange | (count_bytes ? kBytes : 0);
  Result<object::QueryReply> reply =
      co_await session.query(object, {}, as_bytes(kDataKey), flags);
  if (reply.code() == Code::kNonexistent) co_return found;
  if (!reply) co_return std::move(reply.error());
  found.epoch = reply->max_epoch;
  found.stored_bytes = reply->bytes;
  if (reply->dkey.empty()) co_return found;
  if (reply->range.count == 0) {
    VARVE_CO_TRY(const Extent listed, co_await extent_by_listing(session, object, chunk_bytes));
    found.size = listed.size;
    co_return found;
  }
  VARVE_CO_TRY(const uint64_t chunk, chunk_of(reply->dkey));
  found.size = chunk * chunk_bytes + reply->range.index + reply->range.count;
  co_return found;
}

// Where the last chunk holds nothing but holes (punched ranges), an earlier one is the last.
Task<Result<FileSystem::Extent>> FileSystem::extent_by_listing(Session& session,
                                                               const client::Object& object,
                                                               uint64_t chunk_bytes) {
  Extent found;
  VARVE_CO_TRY(std::vector<uint64_t> chunks, co_await list_chunks(session, object, 0));
  for (; !chunks.empty(); chunks.pop_back()) {
    const uint64_t key = chunk_key(chunks.back());
    Result<object::QueryReply> reply =
        co_await session.query(object, bytes_of(key), as_bytes(kDataKey), kMaxRange);
    if (reply.code() == Code::kNonexistent) continue;
    if (!reply) co_return std::move(reply.error());
    if (reply->range.count == 0) continue;
    found.size = chunks.back() * chunk_bytes + reply->range.index + reply->range.count;
    break;
  }
  co_return found;
}

Task<Result<uint64_t>> FileSystem::size(Session& session, const Node& node) {
  if (!node.inode.is_file())
    co_return Error(Code::kInvalid, "'" + node.name + "' is not a file: it has no size");
  VARVE_CO_TRY(const Extent found, co_await extent(session, node.file, node.inode.chunk_bytes));
  co_return found.size;
}

Task<Result<uint64_t>> FileSystem::size_of_object(Session& session, ObjectId oid,
                                                  uint64_t chunk_bytes) {
  if (chunk_bytes == 0) chunk_bytes = superblock_.chunk_bytes;
  VARVE_CO_TRY(const client::Object object, open_object(session, oid));
  VARVE_CO_TRY(const Extent found, co_await extent(session, object, chunk_bytes));
  co_return found.size;
}

// Everything goes, whoever wrote it.
Task<Result<void>> FileSystem::truncate(Session& session, Node& node) {
  if (!node.written.load(std::memory_order_acquire)) co_return Result<void>();
  std::vector<std::string> keys;
  if (!is_removed(node.inode.oid)) keys = quota_keys(node.parent.get(), node.inode.uid);
  uint64_t covered = 0;
  if (!keys.empty()) {
    VARVE_CO_TRY(covered,
                 co_await covered_bytes(session, node.file, node.inode.chunk_bytes, nullptr));
  }
  Result<void> punched = co_await session.punch(node.file, {}, {}, 0);
  if (!punched && punched.code() != Code::kNonexistent) co_return std::move(punched.error());
  node.covered.store(0);
  if (!keys.empty()) co_await give_back(session, keys, {static_cast<int64_t>(covered), 0});
  co_return co_await touch(session, node);
}

// The file changed in a way that its object may not show (there may be none left).
Task<Result<void>> FileSystem::touch(Session& session, const Node& node) {
  const Result<Inode> inode = co_await entry(session, *node.parent, node.name);
  if (!inode && is_removed(node.inode.oid)) co_return Result<void>();
  if (inode.code() == Code::kNonexistent) {
    VARVE_CO_TRY(const bool orphaned, co_await is_orphan(session, node.inode.oid));
    if (orphaned) co_return Result<void>();
  }
  if (!inode) co_return inode.error();
  VARVE_CO_TRY(const Epoch newest, co_await newest_epoch(session, inode->oid));
  const auto now_ns = static_cast<int64_t>(session.executor().clock().wall_ns());
  const TimesRecord times{now_ns, inode->atime_ns, now_ns,
                          std::max(inode->mtime_epoch, newest.value)};
  co_return co_await update_record(session, node, kTimesKey, bytes_of(times));
}

// Removes [offset, end): whole chunks as dkeys, the two at the edges as ranges.
Task<Result<void>> FileSystem::remove_range(Session& session, const Node& node, uint64_t offset,
                                            uint64_t end) {
  const uint64_t chunk_bytes = node.inode.chunk_bytes;
  VARVE_CO_TRY(const std::vector<uint64_t> chunks,
               co_await list_chunks(session, node.file, offset / chunk_bytes));
  std::vector<uint64_t> whole;
  for (const uint64_t chunk : chunks) {
    const uint64_t begins = chunk * chunk_bytes;
    if (begins >= end) break;
    const uint64_t first = std::max(begins, offset), last = std::min(begins + chunk_bytes, end);
    if (last - first == chunk_bytes)
      whole.push_back(chunk_key(chunk));
    else if (first < last)
      VARVE_CO_CHECK(co_await punch_range(session, node.file, chunk,
                                          object::Range{first - begins, last - first}));
  }
  for (size_t i = 0; i < whole.size(); i += kPageEntries) {
    std::vector<ByteView> dkeys;
    for (size_t k = i; k < std::min(whole.size(), i + kPageEntries); ++k)
      dkeys.push_back(bytes_of(whole[k]));
    Result<void> punched = co_await session.punch(node.file, dkeys, {}, 0);
    if (!punched && punched.code() != Code::kNonexistent) co_return std::move(punched.error());
  }
  co_return Result<void>();
}

Task<Result<void>> FileSystem::set_size(Session& session, Node& node, uint64_t size) {
  VARVE_CO_CHECK(require_writable());
  const FileRange range{size, 0};
  VARVE_CO_CHECK(check_ranges(std::span<const FileRange>(&range, 1), 0));
  VARVE_CO_CHECK(co_await do_duties(session));
  if (size == 0) {
    // What another handle has written this one may not know of.
    node.written.store(true, std::memory_order_release);
    co_return co_await truncate(session, node);
  }
  VARVE_CO_TRY(uint64_t stored, co_await this->size(session, node));
  if (stored == size) co_return co_await touch(session, node);
  if (!node.written.load(std::memory_order_acquire))
    VARVE_CO_CHECK(co_await mark_written(session, node));
  const uint64_t chunk_bytes = node.inode.chunk_bytes, before = stored;
  if (stored < size) VARVE_CO_CHECK(co_await cover(session, node, size));
  if (stored > size) {
    VARVE_CO_CHECK(co_await forget_append(session, node, (size - 1) / chunk_bytes));
    VARVE_CO_CHECK(co_await remove_range(session, node, size, round_up(stored, chunk_bytes)));
    VARVE_CO_TRY(stored, co_await this->size(session, node));
  }
  if (stored < size)
    VARVE_CO_CHECK(co_await end_with_zero(session, node.file, (size - 1) / chunk_bytes,
                                          (size - 1) % chunk_bytes));
  if (before > size && quotas_.any())
    VARVE_CO_CHECK(co_await uncover(session, node, before, size));
  co_return co_await touch(session, node);
}

Task<Result<void>> FileSystem::punch(Session& session, Node& node, uint64_t offset,
                                     uint64_t length) {
  VARVE_CO_CHECK(require_writable());
  if (!node.inode.is_file()) co_return Error(Code::kInvalid, "'" + node.name + "' is not a file");
  if (length == ~uint64_t{0}) co_return co_await set_size(session, node, offset);
  if (length == 0) co_return Result<void>();
  VARVE_CO_TRY(const uint64_t stored, co_await size(session, node));
  if (offset >= stored) co_return Result<void>();
  if (length >= stored - offset) co_return co_await set_size(session, node, offset);
  co_return co_await remove_range(session, node, offset, offset + length);
}

}  // namespace varve::posix
