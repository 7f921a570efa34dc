// What the store must agree with: the same rules over plain maps, with every version kept for ever.
// Slow, and easy to believe.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/kept.h"
#include "store/format.h"
#include "store/store.h"

namespace varve::store {

struct ModelPiece {
  uint64_t index = 0, count = 0;
  std::string bytes;  // empty: punch of the range
};
struct ModelAkeyUpdate {
  std::string akey;
  ValueKind kind = ValueKind::kSingle;
  uint32_t record_size = 1;
  uint64_t conditions = 0;
  std::string value;  // kSingle; empty: punch
  std::vector<ModelPiece> pieces;
};
// One change, with everything that it names.
struct ModelOperation {
  enum class Kind {
    kUpdate,
    kPunchObject,
    kPunchDkey,
    kPunchAkeys,
    kRollback,
    kCommit,
    kAbort,
    kForget
  };
  Kind kind = Kind::kUpdate;
  ObjectId oid;
  uint64_t epoch = 0;
  uint64_t conditions = 0;
  std::string dkey;
  std::vector<ModelAkeyUpdate> akeys;  // kPunchAkeys: only their names
  uint64_t rollback_to = 0;            // kRollback, at `epoch`
  // --- simulation/transaction_model.h
  TransactionId transaction = {};  // of kCommit, kAbort, kForget; else null: committed at once
  uint64_t uncertain_until = 0;
  // Prepared before: takes place with this minor, and whether it finds something was asked then.
  std::optional<uint16_t> prepared_minor = std::nullopt;
};
// What an operation names or reads. Empty, or ObjectId{}: all there are.
struct ModelPlace {
  ObjectId oid;
  std::string dkey = {}, akey = {};
  uint64_t begin = 0, end = ~0ULL;  // records of an array; a single value has all
  bool operator==(const ModelPlace&) const = default;
};
bool overlap(const ModelPlace& a, const ModelPlace& b);

class ReferenceModel {
 public:
  // kOk if it took place (or there was nothing to do), else what the store must answer.
  Code apply(const ModelOperation& operation);
  // What its conditions say, and (of a punch that must find something) whether it does.
  Code check(const ModelOperation& operation) const;
  // What it would write, now; nothing where it finds nothing to do.
  std::vector<ModelPlace> footprint(const ModelOperation& operation) const;
  // At which epochs something was written that touches a place, punches over it included.
  std::set<uint64_t> epochs_at(const ModelPlace& place) const;
  // Null: nothing visible.
  const std::string* single(ObjectId oid, const std::string& dkey, const std::string& akey,
                            uint64_t epoch) const;
  // The record at an index, null: a hole; until the model changes.
  using Records = std::function<const char*(uint64_t index)>;
  Records records(ObjectId oid, const std::string& dkey, const std::string& akey,
                  uint64_t epoch) const;
  bool akey_visible(ObjectId oid, const std::string& dkey, const std::string& akey,
                    uint64_t epoch) const;
  std::vector<std::string> dkeys(ObjectId oid, uint64_t epoch) const;
  std::vector<std::string> akeys(ObjectId oid, const std::string& dkey, uint64_t epoch) const;
  std::vector<ObjectId> objects(uint64_t epoch) const;
  // One above the highest visible index; 0: nothing.
  uint64_t array_end(ObjectId oid, const std::string& dkey, const std::string& akey,
                     uint64_t epoch) const;
  uint64_t newest_epoch() const { return newest_epoch_; }
  // What is not the same at two epochs, sorted by object, dkey, akey and index.
  std::vector<Difference> differences(uint64_t from, uint64_t to) const;

 private:
  struct Version {
    Stamp stamp;
    std::string value;  // empty: punch
  };
  struct Write {
    Stamp stamp;
    ModelPiece piece;
  };
  struct Akey {
    ValueKind kind = ValueKind::kSingle;
    uint32_t record_size = 1;
    std::vector<Version> versions;  // newest first
    std::vector<Write> writes;
  };
  struct Dkey {
    std::vector<Stamp> punches;
    std::map<std::string, Akey> akeys;
  };
  struct Object {
    Stamp newest;
    std::vector<Stamp> punches;
    std::map<std::string, Kept<Dkey>> dkeys;
  };
  using Objects = std::map<ObjectId, Kept<Object>>;
  // From `begin` on, a history of its own: a rollback copies what an older one held at `to`.
  struct Era {
    uint64_t begin = 0;
    Objects objects;
  };
  struct Found {
    const Object* object = nullptr;
    const Dkey* dkey = nullptr;
    const Akey* akey = nullptr;
    Stamp floor;
  };

  Found find(ObjectId oid, const std::string& dkey, const std::string& akey, uint64_t epoch) const;
  static const Version* visible(const Akey& akey, Stamp floor, uint64_t epoch);
  static const Write* visible(const Akey& akey, Stamp floor, uint64_t index, uint64_t epoch);
  static bool array_visible(const Akey& akey, Stamp floor, uint64_t epoch);
  static uint64_t array_end(const Akey& akey, Stamp floor, uint64_t epoch);
  bool dkey_visible(ObjectId oid, const std::string& dkey, uint64_t epoch) const;
  Code update(const ModelOperation& operation);
  Code punch(const ModelOperation& operation);
  Code rollback(const ModelOperation& operation);
  // As readers at `epoch` know them.
  const Objects& objects_at(uint64_t epoch) const;
  Objects& objects() { return eras_.back().objects; }
  static void compare_array(const Akey& akey, Stamp floor, uint64_t from, const Akey* now,
                            Stamp floor_now, uint64_t to, std::vector<Difference>& found);
  static Stamp stamp_for(const Object* object, const ModelOperation& operation);
  void note(Object& object, Stamp stamp);

  std::vector<Era> eras_ = {Era{}};  // writes go to the last
  uint64_t newest_epoch_ = 0;
};

}  // namespace varve::store
