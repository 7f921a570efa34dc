// The B+-tree that orders objects, dkeys, akeys and array extents: by a 64-bit prefix first, then
// by the record's own key. Nodes hold references; records live elsewhere. Leaves are unordered,
// found by one-byte fingerprints, so that an insertion changes 13 bytes of one node.
#pragma once

#include <array>

#include "store/heap.h"
#include "store/store.h"

namespace varve::store {

// A callable that is called only while the expression that made this lasts: no allocation.
template <class Signature>
class FunctionRef;
template <class R, class... Arguments>
class FunctionRef<R(Arguments...)> {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
  FunctionRef(F&& function)
      : object_(const_cast<void*>(static_cast<const void*>(&function))),
        call_([](void* object, Arguments... arguments) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(arguments...);
        }) {}
  R operator()(Arguments... arguments) const { return call_(object_, arguments...); }

 private:
  void* object_;
  R (*call_)(void*, Arguments...);
};

enum class Keyed : uint8_t { kObject, kDkey, kAkey, kExtent };

// How the records of one tree are ordered.
struct Order {
  Keyed keyed = Keyed::kDkey;
  KeyKind kind = KeyKind::kHashed;
  // kExtent: the index of the array's only extent, and whether a tree of height 0 may hold it.
  uint64_t only_index = 0;
  bool may_be_single = true;
};

// What is looked for: `key` as record_key() gives it.
struct Probe {
  uint64_t prefix = 0;
  ByteView key;
};

using KeyScratch = std::array<std::byte, 16>;

// The prefix that a key has. Integer keys are 8 bytes, little-endian.
uint64_t key_prefix(KeyKind kind, ByteView key);
// Newest first among extents of one index.
ByteView stamp_key(Stamp stamp, KeyScratch& scratch);
ByteView record_key(const Heap& heap, Keyed keyed, Ref record, KeyScratch& scratch);

// How many of `count` ascending prefixes (at most kInnerKeysMax) are at or below `wanted`; `wide` by comparing
// all of them at once, where the processor has that.
uint32_t count_to(const uint64_t* prefixes, uint32_t count, uint64_t wanted, bool wide);
bool has_wide_count();

// 0 if there is none.
Ref tree_find(const Heap& heap, const Order& order, const TreeRoot& root, const Probe& probe);
// The record must not be there yet. False: the heap is full, the transaction must be rolled back.
[[nodiscard]] bool tree_insert(Heap& heap, const Order& order, TreeRoot* root, const Probe& probe,
                               Ref record);
// The record must be there; it is not freed.
void tree_erase(Heap& heap, const Order& order, TreeRoot* root, const Probe& probe);
inline bool tree_empty(const TreeRoot& root) { return root.root == 0; }

// Calls visit(prefix, record) for every record whose prefix is in [low, high], in no order, until
// it returns false. False if it did.
using RangeVisit = FunctionRef<bool(uint64_t prefix, Ref record)>;
bool tree_visit_range(const Heap& heap, const Order& order, const TreeRoot& root, uint64_t low,
                      uint64_t high, const RangeVisit& visit);

inline constexpr int kHeightMax = 16;
struct TreePath {
  struct Step {
    Ref node;
    uint16_t at;  // child taken
  };
  int depth = 0;  // inner nodes passed
  Step steps[kHeightMax];
};

// What the nodes and separators of a tree take in the heap.
uint64_t tree_bytes(const Heap& heap, const TreeRoot& root);

// Walks a tree in order. Not valid after any change of the tree.
class TreeCursor {
 public:
  TreeCursor(const Heap& heap, const Order& order, const TreeRoot& root)
      : heap_(heap), order_(order), root_(root) {}
  void first();
  void last();
  // At the first record at (or with `after`, above) the probe.
  void seek(const Probe& probe, bool after);
  bool valid() const { return at_ >= 0 && at_ < count_; }
  void next();
  void previous();
  uint64_t prefix() const { return entries_[at_].prefix(); }
  Ref record() const { return entries_[at_].record; }

 private:
  void load_leaf(Ref leaf);
  void load_single();
  void down(Ref node, int height, bool to_first);
  bool step_leaf(int direction);

  const Heap& heap_;
  const Order order_;
  const TreeRoot& root_;
  TreePath path_;
  int at_ = -1, count_ = 0;
  std::array<LeafEntry, kLeafEntriesMax> entries_;
};

// One lookup in steps, each of which touches memory that the step before has prefetched: several
// walks taken in turn hide each other's misses.
class TreeWalk {
 public:
  void start(const Heap& heap, const Order& order, const TreeRoot& root, uint64_t prefix);
  // True when there is nothing more to prefetch.
  bool step(const Heap& heap);
  // The likely record (its prefix fits; the key is not compared), 0 if none.
  Ref candidate() const { return candidate_; }

 private:
  uint64_t prefix_ = 0, slots_ = 0;
  Ref node_ = 0, candidate_ = 0;
  int height_ = -1;
};

}  // namespace varve::store
