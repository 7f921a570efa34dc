#include "store/tree.h"

#include <immintrin.h>

#include <algorithm>

#include "base/checksum.h"

namespace varve::store {

namespace {

// Decides the order of hashed keys (docs/formats/store.md); unlike the seeds of placement, so that
// the keys of one shard spread over its whole tree.
constexpr uint64_t kKeySeed = 0x7661727665206b65ULL;

constexpr uint32_t kLeafCapacities[] = {4, 8, 18, kLeafEntriesMax};

constexpr uint32_t entries_offset(uint32_t capacity) {
  return static_cast<uint32_t>(round_up(sizeof(LeafNode) + capacity, 8));
}
constexpr uint32_t leaf_bytes(uint32_t capacity) {
  return static_cast<uint32_t>(
      round_up(entries_offset(capacity) + capacity * sizeof(LeafEntry), kRefUnit));
}
static_assert(leaf_bytes(4) == 64 && leaf_bytes(8) == 112 && leaf_bytes(18) == 256 &&
              leaf_bytes(kLeafEntriesMax) == 512);

uint8_t* fingerprints(LeafNode* leaf) { return reinterpret_cast<uint8_t*>(leaf + 1); }
const uint8_t* fingerprints(const LeafNode* leaf) {
  return reinterpret_cast<const uint8_t*>(leaf + 1);
}
LeafEntry* entries(LeafNode* leaf) {
  return reinterpret_cast<LeafEntry*>(reinterpret_cast<std::byte*>(leaf) +
                                      entries_offset(leaf->capacity));
}
const LeafEntry* entries(const LeafNode* leaf) { return entries(const_cast<LeafNode*>(leaf)); }

uint8_t fingerprint(uint64_t prefix) {
  const uint8_t print = static_cast<uint8_t>((prefix * 0x9e3779b97f4a7c15ULL) >> 56);
  return print ? print : 1;
}

LeafEntry make_entry(uint64_t prefix, Ref record) {
  return {static_cast<uint32_t>(prefix), static_cast<uint32_t>(prefix >> 32), record};
}

// A bit for every slot whose fingerprint is `print`. Reads within the leaf: whole groups of 16
// after the header are smaller than header and entries.
uint64_t slots_with(const LeafNode* leaf, uint8_t print) {
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(print));
  uint64_t bits = 0;
  for (uint32_t group = 0; group < leaf->capacity; group += 16) {
    const __m128i have =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(fingerprints(leaf) + group));
    bits |= static_cast<uint64_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(have, wanted))) << group;
  }
  return bits & ((uint64_t{1} << leaf->capacity) - 1);
}
uint64_t used_slots(const LeafNode* leaf) {
  return ~slots_with(leaf, 0) & ((uint64_t{1} << leaf->capacity) - 1);
}

int compare_bytes(ByteView a, ByteView b) {
  const size_t shared = std::min(a.size(), b.size());
  if (shared > 0) {
    const int order = std::memcmp(a.data(), b.data(), shared);
    if (order != 0) return order;
  }
  return a.size() < b.size() ? -1 : a.size() > b.size();
}

ByteView separator_key(const Heap& heap, Ref separator) {
  const auto* key = heap.at<SeparatorKey>(separator);
  return {reinterpret_cast<const std::byte*>(key + 1), key->length};
}
constexpr uint32_t separator_bytes(uint64_t length) {
  return static_cast<uint32_t>(sizeof(SeparatorKey) + length);
}

uint32_t count_narrow(const uint64_t* prefixes, uint32_t count, uint64_t wanted) {
  const uint64_t* from = prefixes;
  while (count > 0) {  // branch-free upper bound
    const uint32_t half = (count + 1) / 2;
    from = from[half - 1] <= wanted ? from + half : from;
    count -= half;
  }
  return static_cast<uint32_t>(from - prefixes);
}

// The same by comparing all of them: no load waits for another.
[[gnu::target("avx512f,popcnt")]] uint32_t count_wide(const uint64_t* prefixes, uint32_t count,
                                                       uint64_t wanted) {
  const __m512i bound = _mm512_set1_epi64(static_cast<long long>(wanted));
  uint64_t below = 0;
  for (uint32_t i = 0; i < count; i += 8) {
    const auto lanes = static_cast<__mmask8>(count - i >= 8 ? 0xff : (1u << (count - i)) - 1);
    const __m512i eight = _mm512_maskz_loadu_epi64(lanes, prefixes + i);
    below = below << 8 | _mm512_mask_cmple_epu64_mask(lanes, eight, bound);
  }
  return static_cast<uint32_t>(__builtin_popcountll(below));
}

const bool have_wide = has_wide_count();

// Which child holds the probe: the number of separators at or below it.
uint32_t child_of(const Heap& heap, const InnerNode* node, const Probe& probe) {
  uint32_t child = count_to(node->prefixes, node->keys, probe.prefix, have_wide);
  if (child == 0 || node->separators[child - 1] == 0 || node->prefixes[child - 1] != probe.prefix)
      [[likely]]
    return child;
  uint32_t low = static_cast<uint32_t>(
      std::lower_bound(node->prefixes, node->prefixes + child, probe.prefix) - node->prefixes);
  while (low < child) {
    const uint32_t middle = (low + child) / 2;
    const Ref separator = node->separators[middle];
    const bool below =
        separator == 0 || compare_bytes(separator_key(heap, separator), probe.key) <= 0;
    if (below)
      low = middle + 1;
    else
      child = middle;
  }
  return low;
}

Ref leaf_of(const Heap& heap, const TreeRoot& root, const Probe& probe, TreePath* path) {
  Ref node = root.root;
  for (int height = root.height; height > 1; --height) {
    const auto* inner = heap.at<InnerNode>(node);
    const uint32_t child = child_of(heap, inner, probe);
    if (path) path->steps[path->depth++] = {node, static_cast<uint16_t>(child)};
    node = inner->children[child];
  }
  return node;
}

int slot_of(const Heap& heap, Keyed keyed, const LeafNode* leaf, const Probe& probe) {
  KeyScratch scratch;
  for (uint64_t bits = slots_with(leaf, fingerprint(probe.prefix)); bits; bits &= bits - 1) {
    const int slot = __builtin_ctzll(bits);
    const LeafEntry& entry = entries(leaf)[slot];
    if (entry.prefix() != probe.prefix) continue;
    const ByteView key = record_key(heap, keyed, entry.record, scratch);
    if (key.size() == probe.key.size() &&
        std::memcmp(key.data(), probe.key.data(), key.size()) == 0)
      return slot;
  }
  return -1;
}

bool entry_below(const Heap& heap, Keyed keyed, const LeafEntry& entry, const Probe& probe) {
  if (entry.prefix() != probe.prefix) return entry.prefix() < probe.prefix;
  KeyScratch scratch;
  return compare_bytes(record_key(heap, keyed, entry.record, scratch), probe.key) < 0;
}

bool entry_less(const Heap& heap, Keyed keyed, const LeafEntry& a, const LeafEntry& b) {
  if (a.prefix() != b.prefix()) return a.prefix() < b.prefix();
  KeyScratch scratch;
  return entry_below(heap, keyed, a, {b.prefix(), record_key(heap, keyed, b.record, scratch)});
}

Ref new_leaf(Heap& heap, uint32_t capacity) {
  const Ref ref = heap.allocate(leaf_bytes(capacity));
  if (ref == 0) return 0;
  auto* leaf = heap.at<LeafNode>(ref);
  std::memset(static_cast<void*>(leaf), 0, leaf_bytes(capacity));
  leaf->capacity = static_cast<uint8_t>(capacity);
  return ref;
}

void put_entry(LeafNode* leaf, int slot, const LeafEntry& entry) {
  fingerprints(leaf)[slot] = fingerprint(entry.prefix());
  entries(leaf)[slot] = entry;
}

void add_entry(Heap& heap, LeafNode* leaf, const LeafEntry& entry) {
  const uint64_t empty = slots_with(leaf, 0);
  VARVE_ASSERT(empty, "a leaf that takes an entry has room");
  const int slot = __builtin_ctzll(empty);
  heap.change(&fingerprints(leaf)[slot]);
  heap.change(&entries(leaf)[slot]);
  put_entry(leaf, slot, entry);
}

// A grown copy of a full leaf.
Ref grow_leaf(Heap& heap, Ref old) {
  const auto* leaf = heap.at<LeafNode>(old);
  const uint32_t capacity =
      *std::upper_bound(std::begin(kLeafCapacities), std::end(kLeafCapacities), leaf->capacity);
  const Ref ref = new_leaf(heap, capacity);
  if (ref == 0) return 0;
  auto* grown = heap.at<LeafNode>(ref);
  for (int slot = 0; slot < leaf->capacity; ++slot) put_entry(grown, slot, entries(leaf)[slot]);
  heap.free(old, leaf_bytes(leaf->capacity));
  return ref;
}

// Puts (separator, child) behind children[at] into an inner node that has room.
void inner_put(InnerNode* node, uint32_t at, uint64_t prefix, Ref separator, Ref child) {
  for (uint32_t i = node->keys; i > at; --i) {
    node->prefixes[i] = node->prefixes[i - 1];
    node->separators[i] = node->separators[i - 1];
    node->children[i + 1] = node->children[i];
  }
  node->prefixes[at] = prefix;
  node->separators[at] = separator;
  node->children[at + 1] = child;
  ++node->keys;
}

void change_inner_from(Heap& heap, InnerNode* node, uint32_t at, uint32_t keys) {
  heap.change(node, sizeof(uint64_t));
  if (keys > at) {
    heap.change(&node->prefixes[at], (keys - at) * sizeof(uint64_t));
    heap.change(&node->separators[at], (keys - at) * sizeof(Ref));
  }
  heap.change(&node->children[at], (keys + 1 - at) * sizeof(Ref));
}

// Hangs `child` behind the path's last step, splitting upwards.
bool insert_child(Heap& heap, TreeRoot* root, TreePath& path, uint64_t prefix, Ref separator,
                  Ref child) {
  while (path.depth > 0) {
    const TreePath::Step step = path.steps[--path.depth];
    auto* node = heap.at<InnerNode>(step.node);
    if (node->keys < kInnerKeysMax) {
      change_inner_from(heap, node, step.at, node->keys + 1u);
      inner_put(node, step.at, prefix, separator, child);
      return true;
    }
    const Ref right_ref = heap.allocate(sizeof(InnerNode));
    if (right_ref == 0) return false;
    auto* right = heap.at<InnerNode>(right_ref);
    std::memset(static_cast<void*>(right), 0, sizeof(InnerNode));
    if (step.at == kInnerKeysMax) {  // ascending keys: leave the left node full
      right->children[0] = child;
    } else {
      const uint32_t middle = kInnerKeysMax / 2;
      right->keys = static_cast<uint16_t>(kInnerKeysMax - middle - 1);
      std::copy_n(node->prefixes + middle + 1, right->keys, right->prefixes);
      std::copy_n(node->separators + middle + 1, right->keys, right->separators);
      std::copy_n(node->children + middle + 1, right->keys + 1, right->children);
      const uint64_t up_prefix = node->prefixes[middle];
      const Ref up_separator = node->separators[middle];
      change_inner_from(heap, node, std::min<uint32_t>(step.at, middle), middle + 1u);
      node->keys = middle;
      if (step.at <= middle)
        inner_put(node, step.at, prefix, separator, child);
      else
        inner_put(right, step.at - middle - 1, prefix, separator, child);
      prefix = up_prefix;
      separator = up_separator;
    }
    child = right_ref;
  }
  const Ref top_ref = heap.allocate(sizeof(InnerNode));
  if (top_ref == 0) return false;
  auto* top = heap.at<InnerNode>(top_ref);
  std::memset(static_cast<void*>(top), 0, sizeof(InnerNode));
  top->children[0] = root->root;
  inner_put(top, 0, prefix, separator, child);
  VARVE_ASSERT(root->height < kHeightMax, "62 to the 16th records do not fit in 64 GiB");
  heap.change(root);
  root->root = top_ref;
  ++root->height;
  return true;
}

// The Ref of a separator that parts `below` from `above`: 0 where the prefixes do. False: heap
// full.
bool make_separator(Heap& heap, uint64_t below_prefix, const Probe& above, Ref& separator) {
  separator = 0;
  if (below_prefix != above.prefix) return true;
  separator = heap.allocate(separator_bytes(above.key.size()));
  if (separator == 0) return false;
  auto* key = heap.at<SeparatorKey>(separator);
  key->length = static_cast<uint32_t>(above.key.size());
  std::memcpy(key + 1, above.key.data(), above.key.size());
  return true;
}

bool split_leaf(Heap& heap, const Order& order, TreeRoot* root, TreePath& path, Ref leaf_ref,
                const Probe& probe, Ref record) {
  auto* leaf = heap.at<LeafNode>(leaf_ref);
  const uint32_t count = leaf->capacity;
  std::array<uint8_t, kLeafEntriesMax> sorted;
  for (uint32_t i = 0; i < count; ++i) sorted[i] = static_cast<uint8_t>(i);
  std::sort(sorted.begin(), sorted.begin() + count, [&](uint8_t a, uint8_t b) {
    return entry_less(heap, order.keyed, entries(leaf)[a], entries(leaf)[b]);
  });
  bool last = entry_below(heap, order.keyed, entries(leaf)[sorted[count - 1]], probe);
  for (int i = 0; last && i < path.depth; ++i)
    last = path.steps[i].at == heap.at<InnerNode>(path.steps[i].node)->keys;
  const Ref right_ref = new_leaf(heap, kLeafEntriesMax);
  if (right_ref == 0) return false;
  auto* right = heap.at<LeafNode>(right_ref);
  const LeafEntry entry = make_entry(probe.prefix, record);
  Ref separator = 0;
  if (last) {  // ascending keys: leave the left leaf full
    if (!make_separator(heap, entries(leaf)[sorted[count - 1]].prefix(), probe, separator))
      return false;
    put_entry(right, 0, entry);
    return insert_child(heap, root, path, probe.prefix, separator, right_ref);
  }
  const uint32_t middle = count / 2;
  const LeafEntry above = entries(leaf)[sorted[middle]];
  KeyScratch scratch;
  const Probe above_probe{above.prefix(), record_key(heap, order.keyed, above.record, scratch)};
  if (!make_separator(heap, entries(leaf)[sorted[middle - 1]].prefix(), above_probe, separator))
    return false;
  heap.change(fingerprints(leaf), count);
  for (uint32_t i = middle; i < count; ++i) {
    put_entry(right, static_cast<int>(i - middle), entries(leaf)[sorted[i]]);
    fingerprints(leaf)[sorted[i]] = 0;
  }
  // Where a lookup will go: a separator without a key sends all of its prefix right.
  const bool to_right = separator == 0 ? probe.prefix >= above.prefix()
                                       : entry_below(heap, order.keyed, above, probe);
  // A new allocation is logged whole: add_entry() would declare its bytes twice.
  if (to_right)
    put_entry(right, static_cast<int>(count - middle), entry);
  else
    add_entry(heap, leaf, entry);
  return insert_child(heap, root, path, above_probe.prefix, separator, right_ref);
}

void remove_child(Heap& heap, TreeRoot* root, TreePath& path) {
  while (path.depth > 0) {
    const TreePath::Step step = path.steps[--path.depth];
    auto* node = heap.at<InnerNode>(step.node);
    if (node->keys == 0) {
      heap.free(step.node, sizeof(InnerNode));
      continue;
    }
    const uint32_t key = step.at == 0 ? 0 : step.at - 1u;
    if (const Ref separator = node->separators[key])
      heap.free(separator, separator_bytes(separator_key(heap, separator).size()));
    change_inner_from(heap, node, key, node->keys);
    for (uint32_t i = key; i + 1 < node->keys; ++i) {
      node->prefixes[i] = node->prefixes[i + 1];
      node->separators[i] = node->separators[i + 1];
    }
    for (uint32_t i = step.at; i < node->keys; ++i) node->children[i] = node->children[i + 1];
    --node->keys;
    while (root->height > 1 && heap.at<InnerNode>(root->root)->keys == 0) {
      const Ref top = root->root;
      heap.change(root);
      root->root = heap.at<InnerNode>(top)->children[0];
      --root->height;
      heap.free(top, sizeof(InnerNode));
    }
    return;
  }
  heap.change(root);
  *root = TreeRoot{};
}

}  // namespace

uint64_t key_prefix(KeyKind kind, ByteView key) {
  switch (kind) {
    case KeyKind::kHashed:
      break;
    case KeyKind::kInteger: {
      uint64_t value = 0;
      std::memcpy(&value, key.data(), std::min<size_t>(key.size(), 8));
      return value;
    }
    case KeyKind::kLexical: {
      uint64_t value = 0;
      std::memcpy(&value, key.data(), std::min<size_t>(key.size(), 8));
      return __builtin_bswap64(value);
    }
  }
  return hash64(key, kKeySeed);
}

ByteView stamp_key(Stamp stamp, KeyScratch& scratch) {
  const uint64_t epoch = __builtin_bswap64(~stamp.epoch);
  const uint16_t minor = __builtin_bswap16(static_cast<uint16_t>(~stamp.minor));
  std::memcpy(scratch.data(), &epoch, 8);
  std::memcpy(scratch.data() + 8, &minor, 2);
  return {scratch.data(), 10};
}

ByteView record_key(const Heap& heap, Keyed keyed, Ref record, KeyScratch& scratch) {
  switch (keyed) {
    case Keyed::kObject:
      return bytes_of(heap.at<ObjectRecord>(record)->oid);
    case Keyed::kDkey: {
      const auto* dkey = heap.at<DkeyRecord>(record);
      return {reinterpret_cast<const std::byte*>(dkey + 1), dkey->key_length};
    }
    case Keyed::kAkey: {
      const auto* akey = heap.at<AkeyRecord>(record);
      return {reinterpret_cast<const std::byte*>(akey + 1), akey->key_length};
    }
    case Keyed::kExtent:
      break;
  }
  return stamp_key(heap.at<ExtentRecord>(record)->stamp(), scratch);
}

namespace {
uint64_t single_prefix(const Heap& heap, const Order& order, Ref record) {
  if (order.keyed == Keyed::kExtent) return order.only_index;
  KeyScratch scratch;
  return key_prefix(order.kind, record_key(heap, order.keyed, record, scratch));
}
bool same_key(const Heap& heap, const Order& order, Ref record, const Probe& probe) {
  if (order.keyed == Keyed::kExtent && order.only_index != probe.prefix) return false;
  KeyScratch scratch;
  const ByteView key = record_key(heap, order.keyed, record, scratch);
  return key.size() == probe.key.size() &&
         std::memcmp(key.data(), probe.key.data(), key.size()) == 0;
}
}  // namespace

Ref tree_find(const Heap& heap, const Order& order, const TreeRoot& root, const Probe& probe) {
  if (root.root == 0) return 0;
  if (root.height == 0) return same_key(heap, order, root.root, probe) ? root.root : 0;
  const auto* leaf = heap.at<LeafNode>(leaf_of(heap, root, probe, nullptr));
  const int slot = slot_of(heap, order.keyed, leaf, probe);
  return slot < 0 ? 0 : entries(leaf)[slot].record;
}

bool tree_insert(Heap& heap, const Order& order, TreeRoot* root, const Probe& probe, Ref record) {
  if (root->root == 0 && order.may_be_single) {
    heap.change(root);
    *root = TreeRoot{record, 0, {}};
    return true;
  }
  if (root->height == 0) {
    const Ref leaf = new_leaf(heap, kLeafCapacities[0]);
    if (leaf == 0) return false;
    int slot = 0;
    if (const Ref single = root->root)
      put_entry(heap.at<LeafNode>(leaf), slot++,
                make_entry(single_prefix(heap, order, single), single));
    put_entry(heap.at<LeafNode>(leaf), slot, make_entry(probe.prefix, record));
    heap.change(root);
    *root = TreeRoot{leaf, 1, {}};
    return true;
  }
  TreePath path;
  Ref leaf_ref = leaf_of(heap, *root, probe, &path);
  auto* leaf = heap.at<LeafNode>(leaf_ref);
  if (slots_with(leaf, 0) != 0) {
    add_entry(heap, leaf, make_entry(probe.prefix, record));
    return true;
  }
  if (leaf->capacity == kLeafEntriesMax)
    return split_leaf(heap, order, root, path, leaf_ref, probe, record);
  VARVE_ASSERT(root->height == 1, "leaves below an inner node are of full size");
  const uint32_t count = leaf->capacity;
  leaf_ref = grow_leaf(heap, leaf_ref);
  if (leaf_ref == 0) return false;
  put_entry(heap.at<LeafNode>(leaf_ref), static_cast<int>(count), make_entry(probe.prefix, record));
  heap.set(root->root, leaf_ref);
  return true;
}

void tree_erase(Heap& heap, const Order& order, TreeRoot* root, const Probe& probe) {
  if (root->height == 0) {
    VARVE_ASSERT(root->root && same_key(heap, order, root->root, probe), "erased: it is there");
    heap.change(root);
    *root = TreeRoot{};
    return;
  }
  TreePath path;
  const Ref leaf_ref = leaf_of(heap, *root, probe, &path);
  auto* leaf = heap.at<LeafNode>(leaf_ref);
  const int slot = slot_of(heap, order.keyed, leaf, probe);
  VARVE_ASSERT(slot >= 0, "erased: it is there");
  if ((used_slots(leaf) & ~(uint64_t{1} << slot)) != 0) {
    heap.set(fingerprints(leaf)[slot], uint8_t{0});
    return;
  }
  heap.free(leaf_ref, leaf_bytes(leaf->capacity));
  remove_child(heap, root, path);
}

namespace {
bool visit_node(const Heap& heap, Ref ref, int height, uint64_t low, uint64_t high,
                const RangeVisit& visit) {
  if (height == 1) {
    const auto* leaf = heap.at<LeafNode>(ref);
    for (uint64_t bits = used_slots(leaf); bits; bits &= bits - 1) {
      const LeafEntry& entry = entries(leaf)[__builtin_ctzll(bits)];
      if (entry.prefix() < low || entry.prefix() > high) continue;
      if (!visit(entry.prefix(), entry.record)) return false;
    }
    return true;
  }
  const auto* node = heap.at<InnerNode>(ref);
  const auto* end = node->prefixes + node->keys;
  // Records of prefix `low` may stand left of a separator of that prefix.
  const auto from = std::lower_bound(node->prefixes, end, low) - node->prefixes;
  const auto to = std::upper_bound(node->prefixes, end, high) - node->prefixes;
  for (auto child = from; child <= to; ++child)
    if (!visit_node(heap, node->children[child], height - 1, low, high, visit)) return false;
  return true;
}
}  // namespace

bool tree_visit_range(const Heap& heap, const Order& order, const TreeRoot& root, uint64_t low,
                      uint64_t high, const RangeVisit& visit) {
  if (root.root == 0) return true;
  if (root.height > 0) return visit_node(heap, root.root, root.height, low, high, visit);
  const uint64_t prefix = single_prefix(heap, order, root.root);
  return prefix < low || prefix > high || visit(prefix, root.root);
}

namespace {
uint64_t node_bytes(const Heap& heap, Ref ref, int height) {
  if (height == 1) return leaf_bytes(heap.at<LeafNode>(ref)->capacity);
  const auto* inner = heap.at<InnerNode>(ref);
  uint64_t bytes = sizeof(InnerNode);
  for (uint32_t i = 0; i <= inner->keys; ++i) {
    bytes += node_bytes(heap, inner->children[i], height - 1);
    if (i < inner->keys && inner->separators[i])
      bytes += Heap::allocated(
          separator_bytes(heap.at<SeparatorKey>(inner->separators[i])->length));
  }
  return bytes;
}
}  // namespace

uint64_t tree_bytes(const Heap& heap, const TreeRoot& root) {
  return root.height == 0 ? 0 : node_bytes(heap, root.root, root.height);
}

void TreeCursor::load_single() {
  entries_[0] = make_entry(single_prefix(heap_, order_, root_.root), root_.root);
  count_ = 1;
}

void TreeCursor::load_leaf(Ref ref) {
  const auto* leaf = heap_.at<LeafNode>(ref);
  count_ = 0;
  for (uint64_t bits = used_slots(leaf); bits; bits &= bits - 1) {
    entries_[count_] = entries(leaf)[__builtin_ctzll(bits)];
    heap_.prefetch(entries_[count_++].record, 128);
  }
  std::sort(entries_.begin(), entries_.begin() + count_,
            [this](const LeafEntry& a, const LeafEntry& b) {
              return entry_less(heap_, order_.keyed, a, b);
            });
}

void TreeCursor::down(Ref node, int height, bool to_first) {
  for (; height > 1; --height) {
    const auto* inner = heap_.at<InnerNode>(node);
    const uint16_t at = to_first ? 0 : inner->keys;
    path_.steps[path_.depth++] = {node, at};
    node = inner->children[at];
  }
  load_leaf(node);
}

bool TreeCursor::step_leaf(int direction) {
  while (path_.depth > 0) {
    TreePath::Step& step = path_.steps[path_.depth - 1];
    const auto* inner = heap_.at<InnerNode>(step.node);
    if (direction > 0 ? step.at < inner->keys : step.at > 0) {
      step.at = static_cast<uint16_t>(step.at + direction);
      down(inner->children[step.at], root_.height - path_.depth, direction > 0);
      return true;
    }
    --path_.depth;
  }
  count_ = 0;
  return false;
}

void TreeCursor::first() {
  at_ = -1;
  count_ = 0;
  path_.depth = 0;
  if (root_.root == 0) return;
  if (root_.height == 0)
    load_single();
  else
    down(root_.root, root_.height, true);
  at_ = 0;
}

void TreeCursor::last() {
  at_ = -1;
  count_ = 0;
  path_.depth = 0;
  if (root_.root == 0) return;
  if (root_.height == 0)
    load_single();
  else
    down(root_.root, root_.height, false);
  at_ = count_ - 1;
}

void TreeCursor::seek(const Probe& probe, bool after) {
  at_ = -1;
  count_ = 0;
  path_.depth = 0;
  if (root_.root == 0) return;
  if (root_.height == 0)
    load_single();
  else
    load_leaf(leaf_of(heap_, root_, probe, &path_));
  KeyScratch scratch;
  for (at_ = 0; at_ < count_; ++at_) {
    const LeafEntry& entry = entries_[at_];
    if (entry_below(heap_, order_.keyed, entry, probe)) continue;
    if (!after || entry.prefix() != probe.prefix ||
        compare_bytes(record_key(heap_, order_.keyed, entry.record, scratch), probe.key) != 0)
      return;
  }
  if (step_leaf(1)) at_ = 0;
}

void TreeCursor::next() {
  if (++at_ >= count_ && step_leaf(1)) at_ = 0;
}

void TreeCursor::previous() {
  if (--at_ < 0 && step_leaf(-1)) at_ = count_ - 1;
}

void TreeWalk::start(const Heap& heap, const Order& order, const TreeRoot& root, uint64_t prefix) {
  prefix_ = prefix;
  candidate_ = 0;
  slots_ = 0;
  node_ = root.root;
  height_ = node_ == 0 ? -1 : root.height;
  if (height_ == 0) candidate_ = node_;
  if (height_ >= 0) heap.prefetch(node_, height_ > 1 ? 768 : 64);
}

bool TreeWalk::step(const Heap& heap) {
  if (height_ <= 0) return true;
  if (height_ == 1) {
    const auto* leaf = heap.at<LeafNode>(node_);
    if (!slots_) {
      slots_ = slots_with(leaf, fingerprint(prefix_));
      if (slots_ == 0) return true;
      __builtin_prefetch(&entries(leaf)[__builtin_ctzll(slots_)]);
      return false;
    }
    for (uint64_t bits = slots_; bits; bits &= bits - 1) {
      const LeafEntry& entry = entries(leaf)[__builtin_ctzll(bits)];
      if (entry.prefix() != prefix_) continue;
      candidate_ = entry.record;
      heap.prefetch(candidate_, 192);
      break;
    }
    height_ = 0;
    return true;
  }
  const auto* node = heap.at<InnerNode>(node_);
  node_ = node->children[child_of(heap, node, {prefix_, {}})];
  if (--height_ == 1)
    heap.prefetch(node_, 64);
  else
    heap.prefetch(node_, 768);
  return false;
}

bool has_wide_count() { return __builtin_cpu_supports("avx512f"); }

uint32_t count_to(const uint64_t* prefixes, uint32_t count, uint64_t wanted, bool wide) {
  static_assert(kInnerKeysMax <= 64, "one bit for each");
  return wide ? count_wide(prefixes, count, wanted) : count_narrow(prefixes, count, wanted);
}

}  // namespace varve::store
