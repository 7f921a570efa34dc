#include "block/small_space.h"

#include <algorithm>
#include <cstring>

namespace varve::block {
namespace {

constexpr uint64_t kWindowBytesMax = 8 * kMiB;
// A window this much free is worth preparing.
constexpr uint64_t kFreeFractionMin = 4;

}  // namespace

SmallSpace::SmallSpace(Executor& executor, device::Device& device, ExtentMap& extents,
                       std::function<void(Error)> on_failure)
    : executor_(executor), device_(device), extents_(extents), on_failure_(std::move(on_failure)),
      window_bytes_(std::clamp(round_down(extents.capacity_bytes() / 32, 64 * kKiB), 64 * kKiB,
                               kWindowBytesMax)),
      search_(extents.data_offset()) {}

std::optional<Extent> SmallSpace::reserve(uint64_t bytes) {
  std::optional<Extent> extent;
  if (current_.length()) extent = extents_.reserve_within(bytes, current_.begin, current_.end);
  if (!extent && next_.length()) {
    current_ = std::exchange(next_, Window{});
    extent = extents_.reserve_within(bytes, current_.begin, current_.end);
  }
  if (extent) current_.begin = extent->offset + extent->length;
  if (worth_preparing()) executor_.spawn(prepare(*this));
  return extent;
}

bool SmallSpace::worth_preparing() const {
  if (next_.length() || current_.length() >= window_bytes_ / 2) return false;
  if (gate_.inside() > 0 || gate_.closed()) return false;
  return exhausted_at_ == 0 || extents_.used_bytes() + window_bytes_ < exhausted_at_;
}

// The next window of which enough is free, in the order of the device.
SmallSpace::Window SmallSpace::choose() {
  const uint64_t first = extents_.data_offset(), end = first + extents_.capacity_bytes();
  for (uint64_t tried = 0; tried < extents_.capacity_bytes(); tried += window_bytes_) {
    if (search_ >= end) search_ = first;
    const Window window{search_, std::min(search_ + window_bytes_, end)};
    search_ = window.end;
    if (extents_.free_within(window.begin, window.end) * kFreeFractionMin >= window_bytes_)
      return window;
  }
  return {};
}

Task<void> SmallSpace::prepare(SmallSpace& self) {
  const Gate::Guard guard(self.gate_);
  // A device that is nearly full has no space to put aside for a while.
  const uint64_t free_bytes = self.extents_.capacity_bytes() - self.extents_.used_bytes();
  const Window window = free_bytes < self.window_bytes_ * 4 ? Window{} : self.choose();
  if (window.length() == 0) {
    self.exhausted_at_ = self.extents_.used_bytes();
    co_return;
  }
  self.exhausted_at_ = 0;
  // Nobody else may write there meanwhile.
  const std::vector<Extent> free = self.extents_.take_free(window.begin, window.end);
  Result<void> filled = co_await self.fill(free);
  for (const Extent& extent : free) self.extents_.cancel(extent);
  if (filled.ok())
    self.next_ = window;
  else
    self.on_failure_(std::move(filled.error()));
}

Task<Result<void>> SmallSpace::fill(const std::vector<Extent>& free) {
  if (std::all_of(free.begin(), free.end(), [this](const Extent& extent) {
        return device_.written_before(extent.offset, extent.length);
      }))
    co_return {};
  constexpr uint64_t kPieceBytes = 1 * kMiB;
  const device::AlignedBuffer zeros(std::min(kPieceBytes, window_bytes_));
  std::memset(zeros.data(), 0, zeros.size());
  for (const Extent& extent : free)
    for (uint64_t done = 0; done < extent.length; done += zeros.size()) {
      const ByteView piece = zeros.view(std::min(zeros.size(), extent.length - done));
      VARVE_CO_CHECK(co_await device_.write(extent.offset + done, Gather(&piece, 1)));
    }
  co_return co_await device_.flush();
}

Task<void> SmallSpace::drain() { return gate_.close(); }

}  // namespace varve::block
