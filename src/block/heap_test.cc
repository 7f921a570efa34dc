#include "block/heap.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "device/device.h"
#include "runtime/clock.h"

namespace varve::block {
namespace {

constexpr uint64_t kChunks = 64;

struct Arena {
  Arena() : device(std::move(*device::open_memory((kChunks + 1) * kChunkBytes))) {}
  std::byte* base() { return device->direct(0); }
  std::unique_ptr<device::Device> device;
};

// What the heap must hold: allocations by offset, with size and the byte they are filled with.
struct Model {
  struct Piece {
    uint32_t bytes;
    std::byte fill;
    bool operator==(const Piece&) const = default;
  };
  std::map<HeapOffset, Piece> pieces;

  void check(std::byte* base) const {
    HeapOffset end = 0;
    for (const auto& [offset, piece] : pieces) {
      ASSERT_GE(offset, end) << "allocations overlap";
      end = offset + piece.bytes;
      for (uint32_t i = 0; i < piece.bytes; ++i) ASSERT_EQ(base[offset + i], piece.fill);
    }
  }
};

uint32_t random_size(Random& random) {
  if (random.one_in(100)) return static_cast<uint32_t>(16384 + random.below(150'000));
  return static_cast<uint32_t>(1 + random.below(random.one_in(4) ? 16352 : 300));
}

void random_step(Heap& heap, Model& model, std::byte* base, Random& random) {
  const uint64_t what = random.below(3);
  if (what == 0 || model.pieces.empty()) {
    const uint32_t bytes = random_size(random);
    const Result<HeapOffset> offset = heap.allocate(bytes);
    if (!offset.ok()) {
      ASSERT_EQ(offset.code(), Code::kNoSpace);
      return;
    }
    const std::byte fill{static_cast<uint8_t>(random.next())};
    std::memset(base + *offset, static_cast<int>(fill), bytes);
    model.pieces[*offset] = {bytes, fill};
    return;
  }
  auto at = model.pieces.lower_bound(random.below(kChunks * kChunkBytes));
  if (at == model.pieces.end()) at = model.pieces.begin();
  if (what == 1) {
    heap.free(at->first, at->second.bytes);
    model.pieces.erase(at);
  } else {
    heap.change(at->first, at->second.bytes);
    at->second.fill = std::byte{static_cast<uint8_t>(random.next())};
    std::memset(base + at->first, static_cast<int>(at->second.fill), at->second.bytes);
  }
}

// A copy kept only by what commit() says has changed, as replay would.
void follow(Heap& heap, std::byte* base, std::vector<std::byte>& copy) {
  HeapOffset end = 0;
  for (const ChangedRange& range : heap.commit(true)) {
    ASSERT_GE(range.offset, end) << "ranges are sorted and apart";
    end = range.offset + range.length;
    std::memcpy(copy.data() + range.offset, base + range.offset, range.length);
  }
}

TEST(Heap, RandomTransactionsAgainstAModel) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Arena arena;
    Random random(seed);
    auto heap = std::make_unique<Heap>(arena.base(), kChunkBytes, kChunks);
    heap->initialize();
    std::vector<std::byte> copy((kChunks + 1) * kChunkBytes);
    Model model;
    for (int transaction = 0; transaction < 150; ++transaction) {
      const Model before = model;
      const uint64_t used_before = heap->allocated_bytes();
      heap->begin(random.one_in(4));
      for (uint64_t i = random.below(12); i > 0; --i) random_step(*heap, model, arena.base(), random);
      if (random.one_in(4)) {
        heap->rollback();
        model = before;
        ASSERT_EQ(heap->allocated_bytes(), used_before);
      } else {
        follow(*heap, arena.base(), copy);
      }
      if (random.one_in(40)) {
        // As after a crash: what the ranges gave is all there is.
        std::memcpy(arena.base(), copy.data(), copy.size());
        heap = std::make_unique<Heap>(arena.base(), kChunkBytes, kChunks);
        if (heap->header()->magic == 0) heap->initialize();
        ASSERT_TRUE(heap->load().ok());
      }
    }
    model.check(arena.base());
  }
}

TEST(Heap, IsFullThenEmptyAgain) {
  Arena arena;
  Heap heap(arena.base(), kChunkBytes, kChunks);
  heap.initialize();
  std::vector<HeapOffset> held;
  heap.begin(false);
  for (;;) {
    const Result<HeapOffset> offset = heap.allocate(1000);
    if (!offset.ok()) {
      EXPECT_EQ(offset.code(), Code::kNoSpace);
      EXPECT_NE(offset.error().text().find("punch"), std::string::npos);
      break;
    }
    held.push_back(*offset);
  }
  heap.commit(false);
  EXPECT_GT(held.size(), kChunks * 58);
  // The reserve serves what frees space.
  heap.begin(true);
  EXPECT_TRUE(heap.allocate(1000).ok());
  heap.rollback();
  heap.begin(false);
  EXPECT_FALSE(heap.allocate(2000).ok());
  heap.rollback();
  heap.begin(false);
  for (const HeapOffset offset : held) heap.free(offset, 1000);
  heap.commit(false);
  EXPECT_EQ(heap.allocated_bytes(), 0u);
  heap.begin(false);
  EXPECT_TRUE(heap.allocate(30 * kChunkBytes).ok());
  heap.commit(false);
}

TEST(Heap, FreedSpaceIsNotReusedInTheSameTransaction) {
  Arena arena;
  Heap heap(arena.base(), kChunkBytes, kChunks);
  heap.initialize();
  heap.begin(false);
  const HeapOffset kept = *heap.allocate(64);
  std::memset(arena.base() + kept, 7, 64);
  heap.commit(false);
  heap.begin(false);
  heap.free(kept, 64);
  EXPECT_NE(*heap.allocate(64), kept);
  heap.rollback();
  EXPECT_EQ(arena.base()[kept], std::byte{7});
  EXPECT_EQ(heap.allocated_bytes(), 64u);
}

TEST(Heap, DamagedChunkIsRefused) {
  Arena arena;
  Heap heap(arena.base(), kChunkBytes, kChunks);
  heap.initialize();
  heap.begin(false);
  const HeapOffset offset = *heap.allocate(64);
  heap.commit(false);
  std::memset(arena.base() + round_down(offset, kChunkBytes), 0xff, 16);
  Heap again(arena.base(), kChunkBytes, kChunks);
  EXPECT_EQ(again.load().code(), Code::kBadFormat);
}

}  // namespace
}  // namespace varve::block
