// A well-known embedded store beside ours, on the same keys and values in the same run: RocksDB through
// its C interface, write-ahead log on, compression off, one thread.
#pragma once

#include <cstdint>

namespace varve::bench {

class Report;

// Adds rows for values of 64 bytes under 8-byte keys: batches of 16 without synchronisation, batches
// of 32 with, fetches 16 at a time and alone, of `records` records, each as a share of the row of our
// own store that does the same. In a folder of its own beside the other scratch files, removed
// afterwards. Ends the program if RocksDB fails.
void bench_rocksdb(Report& report, uint64_t records);

}  // namespace varve::bench
