#include <bit>

#include "object/decode.h"
#include "object/operations/update.h"

namespace varve::object {

void UpdateWork::reset() {
  akeys.clear();
  ranges.clear();
  checksums.clear();
  values.clear();
  inline_bytes.clear();
  buffers.clear();
  scatter.clear();
  store_akeys.clear();
  store_pieces.clear();
  append.reset();
  if (inline_bytes.capacity() > 256 * kKiB) Buffer().swap(inline_bytes);
}

Result<void> UpdateWork::add_value(Akey& akey, uint64_t length, uint32_t& next_checksum) {
  Value value;
  value.length = length;
  value.akey = static_cast<uint32_t>(&akey - akeys.data());
  value.in_extent = length >= extent_from_;
  const uint64_t wanted = ChecksumFormat{integrity.checksums.kind, checksum_bytes}.words(length);
  if (akey.checksums > 0) {
    if (wanted > akey.checksums - next_checksum)
      return Error(Code::kBadIo, "an update carries fewer checksums than its data needs");
    value.has_checksums = true;
    value.first_checksum = akey.first_checksum + next_checksum;
    value.checksums = static_cast<uint32_t>(wanted);
    next_checksum += value.checksums;
  }
  values.push_back(value);
  return {};
}

Result<void> UpdateWork::add_values(Akey& akey) {
  akey.first_value = static_cast<uint32_t>(values.size());
  uint32_t next_checksum = 0;
  if (akey.kind == ValueKind::kSingle) {
    if (akey.ranges > 0) return Error(Code::kBadIo, "a single value has no ranges");
    if (akey.single_length > kSingleBytesMax)
      return Error(Code::kRecordTooBig, "a single value of " + std::to_string(akey.single_length) +
                                            " bytes; at most " + std::to_string(kSingleBytesMax) + " are possible");
    VARVE_CHECK(add_value(akey, akey.punch ? 0 : akey.single_length, next_checksum));
  } else if (akey.kind == ValueKind::kArray) {
    if (akey.ranges == 0) return Error(Code::kBadIo, "an array update names no range");
    for (uint32_t i = 0; i < akey.ranges; ++i) {
      const Range& range = ranges[akey.first_range + i];
      uint64_t bytes, end;
      if (akey.record_size == 0 || range.count == 0 ||
          __builtin_mul_overflow(range.count, akey.record_size, &bytes) ||
          __builtin_add_overflow(range.index, range.count, &end))
        return Error(Code::kBadIo, "an array range of " + std::to_string(range.count) + " records of " +
                                       std::to_string(akey.record_size) + " bytes at " +
                                       std::to_string(range.index) + " is not valid");
      VARVE_CHECK(add_value(akey, akey.punch ? 0 : bytes, next_checksum));
    }
  } else {
    return Error(Code::kInvalid, "an akey is neither a single value nor an array");
  }
  if ((akey.conditions & (kAppend | kAtEnd)) &&
      (akey.kind != ValueKind::kArray || akey.ranges != 1 || akey.punch))
    return Error(Code::kBadIo, "only one range of an array can be appended");
  if (next_checksum != akey.checksums)
    return Error(Code::kBadIo, "an update carries more checksums than its data needs");
  return {};
}

Result<void> UpdateWork::prepare(ByteView body) {
  Decoder in(body);
  target = decode_target(in);
  extent_from_ = store::kInlineBytesBelow;
  if (policies)
    for (const auto& [pool, policy] : *policies)
      if (pool == target.pool) extent_from_ = policy.extent_from;
  dkey = in.string();
  conditions = in.get<uint64_t>();
  checksum_bytes = in.get<uint32_t>();
  const uint32_t count = in.get<uint32_t>();
  if (!in.ok() || count > in.rest().size()) return malformed();
  for (uint32_t i = 0; i < count; ++i) {
    Akey akey;
    akey.name = in.string();
    akey.kind = in.get<ValueKind>();
    const auto punch = in.get<uint8_t>();
    akey.punch = punch == 1;
    akey.record_size = in.get<uint32_t>();
    akey.single_length = in.get<uint64_t>();
    akey.conditions = in.get<uint64_t>();
    akey.first_range = static_cast<uint32_t>(ranges.size());
    if (!decode_elements(in, ranges)) return malformed();
    akey.ranges = static_cast<uint32_t>(ranges.size()) - akey.first_range;
    akey.first_checksum = static_cast<uint32_t>(checksums.size());
    if (punch > 1 || !decode_elements(in, checksums)) return malformed();
    akey.checksums = static_cast<uint32_t>(checksums.size()) - akey.first_checksum;
    akeys.push_back(akey);
  }
  if (!in.done()) return malformed();
  VARVE_CHECK(check_key(dkey, "dkey"));
  if (akeys.empty()) return Error(Code::kInvalid, "an update names no akey");
  for (const Akey& akey : akeys) VARVE_CHECK(check_key(akey.name, "akey"));
  return {};
}

Result<void> UpdateWork::plan(const Integrity& container, uint64_t bulk_bytes) {
  integrity = container;
  if (!std::has_single_bit(checksum_bytes) || checksum_bytes < kChecksumChunkBytesMin)
    return Error(Code::kInvalid, "an update's checksums are over " + std::to_string(checksum_bytes) +
                                     " bytes each; make it a power of two, and 1024 at least");
  for (Akey& akey : akeys) VARVE_CHECK(add_values(akey));
  uint64_t total = 0;
  for (const Value& value : values)
    if (__builtin_add_overflow(total, value.length, &total)) total = ~0ULL;
  size_t appends = 0;
  for (const Akey& akey : akeys) appends += (akey.conditions & (kAppend | kAtEnd)) != 0;
  if (appends > 1) return Error(Code::kBadIo, "an update appends to one array, not to several");
  if (total != bulk_bytes)
    return Error(Code::kBadIo, "an update describes " + std::to_string(total) + " bytes of data and brings " +
                                   std::to_string(bulk_bytes));
  return {};
}

store::Update UpdateWork::as_store_update(Epoch epoch) {
  store_akeys.clear();
  store_pieces.clear();
  store_pieces.reserve(values.size());  // spans into it must stay
  const auto data_of = [&](const Value& value) {
    store::Data data;
    data.length = value.length;
    if (value.in_extent) data.extent = value.extent;
    else data.bytes = value.bytes;
    data.checksums = {checksums.data() + value.first_checksum, value.checksums};
    return data;
  };
  for (const Akey& akey : akeys) {
    store::AkeyUpdate& out = store_akeys.emplace_back();
    out.akey = akey.name;
    out.conditions = akey.conditions & ~(kAppend | kAtEnd);
    out.record_size = akey.record_size;
    const Value* first = &values[akey.first_value];
    if (akey.kind == ValueKind::kSingle) {
      out.kind = store::ValueKind::kSingle;
      out.single = data_of(*first);
      continue;
    }
    out.kind = store::ValueKind::kArray;
    const size_t begin = store_pieces.size();
    if (akey.conditions & (kAppend | kAtEnd))
      append = Append{store_akeys.size() - 1, begin, ranges[akey.first_range].index,
                      (akey.conditions & kAppend) != 0};
    for (uint32_t i = 0; i < akey.ranges; ++i) {
      const Range& range = ranges[akey.first_range + i];
      store_pieces.push_back({range.index, range.count, data_of(first[i])});
    }
    out.pieces = {store_pieces.data() + begin, akey.ranges};
  }
  store::Update update;
  update.oid = target.oid;
  update.epoch = epoch;
  update.dkey = dkey;
  update.conditions = conditions;
  update.akeys = store_akeys;
  return update;
}

}  // namespace varve::object
