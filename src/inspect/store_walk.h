// A walk over everything that a store keeps in an unchecked heap. Every reference is claimed before it is
// followed, every length compared with what holds it, every order and sum checked; what is wrong is a finding,
// and the walk goes on beside it. Ends on any input: nothing is entered twice.
#pragma once

#include <map>
#include <span>

#include "inspect/allocations.h"
#include "store/tree.h"

namespace varve::inspect {

struct FoundPool {
  store::PoolRecord record;
  store::Ref ref = 0;
  bool destroyed = false;
};
struct FoundContainer {
  store::ContainerRecord record;
  store::Ref ref = 0;
  bool destroyed = false;
};
struct FoundObject {
  store::ObjectRecord record;
  store::Ref ref = 0;
  store::KeyKinds kinds;
};
struct FoundDkey {
  store::DkeyRecord record;
  store::Ref ref = 0;
  ByteView key;
};
struct FoundAkey {
  store::AkeyRecord record;
  store::Ref ref = 0;
  ByteView key;
};
// What a version or an extent of an array holds: bytes in the heap, or a place on the device.
struct FoundData {
  uint64_t length = 0;
  ByteView bytes;
  block::Extent extent;
  ChecksumFormat format;            // of its container
  std::vector<uint32_t> checksums;  // format.words(length) words; none: the writer gave none
};
struct FoundVersion {
  store::VersionRecord record;
  store::Ref ref = 0;
  FoundData data;
};
struct FoundExtent {
  uint64_t index = 0;
  store::ExtentRecord record;
  store::Ref ref = 0;
  FoundData data;
};

// Where the walk is, for findings and for those who list.
struct Place {
  const FoundPool* pool = nullptr;
  const FoundContainer* container = nullptr;
  const FoundObject* object = nullptr;
  const FoundDkey* dkey = nullptr;
  const FoundAkey* akey = nullptr;
  std::string describe() const;
};

// Keys as text: integers in decimal, others with %XX for what is not printable, '%' and '/'.
std::string key_text(store::KeyKind kind, ByteView key);

// What the root of the system's volume begins with: it holds no store, but what the services keep.
inline constexpr uint64_t kKeyValueMagic = 0x31564b6576726156ULL;  // "VarveKV1"
// Everything in that; the number of entries. docs/formats/key_value.md.
uint64_t check_key_values(const Image& image, Allocations& allocations, Findings& findings);

// Sees everything in order; false: what is below is left out (then leaks are not known).
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual bool pool(const FoundPool&) { return true; }
  virtual bool container(const Place&, const FoundContainer&) { return true; }
  virtual bool object(const Place&, const FoundObject&) { return true; }
  virtual bool dkey(const Place&, const FoundDkey&) { return true; }
  virtual bool akey(const Place&, const FoundAkey&) { return true; }
  virtual void version(const Place&, const FoundVersion&) {}
  virtual void extent(const Place&, const FoundExtent&) {}
  virtual void range_punch(const Place&, const store::RangePunchRecord&) {}
  // Of the object, or of the dkey, that the place names last.
  virtual void punch(const Place&, const store::PunchRecord&) {}
};

class StoreWalk {
 public:
  StoreWalk(const Image& image, Allocations& allocations, Findings& findings)
      : image_(image), heap_(image.heap()), allocations_(allocations), findings_(findings) {}
  // The whole store, destroyed pools and containers included.
  void run(Visitor& visitor);

 private:
  // A record's key in its tree.
  struct TreeKey {
    uint64_t prefix = 0;
    ByteView key;
    store::KeyScratch scratch{};
    bool in_scratch = false;
    ByteView bytes() const { return in_scratch ? ByteView(scratch.data(), 10) : key; }
  };
  struct Entry {
    TreeKey key;
    store::Ref record = 0;
  };
  // A separator: what is at or above it is right of it. Without a key: below every key of its prefix.
  struct Bound {
    bool set = false;
    uint64_t prefix = 0;
    bool has_key = false;
    ByteView key;
  };
  using Visit = store::FunctionRef<void(uint64_t prefix, store::Ref record)>;

  static uint64_t offset_of(store::Ref ref) { return uint64_t{ref} * store::kRefUnit; }
  void damage(const std::string& what) { findings_.damage(place_.describe(), what); }
  void damage_at(const char* kind, store::Ref ref, const std::string& what) {
    damage(std::string(kind) + " at heap offset " + std::to_string(offset_of(ref)) + " " + what);
  }
  // Charges the pool for it. False: do not follow.
  bool claim(const char* kind, store::Ref ref, uint64_t bytes);
  bool claim_extent(const char* kind, store::Ref ref, const block::Extent& extent);
  // The record at a reference, if it lies in the heap.
  template <class Record>
  std::optional<Record> read(const char* kind, store::Ref ref);
  // `prepared`: its object does not know it yet.
  void check_stamp(const char* kind, store::Ref ref, store::Stamp stamp, store::Stamp above,
                   bool prepared);

  // What a visitor leaves out is not charged either: then accounts are not compared.
  bool wanted(bool visitor_says) {
    complete_ &= visitor_says;
    return visitor_says;
  }
  void walk_pools(store::Ref first, bool destroyed);
  void walk_containers(store::Ref first, bool destroyed, store::Ref owner);
  void walk_container(const FoundContainer& container);
  void walk_rollbacks(store::Ref first);
  // --- transactions.cc
  struct Named {
    store::TransactionEntry entry;
    uint64_t epoch;
  };
  void walk_transactions(const FoundContainer& container);
  uint32_t walk_parts(const store::TransactionRecord& transaction);
  // True if it is marked as prepared.
  bool check_prepared(const char* kind, store::Ref ref, uint32_t flags, uint64_t epoch,
                      store::EntryKind entry, uint64_t index);
  void check_all_met();
  void walk_object(store::Ref ref);
  void walk_dkey(store::Ref ref);
  void walk_akey(store::Ref ref);
  void walk_punches(store::Ref first);
  void walk_versions(store::Ref first, store::Ref embedded, uint64_t holder_end);
  bool read_version(store::Ref ref, bool embedded, uint64_t limit, FoundVersion& version);
  void walk_array(const FoundAkey& akey, store::Ref embedded, uint64_t holder_end);
  void walk_extent(const store::ArrayRecord& array, int size_class, uint64_t index, store::Ref ref,
                   store::Ref embedded);
  void walk_range_punches(store::Ref first);
  bool read_checksums(const char* kind, store::Ref ref, uint64_t offset, FoundData& data);
  // Whether the words of checksums for so many bytes have to be counted.
  bool counts(uint64_t length) const;

  // Trees.
  void walk_tree(const store::TreeRoot& root, const store::Order& order, const Visit& visit);
  void walk_node(store::Ref ref, int height, bool is_root, const store::Order& order,
                 const Bound& low, const Bound& high, const Visit& visit);
  void walk_inner(store::Ref ref, int height, const store::Order& order, const Bound& low,
                  const Bound& high, const Visit& visit);
  void walk_leaf(store::Ref ref, bool is_root, const store::Order& order, const Bound& low,
                 const Bound& high, const Visit& visit);
  bool read_key(const store::Order& order, store::Ref record, TreeKey& key);
  bool read_separator(store::Ref ref, ByteView& key);
  static bool below(const TreeKey& key, const Bound& bound);
  static bool less(const Bound& a, const Bound& b);

  ChecksumFormat format_;  // of the container under way
  const Image& image_;
  const UncheckedHeap& heap_;
  Allocations& allocations_;
  Findings& findings_;
  Visitor* visitor_ = nullptr;
  Place place_;
  std::map<store::Ref, FoundPool> pools_;
  std::map<store::Ref, uint64_t> charged_;  // by pool
  uint64_t* charge_ = nullptr;              // of the pool at hand
  bool complete_ = true;
  // Of the container at hand: what its transactions name and the walk has not met.
  std::map<store::Ref, Named> prepared_;
  bool knows_prepared_ = false;
};

}  // namespace varve::inspect
