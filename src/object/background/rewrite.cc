// What the store proposes to write again: read, verified against the checksums that were stored with
// it, joined, written to one extent, and handed back. In small steps, so that requests go first.
#include "base/log.h"
#include "object/service.h"

namespace varve::object {
namespace {

constexpr uint64_t kStepBytes = 128 * kKiB;
static_assert(kStepBytes % store::kChunkBytes == 0);
constexpr size_t kStepSources = 32;
// What the last step of a rewrite may have taken: the rest of it was waiting.
constexpr Duration kRewriteStep = 100us;

using Source = store::Rewrite::Source;

// The chunks of a stored run that a source needs, in memory.
struct Chunks {
  uint64_t begin = 0;  // in the run
  ByteView bytes;
  device::AlignedBuffer buffer;
};

Result<void> verify_source(const store::Rewrite& job, const Source& source, const Chunks& chunks) {
  if (source.run_checksums.empty()) return {};
  const ChecksumFormat& format = job.checksums;
  const uint64_t first = format.words(chunks.begin), count = format.words(chunks.bytes.size());
  VARVE_ASSERT(first + count <= source.run_checksums.size(), "every chunk has a checksum");
  auto good = store::verify_run(chunks.bytes, std::span(source.run_checksums).subspan(first, count), format);
  if (good.ok()) return {};
  return Error(Code::kChecksum, "object " + job.oid.to_string() + ": " + std::string(good.error().text()));
}

}  // namespace

// Sources [first, last) into `out`, one after the other.
Task<Result<void>> Service::read_sources(const store::Rewrite& job, size_t first, size_t last, MutableByteView out) {
  std::vector<Chunks> all(last - first);
  std::vector<Task<Result<void>>> reads;
  for (size_t i = first; i < last; ++i) {
    const Source& source = job.sources[i];
    Chunks& chunks = all[i - first];
    if (source.inlined) {
      chunks.bytes = source.run;
      continue;
    }
    const uint64_t chunk = std::max<uint64_t>(job.checksums.chunk_bytes, device::kBlockBytes);
    chunks.begin = round_down(source.skip, chunk);
    const uint64_t end = std::min(round_up(source.skip + source.length, chunk), source.run_length);
    const uint64_t bytes = end - chunks.begin;
    if (std::byte* direct = volume_.direct(source.run_offset + chunks.begin)) {
      chunks.bytes = {direct, bytes};
      continue;
    }
    chunks.buffer = device::AlignedBuffer(round_up(bytes, device::kBlockBytes));
    chunks.bytes = chunks.buffer.view(bytes);
    reads.push_back(volume_.read(source.run_offset + chunks.begin, chunks.buffer.view()));
  }
  auto results = co_await when_all(std::move(reads));
  for (Result<void>& result : results)
    if (!result.ok()) co_return std::move(result);
  for (size_t i = first; i < last; ++i) {
    const Source& source = job.sources[i];
    const Chunks& chunks = all[i - first];
    VARVE_CO_CHECK(verify_source(job, source, chunks));
    std::memcpy(out.data(), chunks.bytes.data() + (source.skip - chunks.begin), source.length);
    out = out.subspan(source.length);
  }
  co_return Result<void>();
}

// The whole new run, verified, zeros behind it up to whole blocks.
Task<Result<device::AlignedBuffer>> Service::gather_sources(const store::Rewrite& job) {
  device::AlignedBuffer run(round_up(job.length, device::kBlockBytes));
  std::memset(run.data() + job.length, 0, run.size() - job.length);
  uint64_t done = 0;
  for (size_t first = 0; first < job.sources.size();) {
    const Instant begin = executor_.now();
    size_t last = first;
    uint64_t bytes = 0;
    while (last < job.sources.size() && last - first < kStepSources && bytes < kStepBytes)
      bytes += job.sources[last++].length;
    VARVE_CO_CHECK(co_await read_sources(job, first, last, {run.data() + done, bytes}));
    done += bytes;
    first = last;
    co_await pause_reclaim(begin);
    if (stopping_) co_return Error(Code::kShutdown);
  }
  co_return std::move(run);
}

Task<Result<void>> Service::rewrite(const store::Rewrite& job) {
  VARVE_CO_TRY(const device::AlignedBuffer run, co_await gather_sources(job));
  const ByteView bytes = run.view(job.length);
  std::vector<uint32_t> checksums;
  // Steps of whole chunks, so that their checksums are those of the run.
  const uint64_t chunk = job.checksums.chunk_bytes;
  const uint64_t step = std::max(kStepBytes / chunk * chunk, chunk);
  for (uint64_t done = 0; done < job.length; done += step) {
    const ByteView piece = bytes.subspan(done, std::min(step, job.length - done));
    const std::vector<uint32_t> some = store::checksum_run(Gather(&piece, 1), job.checksums);
    checksums.insert(checksums.end(), some.begin(), some.end());
    if (done + step < job.length) co_await executor_.yield();
  }
  store::Data data;
  data.length = job.length;
  data.checksums = checksums;
  if (job.in_extent) {
    VARVE_CO_TRY(data.extent, volume_.reserve(job.length));
    const ByteView whole = run.view();
    auto written = co_await volume_.write(data.extent, Gather(&whole, 1));
    if (!written.ok()) {
      volume_.cancel(data.extent);
      co_return std::move(written);
    }
  } else {
    data.bytes = bytes;
  }
  Result<void> finished = co_await prepare_transaction(4 * store::kSmallTransactionBytes);
  if (finished.ok()) {
    auto stored = store_.finish_rewrite(job, data);
    if (stored.ok()) {
      ++changes_;
      ++counters_.rewrites;
      counters_.rewritten_bytes += job.length;
      co_return Result<void>();
    }
    finished = std::move(stored.error());
  }
  if (job.in_extent) volume_.cancel(data.extent);
  co_return std::move(finished);
}

// Everything that the last slice proposed. An error if the device has failed. Called without a
// suspension after the slice: from then on nothing that the proposals name is used for other data.
Task<Result<void>> Service::rewrite_proposed() {
  std::vector<store::Rewrite> jobs;
  while (auto job = store_.take_rewrite()) jobs.push_back(std::move(*job));
  if (jobs.empty()) co_return Result<void>();
  const block::Volume::Pin pin = volume_.pin();
  for (const store::Rewrite& job : jobs) {
    if (stopping_) break;
    const Instant begin = executor_.now();
    auto done = co_await rewrite(job);
    co_await pause_reclaim(std::max(begin, executor_.now() + -kRewriteStep));
    if (done.ok() || done.code() == Code::kAgain || done.code() == Code::kShutdown) continue;
    if (done.code() == Code::kIo) co_return std::move(done);
    if (done.code() == Code::kChecksum) ++counters_.damaged_reads;
    // A full device is no news; what is damaged stays as it is, for its readers to be told.
    if (done.code() != Code::kNoSpace)
      log_warning("device " + device_name_ + ": data is not written again: " + done.error().describe());
  }
  co_return Result<void>();
}

}  // namespace varve::object
