// The trees' part of the walk: nodes, fingerprints, order.
#include <algorithm>

#include "inspect/store_walk.h"

namespace varve::inspect {
namespace {

using store::InnerNode;
using store::kLeafEntriesMax;
using store::Keyed;
using store::LeafEntry;
using store::LeafNode;
using store::Ref;

uint8_t fingerprint(uint64_t prefix) {
  const auto print = static_cast<uint8_t>((prefix * 0x9e3779b97f4a7c15ULL) >> 56);
  return print ? print : 1;
}

bool is_capacity(uint32_t capacity) {
  return capacity == 4 || capacity == 8 || capacity == 18 || capacity == kLeafEntriesMax;
}
uint64_t entries_offset(uint32_t capacity) { return round_up(sizeof(LeafNode) + capacity, 8); }
uint64_t leaf_bytes(uint32_t capacity) {
  return round_up(entries_offset(capacity) + capacity * sizeof(LeafEntry), store::kRefUnit);
}

int compare(ByteView a, ByteView b) {
  const size_t shared = std::min(a.size(), b.size());
  const int order = shared ? std::memcmp(a.data(), b.data(), shared) : 0;
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : a.size() > b.size();
}

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

constexpr uint64_t kSeparatorBytesMax = store::kKeyBytesMax;

}  // namespace

bool StoreWalk::below(const TreeKey& key, const Bound& bound) {
  if (key.prefix != bound.prefix) return key.prefix < bound.prefix;
  return bound.has_key && compare(key.bytes(), bound.key) < 0;
}

bool StoreWalk::less(const Bound& a, const Bound& b) {
  if (a.prefix != b.prefix) return a.prefix < b.prefix;
  if (!a.has_key || !b.has_key) return !a.has_key && b.has_key;
  return compare(a.key, b.key) < 0;
}

bool StoreWalk::read_key(const store::Order& order, Ref record, TreeKey& key) {
  const uint64_t offset = offset_of(record);
  std::optional<ByteView> bytes;
  switch (order.keyed) {
    case Keyed::kObject:
      bytes = heap_.bytes(offset + offsetof(store::ObjectRecord, oid), sizeof(ObjectId));
      break;
    case Keyed::kDkey:
      if (const auto dkey = heap_.read<store::DkeyRecord>(offset))
        bytes = heap_.bytes(offset + sizeof *dkey, dkey->key_length);
      break;
    case Keyed::kAkey:
      if (const auto akey = heap_.read<store::AkeyRecord>(offset))
        bytes = heap_.bytes(offset + sizeof *akey, akey->key_length);
      break;
    case Keyed::kExtent:
      if (const auto extent = heap_.read<store::ExtentRecord>(offset)) {
        store::stamp_key(extent->stamp(), key.scratch);
        key.in_scratch = true;
        return true;
      }
      break;
  }
  if (!bytes) return false;
  key.key = *bytes;
  key.prefix = store::key_prefix(order.kind, *bytes);
  return true;
}

void StoreWalk::walk_tree(const store::TreeRoot& root, const store::Order& order,
                          const Visit& visit) {
  if (root.reserved[0] || root.reserved[1] || root.reserved[2])
    damage("a tree's root has bytes set that mean nothing");
  if (root.height > store::kHeightMax || (root.root == 0 && root.height > 0))
    return damage("a tree's root says that it is " + std::to_string(root.height) + " high");
  if (root.root == 0) return;
  if (root.height > 0) return walk_node(root.root, root.height, true, order, {}, {}, visit);
  TreeKey key;
  if (!read_key(order, root.root, key))
    return damage_at("a tree's only record,", root.root, "lies outside of the heap");
  visit(order.keyed == Keyed::kExtent ? order.only_index : key.prefix, root.root);
}

void StoreWalk::walk_node(Ref ref, int height, bool is_root, const store::Order& order,
                          const Bound& low, const Bound& high, const Visit& visit) {
  if (height == 1)
    walk_leaf(ref, is_root, order, low, high, visit);
  else
    walk_inner(ref, height, order, low, high, visit);
}

bool StoreWalk::read_separator(Ref ref, ByteView& key) {
  const auto separator = heap_.read<store::SeparatorKey>(offset_of(ref));
  if (!separator || separator->length > kSeparatorBytesMax) {
    damage_at("separator", ref, "has a length that no key has");
    return false;
  }
  if (!claim("separator", ref, sizeof(store::SeparatorKey) + separator->length)) return false;
  key = *heap_.bytes(offset_of(ref) + sizeof(store::SeparatorKey), separator->length);
  return true;
}

void StoreWalk::walk_inner(Ref ref, int height, const store::Order& order, const Bound& low,
                           const Bound& high, const Visit& visit) {
  if (!claim("inner node", ref, sizeof(InnerNode))) return;
  const InnerNode node = *heap_.read<InnerNode>(offset_of(ref));
  if (node.keys > store::kInnerKeysMax)
    return damage_at("inner node", ref, "says that it has " + std::to_string(node.keys) + " keys");
  if (!all_zero({reinterpret_cast<const std::byte*>(node.reserved), sizeof node.reserved}) ||
      !all_zero({reinterpret_cast<const std::byte*>(node.padding), sizeof node.padding}))
    damage_at("inner node", ref, "has bytes set that mean nothing");
  std::vector<Bound> bounds(node.keys);
  for (uint32_t i = 0; i < node.keys; ++i) {
    bounds[i] = {true, node.prefixes[i], node.separators[i] != 0, {}};
    if (bounds[i].has_key && !read_separator(node.separators[i], bounds[i].key))
      bounds[i].has_key = false;
    const Bound& before = i > 0 ? bounds[i - 1] : low;
    if ((before.set && !less(before, bounds[i])) || (high.set && !less(bounds[i], high)))
      damage_at("inner node", ref, "has its separator " + std::to_string(i) + " out of order");
  }
  for (uint32_t i = 0; i <= node.keys; ++i)
    walk_node(node.children[i], height - 1, false, order, i > 0 ? bounds[i - 1] : low,
              i < node.keys ? bounds[i] : high, visit);
}

void StoreWalk::walk_leaf(Ref ref, bool is_root, const store::Order& order, const Bound& low,
                          const Bound& high, const Visit& visit) {
  const auto leaf = heap_.read<LeafNode>(offset_of(ref));
  if (!leaf || !is_capacity(leaf->capacity) || (!is_root && leaf->capacity != kLeafEntriesMax))
    return damage_at("leaf", ref, "has a capacity that no leaf there has");
  const uint32_t capacity = leaf->capacity;
  if (!claim("leaf", ref, leaf_bytes(capacity))) return;
  const ByteView whole = *heap_.bytes(offset_of(ref), leaf_bytes(capacity));
  const uint64_t entries_at = entries_offset(capacity);
  const uint64_t entries_end = entries_at + capacity * sizeof(LeafEntry);
  const ByteView behind_prints =
      whole.subspan(sizeof(LeafNode) + capacity, entries_at - sizeof(LeafNode) - capacity);
  if (!all_zero(whole.subspan(1, sizeof(LeafNode) - 1)) || !all_zero(behind_prints) ||
      !all_zero(whole.subspan(entries_end)))
    damage_at("leaf", ref, "has bytes set that mean nothing");
  std::vector<Entry> entries;
  for (uint32_t slot = 0; slot < capacity; ++slot) {
    const auto print = static_cast<uint8_t>(whole[sizeof(LeafNode) + slot]);
    if (print == 0) continue;
    LeafEntry stored;
    std::memcpy(&stored, whole.data() + entries_at + slot * sizeof stored, sizeof stored);
    Entry entry;
    entry.record = stored.record;
    const std::string which = "in slot " + std::to_string(slot);
    if (print != fingerprint(stored.prefix()))
      damage_at("leaf", ref, "has a wrong fingerprint " + which);
    if (!read_key(order, stored.record, entry.key)) {
      damage_at("leaf", ref, "refers to a place outside of the heap " + which);
      continue;
    }
    if (order.keyed != Keyed::kExtent && entry.key.prefix != stored.prefix())
      damage_at("leaf", ref, "has another prefix than its record " + which);
    entry.key.prefix = stored.prefix();
    if ((low.set && below(entry.key, low)) || (high.set && !below(entry.key, high)))
      damage_at("leaf", ref, "holds a record that belongs elsewhere, " + which);
    entries.push_back(entry);
  }
  if (entries.empty()) damage_at("leaf", ref, "is empty");
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    if (a.key.prefix != b.key.prefix) return a.key.prefix < b.key.prefix;
    return compare(a.key.bytes(), b.key.bytes()) < 0;
  });
  for (size_t i = 1; i < entries.size(); ++i)
    if (entries[i - 1].key.prefix == entries[i].key.prefix &&
        compare(entries[i - 1].key.bytes(), entries[i].key.bytes()) == 0)
      damage_at("leaf", ref, "holds one key twice");
  for (const Entry& entry : entries) visit(entry.key.prefix, entry.record);
}

}  // namespace varve::inspect
