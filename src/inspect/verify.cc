#include "inspect/verify.h"

#include <algorithm>

#include "base/checksum.h"

namespace varve::inspect {
namespace {

class Checker final : public Visitor {
 public:
  Checker(const Image& image, const VerifyOptions& options, Verified& result)
      : image_(image), options_(options), result_(result) {}

  bool pool(const FoundPool&) override { return ++result_.pools; }
  bool container(const Place&, const FoundContainer&) override { return ++result_.containers; }
  bool object(const Place&, const FoundObject&) override { return ++result_.objects; }
  bool dkey(const Place&, const FoundDkey&) override { return ++result_.dkeys; }
  bool akey(const Place&, const FoundAkey&) override { return ++result_.akeys; }
  void version(const Place& place, const FoundVersion& version) override {
    ++result_.versions;
    check(place, "version of epoch " + std::to_string(version.record.epoch), version.data);
  }
  void extent(const Place& place, const FoundExtent& extent) override {
    ++result_.extents;
    check(place,
          "extent at index " + std::to_string(extent.index) + " of epoch " +
              std::to_string(extent.record.epoch),
          extent.data);
  }
  void range_punch(const Place&, const store::RangePunchRecord&) override { ++result_.punches; }
  void punch(const Place&, const store::PunchRecord&) override { ++result_.punches; }

 private:
  void check(const Place& place, const std::string& what, const FoundData& data) {
    if (data.checksums.empty()) return;
    ByteView bytes = data.bytes;
    if (data.extent.length) {
      if (!options_.data || data.extent.length < data.length) return;
      // A piece at a time: an extent may be larger than memory.
      const uint32_t width = checksum_words(data.format.kind);
      Buffer piece;
      for (uint64_t word = 0, from = 0; word + width <= data.checksums.size(); word += width) {
        if (from >= data.length) break;
        piece.resize(std::min<uint64_t>(data.format.chunk_bytes, data.length - from));
        const Result<void> read = image_.read_data(data.extent.offset + from, piece);
        if (!read.ok())
          return result_.findings.damage(place.describe(),
                                         what + ": " + std::string(read.error().text()));
        result_.data_bytes += piece.size();
        compare(place, what, piece, {&data.checksums[word], width}, data.format);
        from += piece.size();
      }
      return;
    }
    if (bytes.size() == data.length) compare(place, what, bytes, data.checksums, data.format);
  }
  void compare(const Place& place, const std::string& what, ByteView bytes,
               std::span<const uint32_t> checksums, const ChecksumFormat& format) {
    result_.checksums += format.chunks(bytes.size());
    if (!matches(bytes, checksums, format))
      result_.findings.damage(place.describe(), what + ": its bytes do not match their checksum");
  }

  const Image& image_;
  const VerifyOptions& options_;
  Verified& result_;
};

}  // namespace

bool matches(ByteView bytes, std::span<const uint32_t> checksums, const ChecksumFormat& format) {
  return checksums.size() == format.words(bytes.size()) &&
         store::find_damage(bytes, checksums, format) == bytes.size();
}

Result<Verified> verify(device::Reader& device, const VerifyOptions& options) {
  Verified result;
  VARVE_TRY(const std::unique_ptr<Image> image, Image::load(device, result.findings));
  result.log = image->log();
  Allocations allocations(*image, result.findings);
  if (image->heap().read<uint64_t>(block::Volume::kRoot) == kKeyValueMagic) {
    result.system_keys = check_key_values(*image, allocations, result.findings);
  } else {
    Checker checker(*image, options, result);
    StoreWalk(*image, allocations, result.findings).run(checker);
  }
  allocations.report_leaks(result.findings);
  const block::Geometry& geometry = image->geometry();
  result.use = {allocations.counts().allocated_bytes,
                geometry.chunk_count * block::kChunkBytes,
                allocations.used_blocks() * block::kPageBytes, geometry.data_bytes};
  return result;
}

}  // namespace varve::inspect
