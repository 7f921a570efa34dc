#include "store/test_store.h"

namespace varve::store {
namespace {

class RewriteTest : public StoreTest {
 protected:
  RewriteTest() { store->set_snapshots(*container, {}); }
  uint64_t used() { return store->space(kPool)->used; }
  uint64_t device_bytes() { return memory.volume->use().extent_bytes; }
  uint64_t index_bytes() { return store->count_holdings(kPool).heap_bytes; }

  // A piece of an array in an extent of its own.
  void write_extent(uint64_t epoch, uint64_t index, std::string_view bytes) {
    const block::Extent extent = *memory.volume->reserve(bytes.size());
    std::memcpy(memory.volume->direct(extent.offset), bytes.data(), bytes.size());
    const ByteView run = as_bytes(bytes);
    const std::vector<uint32_t> checksums = checksum_run(Gather(&run, 1));
    ArrayPiece piece{index, bytes.size(), {bytes.size(), {}, extent, checksums}};
    AkeyUpdate one;
    one.akey = as_bytes("array");
    one.kind = ValueKind::kArray;
    one.pieces = {&piece, 1};
    ASSERT_TRUE(
        store->update(*container, {kHashedOid, Epoch{epoch}, as_bytes("d"), 0, {&one, 1}}).ok());
  }
  ByteView run_of(const Rewrite::Source& source) {
    if (source.inlined) return source.run;
    return {memory.volume->direct(source.run_offset), source.run_length};
  }
  std::string bytes_of_job(const Rewrite& job) {
    std::string bytes;
    for (const Rewrite::Source& source : job.sources) {
      EXPECT_TRUE(verify_run(run_of(source), source.run_checksums).ok());
      bytes += as_text(run_of(source).subspan(source.skip, source.length));
    }
    return bytes;
  }
  Result<Lsn> carry_out(const Rewrite& job) {
    const std::string bytes = bytes_of_job(job);
    const ByteView run = as_bytes(bytes);
    const std::vector<uint32_t> checksums = checksum_run(Gather(&run, 1));
    Data data{bytes.size(), {}, {}, checksums};
    if (job.in_extent) {
      data.extent = *memory.volume->reserve(bytes.size());
      std::memcpy(memory.volume->direct(data.extent.offset), bytes.data(), bytes.size());
    } else {
      data.bytes = run;
    }
    Result<Lsn> done = store->finish_rewrite(job, data);
    if (!done.ok() && job.in_extent) memory.volume->cancel(data.extent);
    return done;
  }
  // Passes up to ever higher horizons until one finds nothing to do.
  int reclaim(uint64_t horizon) {
    int rewrites = 0;
    for (int before = -1; before != rewrites; ++horizon) {
      before = rewrites;
      while (*store->reclaim(Epoch{horizon}, 256))
        while (auto job = store->take_rewrite()) {
          EXPECT_TRUE(carry_out(*job).ok());
          ++rewrites;
        }
    }
    const Holdings held = store->count_holdings(kPool);
    EXPECT_EQ(used(), held.heap_bytes + held.extent_bytes);
    EXPECT_EQ(device_bytes(), held.extent_bytes);
    return rewrites;
  }
  std::string text(uint64_t length, int salt) {
    std::string bytes(length, 0);
    for (uint64_t i = 0; i < length; ++i)
      bytes[i] = static_cast<char>('a' + (i * 7 + static_cast<uint64_t>(salt) + i / 1000) % 26);
    return bytes;
  }
  // What the array holds, extents included.
  std::string contents(uint64_t index, uint64_t count, uint64_t epoch = ~0ULL) {
    AkeyFetch one;
    one.akey = as_bytes("array");
    one.kind = ValueKind::kArray;
    const std::pair<uint64_t, uint64_t> range{index, count};
    one.ranges = {&range, 1};
    Fetch fetch{kHashedOid, Epoch{epoch}, as_bytes("d"), 0, {&one, 1}};
    EXPECT_TRUE(store->fetch(*container, fetch).ok());
    std::string bytes;
    for (const FoundPiece& piece : one.pieces) {
      if (piece.kind == FoundPiece::Kind::kHole) {
        bytes.append(piece.length, '.');
        continue;
      }
      const ByteView run =
          piece.kind == FoundPiece::Kind::kInline
              ? piece.run
              : ByteView(memory.volume->direct(piece.run_offset), piece.run_length);
      EXPECT_TRUE(verify_run(run, piece.run_checksums).ok());
      bytes += as_text(run.subspan(piece.skip, piece.length));
    }
    return bytes;
  }
};

// Row 2.16, and issue 3's bound on the index: at most 64 bytes a piece before, almost none after.
TEST_F(RewriteTest, SequentialPiecesBecomeFewExtents) {
  constexpr uint64_t kPieces = 4096, kPieceBytes = 4096;
  const uint64_t empty = index_bytes();
  const std::string all = text(kPieces * kPieceBytes, 1);
  for (uint64_t i = 0; i < kPieces; ++i)
    write_extent(10 + i, i * kPieceBytes,
                 std::string_view(all).substr(i * kPieceBytes, kPieceBytes));
  const uint64_t before = index_bytes() - empty;
  EXPECT_LE(before, kPieces * 64);
  EXPECT_EQ(device_bytes(), all.size());
  EXPECT_LE(reclaim(kPieces + 20), 17);
  const uint64_t after = index_bytes() - empty;
  RecordProperty("bytes_a_piece_before", static_cast<int>(before / kPieces));
  RecordProperty("bytes_after", static_cast<int>(after));
  EXPECT_LE(after, kPieces);  // a byte a piece
  EXPECT_EQ(device_bytes(), all.size());
  EXPECT_TRUE(contents(0, all.size()) == all);
  EXPECT_EQ(reclaim(kPieces + 30), 0) << "what is joined stays";
}

TEST_F(RewriteTest, SmallPiecesInTheHeapAreJoinedToo) {
  const uint64_t empty = used();
  const std::string all = text(300 * 100, 2);
  for (uint64_t i = 0; i < 300; ++i) {
    const std::string piece = all.substr(i * 100, 100);
    ASSERT_TRUE(write(kHashedOid, "d", 10 + i, i * 100, piece).ok());
  }
  EXPECT_GT(used() - empty, 300 * 150u);
  EXPECT_GE(reclaim(400), 1);
  EXPECT_LT(used() - empty, 300 * 100u + 4096 + 512);
  EXPECT_TRUE(contents(0, all.size()) == all);
}

// Row 2.16: one region overwritten twenty times in small misaligned pieces.
TEST_F(RewriteTest, OverwrittenManyTimesItTakesWhatItHolds) {
  constexpr uint64_t kBytes = 2 * kMiB;
  std::string expected(kBytes, 0);
  uint64_t epoch = 10;
  for (int round = 0; round < 20; ++round) {
    const uint64_t piece = 5000 + static_cast<uint64_t>(round) * 77;
    for (uint64_t at = 0; at < kBytes; at += piece) {
      const std::string bytes = text(std::min(piece, kBytes - at), round);
      write_extent(++epoch, at, bytes);
      expected.replace(at, bytes.size(), bytes);
    }
    if (round % 5 == 4) {
      reclaim(epoch);
      epoch += 20;  // above what that has merged
    }
  }
  EXPECT_LE(device_bytes(), kBytes + kBytes / 50);
  EXPECT_TRUE(contents(0, kBytes) == expected);
}

TEST_F(RewriteTest, HiddenPartsOfLargeExtentsComeBack) {
  std::string expected = text(kMiB, 1);
  write_extent(10, 0, expected);
  for (uint64_t i = 0; i < 100; ++i) {
    const std::string piece = text(6000, static_cast<int>(i));
    write_extent(20 + i, i * 10'000, piece);
    expected.replace(i * 10'000, piece.size(), piece);
  }
  EXPECT_GE(device_bytes(), kMiB + 800 * kKiB);
  reclaim(200);
  EXPECT_LE(device_bytes(), kMiB + 4096);
  EXPECT_TRUE(contents(0, kMiB) == expected);
}

TEST_F(RewriteTest, ALittleHiddenIsNotWorthIt) {
  write_extent(10, 0, text(kMiB, 1));
  write_extent(20, 5000, text(4096, 2));
  EXPECT_EQ(reclaim(30), 0);
}

TEST_F(RewriteTest, SnapshotsSeeWhatTheySaw) {
  std::string old;
  for (uint64_t i = 0; i < 40; ++i) {
    const std::string piece = text(4096, static_cast<int>(i));
    write_extent(10 + i, i * 4096, piece);
    old += piece;
  }
  // One in the middle of the first writing, one after it.
  store->set_snapshots(*container, {Epoch{29}, Epoch{60}});
  std::string now = old;
  for (uint64_t i = 0; i < 20; ++i) {
    const std::string piece = text(4096, static_cast<int>(100 + i));
    write_extent(70 + i, i * 4096 + 1000, piece);
    now.replace(i * 4096 + 1000, piece.size(), piece);
  }
  EXPECT_GE(reclaim(100), 1);
  EXPECT_TRUE(contents(0, 20 * 4096, 29) == old.substr(0, 20 * 4096));
  EXPECT_EQ(contents(20 * 4096, 4096, 29), std::string(4096, '.'));
  EXPECT_TRUE(contents(0, old.size(), 60) == old);
  EXPECT_TRUE(contents(0, old.size()) == now);
  store->set_snapshots(*container, {});
  reclaim(200);
  EXPECT_TRUE(contents(0, old.size()) == now);
  EXPECT_LE(device_bytes(), now.size() + 4096);
}

TEST_F(RewriteTest, WhatChangedMeanwhileIsNotReplaced) {
  for (uint64_t i = 0; i < 20; ++i) write_extent(10 + i, i * 4096, text(4096, 3));
  ASSERT_TRUE(*store->reclaim(Epoch{40}, 256));
  const std::optional<Rewrite> job = store->take_rewrite();
  ASSERT_TRUE(job);
  EXPECT_FALSE(store->take_rewrite());
  // Newer writes do not matter.
  write_extent(50, 5000, text(4096, 4));
  const std::string expected = contents(0, 20 * 4096);
  ASSERT_TRUE(carry_out(*job).ok());
  EXPECT_TRUE(contents(0, 20 * 4096) == expected);
  EXPECT_EQ(carry_out(*job).code(), Code::kAgain) << "the old ones are gone";
  ASSERT_TRUE(store->destroy_container(kPool, kContainer).ok());
  EXPECT_EQ(carry_out(*job).code(), Code::kAgain);
}

TEST_F(RewriteTest, PunchedAndReclaimedMeanwhile) {
  for (uint64_t i = 0; i < 20; ++i) write_extent(10 + i, i * 4096, text(4096, 3));
  ASSERT_TRUE(*store->reclaim(Epoch{40}, 256));
  const std::optional<Rewrite> job = store->take_rewrite();
  ASSERT_TRUE(job);
  const std::string bytes = bytes_of_job(*job);
  ASSERT_TRUE(punch(kHashedOid, 50).ok());
  while (*store->reclaim(Epoch{40}, 256)) continue;  // the pass under way
  while (*store->reclaim(Epoch{60}, 256)) continue;
  EXPECT_EQ(device_bytes(), 0u);
  EXPECT_EQ(store->finish_rewrite(*job, {bytes.size(), as_bytes(bytes), {}, {}}).code(),
            Code::kAgain);
}

// Row 9.10: when the heap fills, values that nobody writes move to the device.
TEST_F(RewriteTest, ColdValuesMoveToTheDevice) {
  for (uint64_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(
        put(kHashedOid, std::to_string(i), "a", 10 + i, text(2000, static_cast<int>(i))).ok());
    ASSERT_TRUE(put(kHashedOid, std::to_string(i), "b", 10 + i, text(900, 1)).ok());
  }
  ASSERT_TRUE(put(kHashedOid, "0", "a", 50, text(3000, 99)).ok());
  store->set_snapshots(*container, {Epoch{40}});
  EXPECT_EQ(reclaim(60), 0);
  EXPECT_EQ(device_bytes(), 0u);
  const uint64_t before = index_bytes();
  store->set_cold(Epoch{45}, 1024);
  EXPECT_EQ(reclaim(70), 20);
  EXPECT_EQ(device_bytes(), 20 * 4096u);
  EXPECT_LT(index_bytes(), before - 20 * 1900);
  const auto value = [&](const std::string& dkey, uint64_t epoch) {
    AkeyFetch one;
    one.akey = as_bytes("a");
    Fetch fetch{kHashedOid, Epoch{epoch}, as_bytes(dkey), 0, {&one, 1}};
    EXPECT_TRUE(store->fetch(*container, fetch).ok());
    const FoundPiece& piece = one.pieces.at(0);
    const ByteView run = piece.kind == FoundPiece::Kind::kInline
                             ? piece.run
                             : ByteView(memory.volume->direct(piece.run_offset), piece.run_length);
    EXPECT_TRUE(verify_run(run, piece.run_checksums).ok());
    return std::string(as_text(run));
  };
  EXPECT_EQ(value("7", ~0ULL), text(2000, 7));
  EXPECT_EQ(value("0", 40), text(2000, 0));
  EXPECT_EQ(value("0", ~0ULL), text(3000, 99));
  store->set_cold(Epoch{60}, 1024);
  EXPECT_EQ(reclaim(80), 1) << "the newer one has become cold";
}

TEST_F(RewriteTest, OneContainerAtOnesOwnRequest) {
  store->set_merging(kPool, false);
  for (uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(put(kHashedOid, "d", "a", 10 + i, "value").ok());
  EXPECT_FALSE(*store->reclaim(Epoch{30}, 256));
  EXPECT_EQ(get(kHashedOid, "d", "a", 12), "value");
  EXPECT_FALSE(*store->aggregate(*container, Epoch{15}, 256));
  EXPECT_EQ(get(kHashedOid, "d", "a", 12), "error: DER_EP_OLD");
  EXPECT_EQ(get(kHashedOid, "d", "a", 16), "value");
  store->set_merging(kPool, true);
  EXPECT_TRUE(*store->reclaim(Epoch{30}, 256));
}

}  // namespace
}  // namespace varve::store
