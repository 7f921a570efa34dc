#include "object/operations/update.h"

#include "object/decode.h"

namespace varve::object {
namespace {

constexpr size_t kIdleMax = 64;

// Claimed space that is given back unless the store has taken it.
class Reserved {
 public:
  Reserved(block::Volume& volume, UpdateWork& work) : volume_(volume), work_(work) {}
  Reserved(const Reserved&) = delete;
  ~Reserved() {
    if (taken_) return;
    for (const UpdateWork::Value& value : work_.values)
      if (value.extent.offset) volume_.cancel(value.extent);
  }
  void taken() { taken_ = true; }

 private:
  block::Volume& volume_;
  UpdateWork& work_;
  bool taken_ = false;
};

// Bytes of the semaphore for as long as this lives.
struct Credit {
  Semaphore& semaphore;
  uint64_t bytes = 0;
  ~Credit() {
    if (bytes) semaphore.release(bytes);
  }
};

// What has no checksums in the container's format gets them here.
Result<void> verify(UpdateWork& work) {
  const ChecksumFormat& format = work.integrity.checksums;
  const ChecksumFormat sent{format.kind, work.checksum_bytes};
  for (UpdateWork::Value& value : work.values) {
    if (value.length == 0) continue;
    if (value.has_checksums) {
      const std::span<const uint32_t> words{work.checksums.data() + value.first_checksum, value.checksums};
      const bool compare = work.integrity.verify_on_write || sent != format;
      const uint64_t damage = compare ? store::find_damage(value.bytes, words, sent) : value.length;
      if (damage < value.length)
        return Error(Code::kChecksum,
                     "object " + work.target.oid.to_string() + ", dkey " + shown(work.dkey) + ", akey " +
                         shown(work.akeys[value.akey].name) + ": data of an update was damaged on its way, " +
                         std::to_string(damage) + " bytes from its start or soon after; send it again");
      if (sent == format) continue;
    }
    const std::vector<uint32_t> made = store::checksum_run(Gather(&value.bytes, 1), format);
    value.first_checksum = static_cast<uint32_t>(work.checksums.size());
    value.checksums = static_cast<uint32_t>(made.size());
    work.checksums.insert(work.checksums.end(), made.begin(), made.end());
  }
  return {};
}

Task<Result<void>> write_value(block::Volume& volume, UpdateWork& work, size_t index) {
  const UpdateWork::Value& value = work.values[index];
  const ByteView whole = work.buffers[value.buffer].view(value.extent.length);
  co_return co_await volume.write(value.extent, Gather(&whole, 1));
}

// Extents that are not in memory already, side by side.
Task<Result<void>> write_values(block::Volume& volume, UpdateWork& work) {
  if (work.buffers.size() == 1) {
    for (size_t i = 0; i < work.values.size(); ++i)
      if (work.values[i].in_extent) co_return co_await write_value(volume, work, i);
  }
  std::vector<Task<Result<void>>> writes;
  for (size_t i = 0; i < work.values.size(); ++i)
    if (work.values[i].in_extent) writes.push_back(write_value(volume, work, i));
  auto results = co_await when_all(std::move(writes));
  for (Result<void>& result : results)
    if (!result.ok()) co_return std::move(result);
  co_return Result<void>();
}

}  // namespace

// Places the data: small values into memory of the request, others straight to where they will stay, or
// into memory that the device can write from.
Task<Result<void>> Service::receive_update(UpdateWork& work, rpc::Request& request) {
  const ByteView inlined = request.inline_bulk();
  const bool received = request.bulk_bytes() == 0 || !inlined.empty();
  uint64_t inline_total = 0;
  for (UpdateWork::Value& value : work.values) {
    if (value.in_extent) {
      const uint64_t bytes = round_up(value.length, device::kBlockBytes);
      auto extent = volume_.reserve(bytes);
      if (extent.ok()) {
        value.extent = *extent;
      } else {
        VARVE_CO_TRY(value.extent, co_await reserve(bytes, request.deadline()));
      }
      written_bytes_ += bytes;
    } else {
      inline_total += value.length;
    }
  }
  if (!received) work.inline_bytes.resize(inline_total);
  uint64_t inline_at = 0, inlined_at = 0;
  for (UpdateWork::Value& value : work.values) {
    if (value.length == 0) continue;
    MutableByteView place;
    if (value.in_extent) {
      std::byte* direct = volume_.direct(value.extent.offset);
      if (!direct) {
        value.buffer = work.buffers.size();
        work.buffers.emplace_back(value.extent.length);
        direct = work.buffers.back().data();
      }
      place = {direct, value.length};
      std::memset(direct + value.length, 0, value.extent.length - value.length);
    } else if (!received) {
      place = {work.inline_bytes.data() + inline_at, value.length};
      inline_at += value.length;
    }
    if (!received) {
      work.scatter.push_back(place);
    } else if (value.in_extent) {
      std::memcpy(place.data(), inlined.data() + inlined_at, value.length);
    }
    value.bytes = place.empty() ? inlined.subspan(inlined_at, value.length) : ByteView(place);
    inlined_at += value.length;
  }
  if (!received) VARVE_CO_CHECK(co_await request.receive(work.scatter));
  VARVE_CO_CHECK(verify(work));
  if (!work.buffers.empty()) VARVE_CO_CHECK(co_await write_values(volume_, work));
  co_return Result<void>();
}

// The slow way: after whatever can be given back has been.
Task<Result<block::Extent>> Service::reserve(uint64_t bytes, Instant deadline) {
  co_await wait_for_space(deadline);
  co_return volume_.reserve(bytes);
}

Task<Result<void>> Service::prepare_transaction(uint64_t bytes) {
  if (volume_.ready_for(bytes)) co_return Result<void>();
  co_return co_await volume_.wait_ready(bytes);
}

// Where an appended range goes; nothing may come between this and the update.
Result<void> Service::place_append(store::Container& container, UpdateWork& work,
                                   const store::Update& update) {
  if (!work.append) return {};
  const auto [akey, piece, index, placed] = *work.append;
  store::QueryFlags flags;
  flags.max_recx = true;
  const store::ReadAt at(update.epoch, update.transaction, update.uncertain_until, update.epoch);
  const auto found =
      store_.query(container, update.oid, at, update.dkey, update.akeys[akey].akey, flags);
  if (!found.ok() && found.code() != Code::kNonexistent) return found.error();
  const uint64_t end = found.ok() ? found->recx_index + found->recx_count : 0;
  store::ArrayPiece& range = work.store_pieces[piece];
  const bool fits = placed ? end <= index && range.count <= index - end : end <= index;
  if (!fits)
    return Error(Code::kOverflow, "the array ends at " + std::to_string(end) + ": " +
                                      std::to_string(range.count) +
                                      " records behind it do not end, or begin, at " +
                                      std::to_string(index));
  if (placed) range.index = end;
  return {};
}

Task<Result<Epoch>> Service::store_update(UpdateWork& work, Instant deadline) {
  store::Update update = work.as_store_update(kEpochNone);
  const uint64_t bytes = store::transaction_bytes(std::span(&update, 1));
  if (!volume_.ready_for(bytes)) VARVE_CO_CHECK(co_await volume_.wait_ready(bytes));
  // The caller may have tried again, and written something newer since.
  if (executor_.now() > deadline) co_return Error(Code::kTimedOut, "an update reached its deadline on the server");
  VARVE_CO_TRY(store::Container * container, find(work.target, Access::kWrite));
  VARVE_CO_TRY(update.epoch, epoch_for(work.target));
  VARVE_CO_CHECK(place_append(*container, work, update));
  auto stored = store_.update(*container, update);
  if (stored.code() == Code::kNoSpace) {
    const bool helped = co_await wait_for_space(deadline);
    if (helped) {
      VARVE_CO_CHECK(co_await prepare_transaction(bytes));
      VARVE_CO_TRY(container, find(work.target, Access::kWrite));
      VARVE_CO_TRY(update.epoch, epoch_for(work.target));
      VARVE_CO_CHECK(place_append(*container, work, update));
      stored = store_.update(*container, update);
    }
  }
  if (!stored.ok()) co_return std::move(stored.error());
  // The extents belong to the store now.
  for (UpdateWork::Value& value : work.values) value.extent = {};
  note_change();
  note_write(work.target.oid, work.dkey, *stored);
  if (!volume_.is_durable(*stored)) VARVE_CO_CHECK(co_await volume_.durable(*stored));
  co_return update.epoch;
}

Task<void> Service::update(rpc::Request& request) {
  ++counters_.updates;
  std::unique_ptr<UpdateWork> work;
  if (idle_updates_.empty()) {
    work = std::make_unique<UpdateWork>();
    work->policies = &policies_;
  } else {
    work = std::move(idle_updates_.back());
    idle_updates_.pop_back();
  }
  Result<void> ready = work->prepare(request.body());
  if (ready.ok()) {
    auto found = find(work->target, Access::kWrite);
    if (found.ok()) ready = work->plan(store_.integrity(**found), request.bulk_bytes());
    else ready = std::move(found.error());
  }
  Result<Epoch> stored = kEpochNone;
  if (ready.ok()) {
    Reserved reserved(volume_, *work);
    Credit credit{buffer_bytes_};
    if (request.inline_bulk().empty() && request.bulk_bytes() > 0) {
      const uint64_t bytes = std::min(request.bulk_bytes(), kBufferBytesMax);
      const bool got = co_await buffer_bytes_.acquire(bytes, request.deadline());
      if (got) credit.bytes = bytes;
      else ready = Error(Code::kTimedOut, "the target was busy with other data until the deadline");
    }
    if (ready.ok()) ready = co_await receive_update(*work, request);
    if (ready.code() == Code::kChecksum) ++counters_.damaged_writes;
    if (ready.ok()) {
      stored = co_await store_update(*work, request.deadline());
      if (stored.ok()) reserved.taken();
    }
  }
  if (!ready.ok()) {
    fail(request, ready.error());
  } else if (!stored.ok()) {
    fail(request, stored.error());
  } else {
    static_assert(sizeof(Epoch) == sizeof(uint64_t));
    const bool placed = work->append && work->append->placed;
    const uint64_t words[] = {stored->value,
                              placed ? work->store_pieces[work->append->piece].index : 0};
    request.reply_now(std::as_bytes(std::span(words, placed ? 2 : 1)));
  }
  work->reset();
  if (idle_updates_.size() < kIdleMax) idle_updates_.push_back(std::move(work));
}

}  // namespace varve::object
