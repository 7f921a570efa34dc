#include "simulation/registers.h"

#include "base/checksum.h"

namespace varve::simulation {
namespace {

constexpr uint64_t kArrayBytes = 40'000, kRoomBytes = 96 * kKiB;
constexpr uint64_t kHeaderBytes = 16;

Error lost(const Place& place, const std::string& what) {
  return Error(Code::kDataLoss, "register " + std::to_string(place.number) + ": " + what);
}

std::byte byte_at(uint64_t number, uint64_t version, uint64_t part, uint64_t at) {
  const uint64_t word = mix64(number * 1000003 + version * 7 + part + mix64(at / 8));
  return std::byte{static_cast<uint8_t>(word >> at % 8 * 8)};
}

}  // namespace

bool Place::is_punch(uint64_t version) const {
  return version == 0 || mix64(number * 31 + version) % 8 == 0;
}

uint64_t Place::length(uint64_t version) const {
  if (shape == Shape::kArray) return kArrayBytes;
  const uint64_t draw = mix64(number * 77 + version);
  switch (draw % 8) {
    case 0: return 4096;
    case 1: return 4097 + draw / 8 % 16'000;
    case 2: return 33'000 + draw / 8 % 50'000;
    case 3: return 1000 + draw / 8 % 3000;
    default: return kHeaderBytes + draw / 8 % 200;
  }
}

Buffer Place::value(uint64_t version, uint64_t part) const {
  Buffer bytes(length(version));
  std::memcpy(bytes.data(), &number, 8);
  std::memcpy(bytes.data() + 8, &version, 8);
  for (uint64_t at = kHeaderBytes; at < bytes.size(); ++at) bytes[at] = byte_at(number, version, part, at);
  return bytes;
}

std::vector<Place> make_places(uint64_t count, uint64_t seed) {
  std::vector<Place> places(count);
  for (uint64_t i = 0; i < count; ++i) {
    Place& place = places[i];
    place.number = i;
    place.shape = static_cast<Shape>(mix64(seed + i) % 3);
    const char* name = mix64(seed * 3 + i) % 2 ? "S1" : "SX";
    place.oid = placement::make_object_id({i / 2 + 1, 0}, 0, *placement::class_by_name(name));
    place.dkey = "dkey-" + std::to_string(i);
  }
  return places;
}

Result<uint64_t> version_of(const Place& place, ByteView value, uint64_t part) {
  if (value.size() < kHeaderBytes) return lost(place, "a value of " + std::to_string(value.size()) + " bytes");
  uint64_t number, version;
  std::memcpy(&number, value.data(), 8);
  std::memcpy(&version, value.data() + 8, 8);
  if (number != place.number) return lost(place, "the value of register " + std::to_string(number));
  if (value.size() != place.length(version))
    return lost(place, "version " + std::to_string(version) + " has " + std::to_string(value.size()) + " bytes");
  for (uint64_t at = kHeaderBytes; at < value.size(); ++at)
    if (value[at] != byte_at(number, version, part, at))
      return lost(place, "version " + std::to_string(version) + " is wrong at byte " + std::to_string(at));
  return version;
}

Result<uint64_t> version_of_absence(const Place& place, uint64_t begun) {
  for (uint64_t version = begun; version <= place.history.latest(); ++version)
    if (place.is_punch(version)) return version;
  return lost(place, "nothing is there after version " + std::to_string(begun) + " was");
}

namespace {

using client::IoDescriptor;

constexpr object::Range kRanges[3] = {{0, 10'000}, {10'000, 25'000}, {35'000, 5'000}};

IoDescriptor descriptor_of(const Place& place, std::string_view akey) {
  IoDescriptor descriptor;
  descriptor.akey = as_bytes(akey);
  if (place.shape != Shape::kArray) return descriptor;
  descriptor.kind = object::ValueKind::kArray;
  descriptor.record_size = 1;
  descriptor.ranges = kRanges;
  return descriptor;
}
size_t akeys_of(const Place& place) { return place.shape == Shape::kPair ? 2 : 1; }
constexpr std::string_view kAkeys[2] = {"a", "b"};

}  // namespace

Task<Result<void>> write_place(client::Session& session, const client::Object& object, const Place& place,
                               uint64_t version) {
  const size_t akeys = akeys_of(place);
  const ByteView dkey = as_bytes(place.dkey);
  if (place.is_punch(version)) {
    const ByteView names[2] = {as_bytes(kAkeys[0]), as_bytes(kAkeys[1])};
    co_return co_await session.punch(object, std::span(&dkey, 1), std::span(names, akeys), 0);
  }
  Buffer values[2];
  ByteView views[2];
  IoDescriptor descriptors[2];
  for (size_t part = 0; part < akeys; ++part) {
    values[part] = place.value(version, part);
    views[part] = values[part];
    descriptors[part] = descriptor_of(place, kAkeys[part]);
    descriptors[part].from = Gather(&views[part], 1);
  }
  auto written = co_await session.update(object, dkey, 0, std::span(descriptors, akeys));
  if (!written.ok()) co_return std::move(written.error());
  co_return Result<void>();
}

Task<Result<uint64_t>> read_place(client::Session& session, const client::Object& object, const Place& place,
                                  uint64_t begun) {
  const size_t akeys = akeys_of(place);
  Buffer rooms[2];
  MutableByteView views[2];
  IoDescriptor descriptors[2];
  for (size_t part = 0; part < akeys; ++part) {
    rooms[part].resize(place.shape == Shape::kArray ? kArrayBytes : kRoomBytes);
    views[part] = rooms[part];
    descriptors[part] = descriptor_of(place, kAkeys[part]);
    descriptors[part].into = Scatter(&views[part], 1);
  }
  auto read = co_await session.fetch(object, as_bytes(place.dkey), 0, std::span(descriptors, akeys));
  if (!read.ok()) co_return std::move(read.error());
  uint64_t found[2] = {};
  for (size_t part = 0; part < akeys; ++part) {
    const uint64_t bytes = descriptors[part].fetched_bytes;
    auto version = bytes == 0 ? version_of_absence(place, begun)
                              : version_of(place, ByteView(rooms[part]).first(bytes), part);
    if (!version.ok()) co_return std::move(version.error());
    found[part] = *version;
  }
  if (akeys == 2 && found[0] != found[1])
    co_return lost(place, "akeys of one update are of versions " + std::to_string(found[0]) + " and " +
                              std::to_string(found[1]));
  co_return found[0];
}

}  // namespace varve::simulation
