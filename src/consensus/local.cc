#include <map>

#include "base/checksum.h"
#include "block/volume.h"
#include "consensus/key_value.h"
#include "runtime/wait.h"

namespace varve::consensus {
namespace {

using block::HeapOffset;

// Format: docs/formats/key_value.md.
struct RootRecord {
  static constexpr uint64_t kMagic = 0x31564b6576726156ULL;  // "VarveKV1"
  uint64_t magic = kMagic;
  uint32_t version = 1;
  uint32_t reserved = 0;
  HeapOffset first = 0;
  uint64_t entries = 0;
};
static_assert(sizeof(RootRecord) == 32 && sizeof(RootRecord) <= block::Volume::kRootBytes);

struct EntryRecord {
  HeapOffset next = 0, previous = 0;
  uint32_t key_bytes = 0, value_bytes = 0;
  uint32_t checksum = 0;  // crc32c of key and value
  uint32_t reserved = 0;
};
static_assert(sizeof(EntryRecord) == 32);

uint32_t bytes_of_entry(size_t key_bytes, size_t value_bytes) {
  return static_cast<uint32_t>(sizeof(EntryRecord) + key_bytes + value_bytes);
}

class LocalKeyValue final : public KeyValue {
 public:
  explicit LocalKeyValue(block::Volume& volume) : volume_(volume) {}

  Result<void> load();

  const Buffer* get(std::string_view key) const override {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second.value;
  }
  void scan(std::string_view prefix,
            const std::function<bool(std::string_view, const Buffer&)>& visit) const override {
    for (auto at = entries_.lower_bound(prefix); at != entries_.end(); ++at)
      if (!at->first.starts_with(prefix) || !visit(at->first, at->second.value)) return;
  }
  Task<Result<void>> commit(Batch batch) override {
    co_await turn_.acquire();
    auto result = co_await commit_in_turn(batch);
    turn_.release();
    co_return result;
  }

 private:
  struct Entry {
    Buffer value;
    HeapOffset offset = 0;
  };
  using Offsets = std::map<std::string_view, HeapOffset>;

  Task<Result<void>> commit_in_turn(const Batch& batch);
  Result<void> write(const Change& change, Offsets& offsets);
  void unlink(HeapOffset offset);
  RootRecord* root() const { return volume_.at<RootRecord>(block::Volume::kRoot); }

  block::Volume& volume_;
  std::map<std::string, Entry, std::less<>> entries_;
  Semaphore turn_{1};
  bool failed_ = false;
};

Error damaged(const std::string& what) {
  return Error(Code::kBadFormat, "the system volume's key-value store is damaged (" + what +
                                     "); restore its file from a copy");
}

Result<void> LocalKeyValue::load() {
  const RootRecord root_record = *root();
  if (root_record.magic == 0 && root_record.first == 0) return {};
  if (root_record.magic != RootRecord::kMagic) return damaged("its root has no magic number");
  if (root_record.version != 1)
    return Error(Code::kIncompatible, "the system volume's key-value store has version " +
                                          std::to_string(root_record.version) + ", this program reads 1");
  const uint64_t limit = volume_.use().heap_bytes_max;
  uint64_t count = 0;
  HeapOffset previous = 0;
  for (HeapOffset at = root_record.first; at != 0; ++count) {
    if (at % 16 != 0 || at + sizeof(EntryRecord) > limit || count >= root_record.entries)
      return damaged("a link leads nowhere");
    const EntryRecord& record = *volume_.at<EntryRecord>(at);
    if (record.key_bytes == 0 || record.key_bytes > kKeyBytesMax || record.value_bytes > kValueBytesMax ||
        at + bytes_of_entry(record.key_bytes, record.value_bytes) > limit || record.previous != previous)
      return damaged("an entry at " + std::to_string(at));
    const auto* bytes = reinterpret_cast<const std::byte*>(&record + 1);
    const ByteView key(bytes, record.key_bytes), value(bytes + record.key_bytes, record.value_bytes);
    if (crc32c(value, crc32c(key)) != record.checksum)
      return damaged("checksum of the entry at " + std::to_string(at));
    if (!entries_.try_emplace(std::string(as_text(key)), Entry{Buffer(value.begin(), value.end()), at}).second)
      return damaged("a key stands there twice");
    previous = at;
    at = record.next;
  }
  if (count != root_record.entries) return damaged("entries are missing");
  return {};
}

void LocalKeyValue::unlink(HeapOffset offset) {
  const EntryRecord entry = *volume_.at<EntryRecord>(offset);
  if (entry.next) volume_.change(volume_.at<EntryRecord>(entry.next))->previous = entry.previous;
  if (entry.previous) volume_.change(volume_.at<EntryRecord>(entry.previous))->next = entry.next;
  else volume_.change(root())->first = entry.next;
  --volume_.change(root())->entries;
  volume_.free(offset, bytes_of_entry(entry.key_bytes, entry.value_bytes));
}

// `offsets`: where the batch left the keys that it has touched so far.
Result<void> LocalKeyValue::write(const Change& change, Offsets& offsets) {
  HeapOffset& offset = offsets[change.key];
  if (offset) unlink(offset);
  offset = 0;
  if (!change.value) return {};
  const Buffer& value = *change.value;
  VARVE_TRY(offset, volume_.allocate(bytes_of_entry(change.key.size(), value.size())));
  auto* record = new (volume_.at<EntryRecord>(offset)) EntryRecord;
  record->next = root()->first;
  record->key_bytes = static_cast<uint32_t>(change.key.size());
  record->value_bytes = static_cast<uint32_t>(value.size());
  record->checksum = crc32c(value, crc32c(as_bytes(change.key)));
  auto* bytes = reinterpret_cast<std::byte*>(record + 1);
  std::memcpy(bytes, change.key.data(), change.key.size());
  if (!value.empty()) std::memcpy(bytes + change.key.size(), value.data(), value.size());
  if (record->next) volume_.change(volume_.at<EntryRecord>(record->next))->previous = offset;
  RootRecord* root_record = volume_.change(root());
  root_record->first = offset;
  ++root_record->entries;
  return {};
}

Task<Result<void>> LocalKeyValue::commit_in_turn(const Batch& batch) {
  if (batch.empty()) co_return Result<void>();
  uint64_t bytes = 4096;
  for (const Change& change : batch) {
    const size_t value_bytes = change.value ? change.value->size() : 0;
    if (change.key.empty() || change.key.size() > kKeyBytesMax || value_bytes > kValueBytesMax)
      co_return Error(Code::kInvalid, "a key or value of the service's state is too large (at most " +
                                          std::to_string(kValueBytesMax) + " bytes)");
    bytes += 512 + change.key.size() + value_bytes;
  }
  if (failed_) co_return Error(Code::kIo, "the system volume failed earlier; restart the server");
  if (!volume_.ready_for(bytes)) VARVE_CO_CHECK(co_await volume_.wait_ready(bytes));
  volume_.begin();
  if (root()->magic == 0) *volume_.change(root()) = RootRecord{};
  Offsets offsets;
  for (const Change& change : batch) {
    const auto found = entries_.find(change.key);
    offsets.try_emplace(change.key, found == entries_.end() ? 0 : found->second.offset);
    auto written = write(change, offsets);
    if (!written.ok()) {
      volume_.rollback();
      co_return written;
    }
  }
  const block::Lsn lsn = volume_.commit();
  auto durable = co_await volume_.durable(lsn);
  if (!durable.ok()) {
    failed_ = true;
    co_return durable;
  }
  for (const Change& change : batch) {
    if (change.value) entries_[change.key] = Entry{*change.value, offsets.at(change.key)};
    else entries_.erase(change.key);
  }
  co_return Result<void>();
}

}  // namespace

Result<std::unique_ptr<KeyValue>> open_local(block::Volume& volume) {
  auto store = std::make_unique<LocalKeyValue>(volume);
  VARVE_CHECK(store->load());
  return std::unique_ptr<KeyValue>(std::move(store));
}

}  // namespace varve::consensus
