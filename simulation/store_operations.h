// Random operations for the store's model test, how the store is given them, and the comparison of
// a store with the model.
#pragma once

#include <functional>
#include <memory>

#include "runtime/clock.h"
#include "simulation/transaction_model.h"

namespace varve::simulation {

using namespace varve::store;

// What keys and objects one run works on.
class StoreShape {
 public:
  explicit StoreShape(Random& random);
  ModelOperation update(Random& random, uint64_t epoch) const;
  ModelOperation punch(Random& random, uint64_t epoch) const;

  struct Akey {
    std::string key;
    ValueKind kind;
    uint32_t record_size;
  };
  struct Object {
    ObjectId oid;
    KeyKinds kinds;
    std::vector<std::string> dkeys;
    std::vector<Akey> akeys;
  };
  const std::vector<Object>& objects() const { return objects_; }

 private:
  ModelPiece piece(Random& random, uint32_t record_size, uint64_t from) const;
  uint64_t conditions(Random& random) const;

  std::vector<Object> objects_;
  bool long_values_ = false;
};

// A ModelOperation in the store's own form, which points into this.
struct StoreUpdate {
  struct Value {
    std::string bytes;
    std::vector<uint32_t> checksums;
    block::Extent extent;
    bool prefers_extent = false;
    Data data() const;
  };
  StoreUpdate(const ModelOperation& operation, Random& random);
  StoreUpdate(const StoreUpdate&) = delete;
  // Those with bytes; set their extents and checksums, then build().
  std::vector<Value>& values() { return values_; }
  void build();

  Update update;
  std::vector<block::Extent> extents;

 private:
  ModelOperation operation_;
  std::vector<Value> values_;  // of all akeys and pieces in order, those without bytes included
  std::vector<AkeyUpdate> akeys_;
  std::vector<std::vector<ArrayPiece>> pieces_;
};
struct StorePunch {
  explicit StorePunch(const ModelOperation& operation);
  StorePunch(const StorePunch&) = delete;
  Punch punch;

 private:
  std::string dkey_;
  std::vector<std::string> names_;
  std::vector<ByteView> akeys_;
};

std::vector<uint32_t> checksum_run_of(const std::string& bytes);
std::string describe(const ModelOperation& operation);

// What differs at `epoch`; empty: nothing. `read` fills from the device; false ends the comparison.
using ReadDevice = std::function<bool(uint64_t offset, MutableByteView into)>;
// `worlds`: what may be, of which the store knows no more than the model; an answer must hold in each,
// and where there are several, kInProgress is one.
std::string compare_store(Store& store, Container& container,
                          const std::vector<ReferenceModel>& worlds, const StoreShape& shape,
                          const ReadAt& at, Random& random, const ReadDevice& read);
// The same for the list of differences between two epochs.
std::string compare_differences(Store& store, Container& container,
                                const std::vector<ReferenceModel>& worlds, uint64_t from,
                                uint64_t to, Random& random);

}  // namespace varve::simulation
