#include "object/operations/fetch.h"

namespace varve::object {
namespace {

constexpr size_t kIdleMax = 64;

struct Credit {
  Semaphore& semaphore;
  uint64_t bytes = 0;
  ~Credit() {
    if (bytes) semaphore.release(bytes);
  }
};

}  // namespace

// Brings the chunks that the parts touch into memory.
Task<Result<void>> Service::read_parts(FetchWork& work) {
  std::vector<Task<Result<void>>> reads;
  for (FetchWork::Part& part : work.parts) {
    if (part.hole || part.inlined) continue;
    const auto [begin, end] = work.wanted_of(part);
    part.loaded_from = begin;
    if (std::byte* direct = volume_.direct(part.run_offset + begin)) {
      part.loaded = {direct, end - begin};
      continue;
    }
    const uint64_t bytes = round_up(end - begin, device::kBlockBytes);
    device::AlignedBuffer& buffer = work.buffers.emplace_back(bytes);
    part.loaded = buffer.view(end - begin);
    reads.push_back(volume_.read(part.run_offset + begin, buffer.view(bytes)));
  }
  if (reads.empty()) co_return Result<void>();
  if (reads.size() == 1) {
    Task<Result<void>> only = std::move(reads[0]);
    co_return co_await std::move(only);
  }
  auto results = co_await when_all(std::move(reads));
  for (Result<void>& result : results)
    if (!result.ok()) co_return std::move(result);
  co_return Result<void>();
}

Task<Result<void>> Service::fetch_into(FetchWork& work, rpc::Request& request) {
  VARVE_CO_TRY(store::Container * container, find(work.target, Access::kRead));
  const block::Volume::Pin pin = volume_.pin();
  store::Fetch fetch;
  fetch.oid = work.target.oid;
  fetch.epoch = work.target.epoch;
  fetch.dkey = work.dkey;
  fetch.conditions = work.conditions;
  fetch.akeys = work.found_in_use();
  fetch.clock = read_at(work.target).clock;
  VARVE_CO_CHECK(store_.fetch(*container, fetch));
  const Epoch epoch = work.target.epoch == kEpochMax ? fetch.clock : work.target.epoch;
  VARVE_CO_CHECK(work.take_found(store_.integrity(*container).checksums));
  const uint64_t bytes = work.data_bytes();
  if (bytes > request.into_bytes())
    co_return Error(Code::kTruncated, "a fetch finds " + std::to_string(bytes) + " bytes, the caller has room for " +
                                          std::to_string(request.into_bytes()));
  VARVE_CO_CHECK(work.choose_unit());
  const block::Lsn written = last_write(work.target.oid, work.dkey);
  if (!volume_.is_durable(written)) VARVE_CO_CHECK(co_await volume_.durable(written));
  Credit credit{buffer_bytes_};
  if (bytes > work.inline_bytes.size()) {
    if (volume_.persistent()) {
      const uint64_t memory = std::min(work.loaded_bytes(), kBufferBytesMax);
      const bool got = co_await buffer_bytes_.acquire(memory, request.deadline());
      if (!got) co_return Error(Code::kTimedOut, "the target was busy with other data until the deadline");
      credit.bytes = memory;
    }
    VARVE_CO_CHECK(co_await read_parts(work));
  }
  VARVE_CO_CHECK(work.build_reply(epoch, device_name_));
  if (work.gather.empty()) request.reply_now(work.body);
  else co_await request.reply(work.body, work.gather);
  co_return Result<void>();
}

Task<void> Service::fetch(rpc::Request& request) {
  ++counters_.fetches;
  std::unique_ptr<FetchWork> work;
  if (idle_fetches_.empty()) {
    work = std::make_unique<FetchWork>();
  } else {
    work = std::move(idle_fetches_.back());
    idle_fetches_.pop_back();
  }
  Result<void> result = work->prepare(request.body());
  if (result.ok()) result = co_await fetch_into(*work, request);
  if (result.code() == Code::kChecksum) ++counters_.damaged_reads;
  if (!result.ok()) fail(request, result.error());
  work->reset();
  if (idle_fetches_.size() < kIdleMax) idle_fetches_.push_back(std::move(work));
}

}  // namespace varve::object
