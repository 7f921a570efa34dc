// Compares what is stored with its checksums, a little at a time, at a bounded rate. What is damaged is
// marked in the store, so that readers are told at once, logged once and counted.
#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "object/decode.h"
#include "object/service.h"

namespace varve::object {
namespace {

constexpr uint32_t kSliceEntries = 256;
constexpr uint64_t kStepBytes = 1 * kMiB;  // of one run, in memory at a time; or a chunk
constexpr uint64_t kBytesPerMs = 100'000;  // 100 MB/s
constexpr Duration kSlicePause = 1ms;
constexpr Duration kQuiet = 100ms;  // without requests: idle
constexpr Duration kLook = 3600s;

}  // namespace

void Service::set_scrub(const Uuid& pool, ScrubPolicy policy) {
  scrubs_[pool].policy = policy;
  scrubs_[pool].next_pass = executor_.now();
  scrub_wanted_.notify_all();
}

bool Service::scrubs(const Uuid& pool) const {
  const auto found = scrubs_.find(pool);
  return !stopping_ && failure_.empty() && found != scrubs_.end() &&
         found->second.policy.mode != ScrubPolicy::Mode::kOff;
}

Task<void> Service::pause_scrub(Uuid pool, uint64_t bytes) {
  co_await executor_.sleep_for(kSlicePause + std::chrono::milliseconds(bytes / kBytesPerMs));
  while (scrubs(pool) && scrubs_[pool].policy.mode == ScrubPolicy::Mode::kLazy) {
    const uint64_t before = requests();
    co_await executor_.sleep_for(kQuiet);
    if (requests() == before) break;
  }
}

Task<Result<void>> Service::note_damage(Uuid pool, Uuid uuid, const store::ScrubRun& run, uint64_t from) {
  VARVE_CO_CHECK(co_await prepare_transaction(store::kSmallTransactionBytes));
  store::Container* container = store_.find(pool, uuid);
  if (!container) co_return Result<void>();
  auto marked = store_.mark_corrupt(*container, run);
  if (marked.code() == Code::kNonexistent) co_return Result<void>();
  if (!marked.ok()) co_return std::move(marked.error());
  ++counters_.scrub_errors;
  const bool array = run.kind == store::ValueKind::kArray;
  log_error("device " + device_name_ + ": scrub: container " + uuid.to_string() + ", object " + run.oid.to_string() +
            ", dkey " + shown(run.dkey) + ", akey " + shown(run.akey) + ", " +
            (array ? "extent from record " + std::to_string(run.index) + " on" : "value") + " of epoch " +
            std::to_string(run.epoch) + ": damaged from byte " + std::to_string(from) + " on" +
            (run.inlined ? ", in the heap" : ", at offset " + std::to_string(run.offset + from)) +
            "; marked, write the data again or restore it");
  ScrubState& state = scrubs_[pool];
  ++state.errors;
  if (state.policy.threshold && state.errors == state.policy.threshold) {
    verdict_ = "bad: scrub found " + std::to_string(state.errors) + " damaged runs of pool " + pool.to_string() +
               ", its scrub_thresh; replace the device (nothing is evicted)";
    log_error("device " + device_name_ + ": " + verdict_);
  }
  co_return co_await volume_.durable(*marked);
}

// False if the bytes are right after all: one read that went wrong must not cost what is on the device. True when two
// reads in a row give the same wrong bytes, `bytes` being the first.
Task<Result<bool>> Service::damage_stays(uint64_t offset, device::AlignedBuffer bytes, uint64_t length,
                                         std::span<const uint32_t> words, ChecksumFormat format) {
  constexpr int kReadsMax = 8;
  for (int i = 0; i < kReadsMax; ++i) {
    device::AlignedBuffer again(bytes.size());
    VARVE_CO_CHECK(co_await volume_.read(offset, again.view()));
    if (store::find_damage(again.view(length), words, format) == length) co_return false;
    if (std::memcmp(again.data(), bytes.data(), length) == 0) co_return true;
    bytes = std::move(again);
  }
  co_return false;  // the next pass looks again
}

// How many bytes were compared.
Task<Result<uint64_t>> Service::check_runs(const ChecksumFormat& format, Uuid pool, Uuid container,
                                           std::vector<store::ScrubRun>& runs) {
  uint64_t total = 0;
  const uint64_t step = std::max<uint64_t>(kStepBytes, format.chunk_bytes);
  for (const store::ScrubRun& run : runs) {
    if (run.inlined) {
      VARVE_CO_CHECK(co_await note_damage(pool, container, run, 0));
      continue;
    }
    for (uint64_t from = 0; from < run.length; from += step) {
      const uint64_t length = std::min(step, run.length - from);
      device::AlignedBuffer buffer;
      ByteView bytes;
      if (std::byte* direct = volume_.direct(run.offset + from)) {
        bytes = {direct, length};
      } else {
        buffer = device::AlignedBuffer(round_up(length, device::kBlockBytes));
        VARVE_CO_CHECK(co_await volume_.read(run.offset + from, buffer.view()));
        bytes = buffer.view(length);
      }
      total += length;
      const auto words = std::span(run.checksums).subspan(format.words(from), format.words(length));
      const uint64_t damage = store::find_damage(bytes, words, format);
      if (damage == length) continue;
      if (!volume_.direct(run.offset + from)) {
        VARVE_CO_TRY(const bool stays,
                     co_await damage_stays(run.offset + from, std::move(buffer), length, words, format));
        if (!stays) continue;
      }
      VARVE_CO_CHECK(co_await note_damage(pool, container, run, from + damage));
      break;
    }
  }
  counters_.scrubbed_bytes += total;
  co_return total;
}

// False if it was not looked at to its end.
Task<bool> Service::scrub_container(Uuid pool, Uuid uuid) {
  store::ScrubCursor cursor;
  for (bool more = true; more && scrubs(pool);) {
    std::vector<store::ScrubRun> runs;
    uint64_t bytes = 0;
    {
      store::Container* container = store_.find(pool, uuid);
      if (!container) co_return true;
      const Integrity integrity = store_.integrity(*container);
      if (!integrity.scrub || integrity.checksums.kind == ChecksumKind::kOff) co_return true;
      // Nothing that the runs name is used for other data meanwhile.
      const block::Volume::Pin pin = volume_.pin();
      more = store_.scrub(*container, cursor, kSliceEntries, runs);
      auto checked = co_await check_runs(integrity.checksums, pool, uuid, runs);
      if (!checked.ok()) {
        log_warning("device " + device_name_ + ": scrub stops: " + checked.error().describe());
        co_return false;
      }
      bytes = *checked;
    }
    co_await pause_scrub(pool, bytes);
  }
  co_return scrubs(pool);
}

Task<void> Service::scrub_pool(Uuid pool) {
  const Instant begin = executor_.now();
  bool whole = true;
  for (const Uuid& container : store_.containers(pool)) {
    if (!whole) break;
    whole = co_await scrub_container(pool, container);
  }
  ScrubState& state = scrubs_[pool];
  const Duration period = std::chrono::seconds(std::max(state.policy.period_s, 1u));
  state.next_pass = std::max(begin + period, executor_.now() + kQuiet);
  if (whole) ++counters_.scrub_passes;
}

Task<void> Service::scrub_in_background() {
  Gate::Guard inside(background_);
  while (!stopping_) {
    const std::vector<Uuid> there = store_.pools();
    std::erase_if(scrubs_, [&](const auto& entry) {
      return std::find(there.begin(), there.end(), entry.first) == there.end();
    });
    const Instant now = executor_.now();
    Instant next = now + kLook;
    Uuid due;
    for (const auto& [pool, state] : scrubs_) {
      if (!scrubs(pool) || state.next_pass >= next) continue;
      next = state.next_pass;
      due = pool;
    }
    if (next > now) co_await scrub_wanted_.wait(next);
    else co_await scrub_pool(due);
  }
}

}  // namespace varve::object
