// Checksums of every kind and chunk: kept as they were given, counted in the pool's space to the byte.
#include "store/test_store.h"

namespace varve::store {
namespace {

class IntegrityTest : public StoreTest {
 protected:
  uint64_t used() { return store->space(kPool)->used; }
  void reclaim(uint64_t horizon) {
    for (int slice = 0; *store->reclaim(Epoch{horizon}, 7); ++slice) ASSERT_LT(slice, 100'000);
  }
  static std::string text_of(uint64_t length) {
    std::string text(length, 0);
    for (uint64_t i = 0; i < length; ++i) text[i] = static_cast<char>(i * 7 >> 2);
    return text;
  }
  // Inline up to 32 KiB, else in an extent.
  Data data_of(const std::string& text, const std::vector<uint32_t>& checksums) {
    Data data;
    data.length = text.size();
    data.checksums = checksums;
    if (text.size() <= 8 * kKiB) {
      data.bytes = as_bytes(text);
      return data;
    }
    data.extent = *memory.volume->reserve(round_up(text.size(), device::kBlockBytes));
    std::memcpy(memory.volume->direct(data.extent.offset), text.data(), text.size());
    return data;
  }
  std::vector<uint32_t> sums(const std::string& text, const ChecksumFormat& format) {
    const ByteView bytes = as_bytes(text);
    return checksum_run(Gather(&bytes, 1), format);
  }
  Result<Lsn> write_both(Container& to, uint64_t epoch, const std::string& text,
                         const std::vector<uint32_t>& checksums) {
    ArrayPiece piece{5, text.size(), data_of(text, checksums)};
    AkeyUpdate akeys[2];
    akeys[0].akey = as_bytes("single");
    akeys[0].single = data_of(text, checksums);
    akeys[1].akey = as_bytes("array");
    akeys[1].kind = ValueKind::kArray;
    akeys[1].pieces = {&piece, 1};
    const std::string dkey = "d" + std::to_string(text.size());
    Update update{kHashedOid, Epoch{epoch}, as_bytes(dkey), 0, akeys};
    return store->update(to, update);
  }
  // What is found of both has these checksums.
  void expect_both(Container& in, const std::string& text, const std::vector<uint32_t>& checksums) {
    const std::pair<uint64_t, uint64_t> range{5, text.size()};
    AkeyFetch akeys[2];
    akeys[0].akey = as_bytes("single");
    akeys[1].akey = as_bytes("array");
    akeys[1].kind = ValueKind::kArray;
    akeys[1].ranges = {&range, 1};
    const std::string dkey = "d" + std::to_string(text.size());
    Fetch fetch{kHashedOid, kEpochMax, as_bytes(dkey), 0, akeys};
    ASSERT_TRUE(store->fetch(in, fetch).ok());
    for (const AkeyFetch& akey : akeys) {
      ASSERT_EQ(akey.pieces.size(), 1u);
      const auto& found = akey.pieces[0].run_checksums;
      EXPECT_TRUE(std::equal(found.begin(), found.end(), checksums.begin(), checksums.end()))
          << text.size();
      EXPECT_TRUE(verify_run(as_bytes(text), found, store->integrity(in).checksums).ok());
    }
  }
};

TEST_F(IntegrityTest, EveryFormatIsKeptAndFreed) {
  const uint64_t before = used();
  for (uint8_t kind = 0; kind < kChecksumKinds; ++kind) {
    for (uint32_t chunk : {1u * 1024, 32u * 1024, 16u * 1024 * 1024}) {
      const Integrity integrity{{ChecksumKind{kind}, chunk}, kind % 2 == 0, kind % 3 == 0};
      const Uuid uuid = Uuid::from_random(kind + 1, chunk);
      ASSERT_TRUE(store->create_container(kPool, uuid, integrity).ok());
      Container* made = store->find(kPool, uuid);
      store->set_snapshots(*made, {});
      uint64_t epoch = 10;
      for (uint64_t length : {1, 100, 1024, 1025, 5000, 40'000, 100'000}) {
        const std::string text = text_of(length);
        const std::vector<uint32_t> checksums = sums(text, integrity.checksums);
        ASSERT_EQ(checksums.size(), integrity.checksums.words(length));
        std::vector<uint32_t> wrong = checksums;
        wrong.push_back(1);
        EXPECT_EQ(write_both(*made, epoch, text, wrong).code(), Code::kInvalid);
        ASSERT_TRUE(write_both(*made, epoch++, text, checksums).ok());
        ASSERT_TRUE(write_both(*made, epoch++, text, checksums).ok());
        expect_both(*made, text, checksums);
      }
      reopen();
      made = store->find(kPool, uuid);
      EXPECT_EQ(store->integrity(*made), integrity);
      for (uint64_t length : {1025, 100'000})
        expect_both(*made, text_of(length), sums(text_of(length), integrity.checksums));
      store->set_snapshots(*made, {});
      reclaim(epoch);
      for (uint64_t length : {1025, 100'000})
        expect_both(*made, text_of(length), sums(text_of(length), integrity.checksums));
      ASSERT_TRUE(store->destroy_container(kPool, uuid).ok());
      reclaim(epoch);
      EXPECT_EQ(used(), before) << +kind << " " << chunk;
    }
  }
}

TEST_F(IntegrityTest, DamageIsFoundInEveryChunk) {
  for (uint8_t kind = 1; kind < kChecksumKinds; ++kind) {
    const ChecksumFormat format{ChecksumKind{kind}, 2048};
    std::string text = text_of(9000);
    const std::vector<uint32_t> checksums = sums(text, format);
    EXPECT_EQ(find_damage(as_bytes(text), checksums, format), 9000u);
    for (uint64_t at : {0u, 2047u, 2048u, 8999u}) {
      text[at] ^= 16;
      EXPECT_EQ(find_damage(as_bytes(text), checksums, format), at / 2048 * 2048) << +kind;
      EXPECT_EQ(verify_run(as_bytes(text), checksums, format).code(), Code::kChecksum);
      text[at] ^= 16;
    }
  }
}

}  // namespace
}  // namespace varve::store
