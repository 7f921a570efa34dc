// The ring alone, on private memory.
#include "network/local_ring.h"

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <memory>
#include <thread>

#include "runtime/clock.h"

namespace varve::network::local {
namespace {

struct Ring {
  Control control;
  alignas(kLineBytes) std::byte data[kRingBytes] = {};
  RingWriter writer{&control, data};
  RingReader reader{&control, data};
  RingReader::Record record;
  void write(uint64_t argument, ByteView payload) {
    ASSERT_EQ(writer.space_for(payload.size()), RingWriter::Space::kFree);
    writer.write(Kind::kMessage, 0, static_cast<uint32_t>(payload.size()), argument, payload);
  }
};

TEST(LocalRing, AgainstAQueueAtEveryPosition) {
  auto ring = std::make_unique<Ring>();
  Random random(1);
  std::deque<std::pair<uint64_t, size_t>> queue;
  Buffer payload(kMessageBytesMax);
  uint64_t next = 0, refused = 0;
  for (int i = 0; i < 300'000; ++i) {
    // Now mostly writing, now mostly reading: empty, half full and full by turns.
    if (random.below(10) < (i / 500 % 2 ? 7u : 3u)) {
      const size_t size = 1 + random.below(random.one_in(20) ? kMessageBytesMax : 300);
      if (ring->writer.space_for(size) == RingWriter::Space::kFull) {
        ASSERT_FALSE(queue.empty()) << "an empty ring takes every message";
        ++refused;
        continue;
      }
      std::memset(payload.data(), static_cast<int>(next & 0xff), size);
      ring->write(next, ByteView(payload).first(size));
      queue.emplace_back(next++, size);
    } else {
      const RingReader::Look look = ring->reader.look(ring->record);
      ASSERT_EQ(look, queue.empty() ? RingReader::Look::kNothing : RingReader::Look::kRecord);
      if (queue.empty()) continue;
      ASSERT_EQ(ring->record.header.argument, queue.front().first);
      ASSERT_EQ(ring->record.payload.size(), queue.front().second);
      for (const std::byte byte : {ring->record.payload.front(), ring->record.payload.back()})
        ASSERT_EQ(byte, static_cast<std::byte>(queue.front().first & 0xff));
      ring->reader.advance(ring->record);
      queue.pop_front();
      if (random.one_in(3) || queue.empty()) ring->reader.publish_progress();
    }
  }
  EXPECT_GT(refused, 100u) << "the ring was full at times";
}

TEST(LocalRing, AQuietConnectionKeepsToFewPages) {
  auto ring = std::make_unique<Ring>();
  const Buffer payload(1000);
  for (int i = 0; i < 10'000; ++i) {
    ring->write(1, payload);
    ASSERT_EQ(ring->reader.look(ring->record), RingReader::Look::kRecord);
    ring->reader.advance(ring->record);
    ring->reader.publish_progress();
  }
  for (size_t i = 40 * kKiB; i < kRingBytes; ++i) ASSERT_EQ(ring->data[i], std::byte{0}) << i;
}

TEST(LocalRing, AReaderDoesNotSleepOnARecord) {
  auto ring = std::make_unique<Ring>();
  ring->write(1, Buffer(8));
  EXPECT_FALSE(ring->reader.fall_asleep());
  EXPECT_FALSE(ring->writer.must_ring_reader());
  ASSERT_EQ(ring->reader.look(ring->record), RingReader::Look::kRecord);
  ring->reader.advance(ring->record);
  EXPECT_TRUE(ring->reader.fall_asleep());
  ring->write(2, Buffer(8));
  EXPECT_TRUE(ring->writer.must_ring_reader());
  EXPECT_FALSE(ring->writer.must_ring_reader()) << "once for each sleep";
}

TEST(LocalRing, AWriterDoesNotWaitForSpaceThatIsThere) {
  auto ring = std::make_unique<Ring>();
  const Buffer payload(60'000);
  size_t written = 0;
  while (ring->writer.space_for(payload.size()) == RingWriter::Space::kFree)
    ring->write(written++, payload);
  EXPECT_TRUE(ring->writer.wait_for_space(payload.size()));
  ring->writer.end_wait_for_space();
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(ring->reader.look(ring->record), RingReader::Look::kRecord);
    ring->reader.advance(ring->record);
  }
  EXPECT_FALSE(ring->reader.publish_progress()) << "nobody waits";
  EXPECT_FALSE(ring->writer.wait_for_space(payload.size()));
  while (ring->writer.space_for(payload.size()) == RingWriter::Space::kFree)
    ring->write(written++, payload);
  EXPECT_TRUE(ring->writer.wait_for_space(payload.size()));
  bool rung = false;
  while (ring->reader.look(ring->record) == RingReader::Look::kRecord) {
    ring->reader.advance(ring->record);
    const bool now = ring->reader.publish_progress();
    EXPECT_FALSE(now && rung) << "once for each wait";
    rung |= now;
  }
  EXPECT_TRUE(rung);
  EXPECT_EQ(ring->writer.space_for(payload.size()), RingWriter::Space::kFree);
}

// Whatever fits a ring gets through to a reader that looks at its writer's wish as seldom as it
// may.
TEST(LocalRing, ABlockedWriterIsRungInTime) {
  Random random(7);
  for (int round = 0; round < 300; ++round) {
    auto ring = std::make_unique<Ring>();
    const Buffer payload(kMessageBytesMax);
    for (int i = 0; i < 400; ++i) {
      const size_t size = 1 + random.below(random.one_in(4) ? kMessageBytesMax : 3000);
      while (ring->writer.space_for(size) == RingWriter::Space::kFull) {
        ASSERT_TRUE(ring->writer.wait_for_space(size));
        bool rung = false;
        while (!rung && ring->reader.look(ring->record) == RingReader::Look::kRecord) {
          ring->reader.advance(ring->record);
          if (random.one_in(5)) rung = ring->reader.publish_progress();
        }
        if (!rung) rung = ring->reader.publish_progress();
        ASSERT_TRUE(rung) << "everything was read and nobody rang";
      }
      ring->write(1, ByteView(payload).first(size));
    }
  }
}

// Two threads in lock step, so that each write meets the reader on its way to sleep. A wake-up that
// is lost shows as a reader that sleeps beside a full ring.
TEST(LocalRing, NoWakeUpIsLostBetweenTwoThreads) {
  auto ring = std::make_unique<Ring>();
  constexpr uint64_t kRounds = 400'000;
  std::atomic<uint64_t> bells{0}, taken{0};
  std::atomic<bool> lost{false};
  std::thread reader([&] {
    Random delays(4);
    uint64_t heard = 0, read = 0;
    while (read < kRounds && !lost.load()) {
      if (ring->reader.look(ring->record) == RingReader::Look::kRecord) {
        ring->reader.advance(ring->record);
        ring->reader.publish_progress();
        taken.store(++read);
        for (uint64_t pause = delays.below(16); pause > 0; --pause) __builtin_ia32_pause();
        continue;
      }
      if (!ring->reader.fall_asleep()) continue;
      const auto start = std::chrono::steady_clock::now();
      for (uint64_t spins = 1; bells.load() == heard; ++spins) {
        if (spins % 1024 == 0) std::this_thread::yield();
        if (spins % 65536 == 0 && std::chrono::steady_clock::now() - start > 10s) {
          lost.store(true);
          return;
        }
      }
      ++heard;
    }
  });
  Random random(3);
  const Buffer payload(8);
  for (uint64_t i = 0; i < kRounds && !lost.load(); ++i) {
    for (uint64_t spins = 1; taken.load() < i && !lost.load(); ++spins)
      if (spins % 1024 == 0) std::this_thread::yield();
    for (uint64_t pause = random.below(8); pause > 0; --pause) __builtin_ia32_pause();
    ring->write(i, payload);
    if (ring->writer.must_ring_reader()) bells.fetch_add(1);
  }
  reader.join();
  EXPECT_FALSE(lost.load());
}

}  // namespace
}  // namespace varve::network::local
