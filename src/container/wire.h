// Messages of the container service, to the system endpoint of the pool's service. Errors: kNonexistent
// (names pool or container), kExists, kNoHandle (handle closed, evicted or its container destroyed).
#pragma once

#include <bit>

#include "base/chunk_checksum.h"
#include "pool/wire.h"

namespace varve::container {

// 0x02xx: container service.
inline constexpr uint16_t kContainerCreate = 0x0200, kContainerDestroy = 0x0201, kContainerList = 0x0202,
                          kContainerQuery = 0x0203, kContainerOpen = 0x0204, kContainerClose = 0x0205,
                          kContainerGetProperties = 0x0206, kContainerSetProperties = 0x0207,
                          kContainerAttributes = 0x0208, kAllocateObjectIds = 0x0209,
                          kSnapshotCreate = 0x020a, kSnapshotDestroy = 0x020b, kSnapshotList = 0x020c,
                          kContainerRollback = 0x020d, kHoldEpoch = 0x020e,
                          kContainerAggregate = 0x0218, kContainerChangeAcl = 0x0220;

using pool::OperationId;
using pool::Property;

// Of DAOS_PROP_CO_*: cksum, cksum_size, srv_cksum, scrubber_disabled. Fixed when a container is made.
inline constexpr uint32_t kPropertyChecksum = 4100, kPropertyChecksumSize = 4101, kPropertyServerVerify = 4102,
                          kPropertyScrubDisabled = 4120;

// What properties say of a container's integrity, the defaults where they are silent. kInvalid names the
// property and what it may be.
inline Result<Integrity> integrity_of(const std::vector<Property>& properties) {
  Integrity integrity;
  const auto bad = [](const char* name, const Property& property, const char* allowed) {
    return Error(Code::kInvalid, std::string("property ") + name + ": '" +
                                     (property.is_text ? property.text : std::to_string(property.number)) +
                                     "' is not one of its values; " + allowed);
  };
  for (const Property& property : properties) {
    const uint64_t number = property.is_text ? ~0ULL : property.number;
    switch (property.type) {
      case kPropertyChecksum:
        if (number >= kChecksumKinds)
          return bad("cksum", property, "take off, crc16, crc32, crc64, adler32, sha1, sha256 or sha512 (0 to 7)");
        integrity.checksums.kind = static_cast<ChecksumKind>(number);
        break;
      case kPropertyChecksumSize:
        if (!std::has_single_bit(number) || number < kChecksumChunkBytesMin || number > kChecksumChunkBytesMax)
          return bad("cksum_size", property, "take a power of two from 1024 to 16777216 bytes");
        integrity.checksums.chunk_bytes = static_cast<uint32_t>(number);
        break;
      case kPropertyServerVerify:
        if (number > 1) return bad("srv_cksum", property, "take on (1) or off (0)");
        integrity.verify_on_write = number == 1;
        break;
      case kPropertyScrubDisabled:
        if (number > 1) return bad("scrubber_disabled", property, "take 0 or 1");
        integrity.scrub = number == 0;
        break;
      default: break;
    }
  }
  return integrity;
}

struct ContainerInfo {
  Uuid uuid;
  std::string label;
  std::string type;  // "POSIX", "unknown", ... (DAOS_PROP_CO_LAYOUT_TYPE)
  uint64_t created_ns = 0, opened_ns = 0, modified_ns = 0;  // since 1970
  uint32_t handles = 0, snapshots = 0;
  uint32_t owner_uid = 0, owner_gid = 0;
  std::vector<Property> properties;
  template <class Archive>
  void visit(Archive& archive) {
    archive(uuid, label, type, created_ns, opened_ns, modified_ns, handles, snapshots, owner_uid,
            owner_gid, properties);
  }
};
struct CreateContainer {
  OperationId operation;
  Uuid pool, uuid;  // uuid null: the service makes one
  std::string label;
  std::vector<Property> properties;
  std::vector<pool::Attribute> attributes;
  template <class Archive>
  void visit(Archive& archive) { archive(operation, pool, uuid, label, properties, attributes); }
};
struct ContainerReply {
  ContainerInfo info;
  template <class Archive>
  void visit(Archive& archive) { archive(info); }
};
struct DestroyContainer {
  OperationId operation;
  Uuid pool;
  std::string name;  // label or UUID text, here and below
  bool force = false;  // without: kBusy while handles are open
  template <class Archive>
  void visit(Archive& archive) { archive(operation, pool, name, force); }
};
// A page of them, in the order of their UUIDs' texts: those after `after` (null: from the first).
struct ListContainers {
  Uuid pool, after;
  template <class Archive>
  void visit(Archive& archive) { archive(pool, after); }
};
struct ListContainersReply {
  std::vector<ContainerInfo> containers;
  bool more = false;  // after the last of these
  template <class Archive>
  void visit(Archive& archive) { archive(containers, more); }
};
struct QueryContainer {
  Uuid pool;
  std::string name;
  template <class Archive>
  void visit(Archive& archive) { archive(pool, name); }
};
struct OpenContainer {
  Uuid pool, pool_handle;
  std::string name;
  uint32_t flags = 0;  // DAOS_COO_RO 1, DAOS_COO_RW 2, DAOS_COO_EX ...
  template <class Archive>
  void visit(Archive& archive) { archive(pool, pool_handle, name, flags); }
};
struct OpenContainerReply {
  Uuid handle;
  ContainerInfo info;
  template <class Archive>
  void visit(Archive& archive) { archive(handle, info); }
};
struct CloseContainer {
  Uuid pool, container, handle;
  template <class Archive>
  void visit(Archive& archive) { archive(pool, container, handle); }
};
struct SetContainerProperties {
  OperationId operation;
  Uuid pool;
  std::string name;
  std::vector<Property> properties;
  template <class Archive>
  void visit(Archive& archive) { archive(operation, pool, name, properties); }
};
struct ChangeAcl {
  OperationId operation;
  Uuid pool;
  std::string name;
  pool::AclVerb verb = pool::AclVerb::kUpdate;
  std::string entries;  // as in pool::ChangeAcl
  template <class Archive>
  void visit(Archive& archive) { archive(operation, pool, name, verb, entries); }
};
struct ContainerAttributes {
  OperationId operation;
  Uuid pool, container;
  pool::AttributeVerb verb = pool::AttributeVerb::kList;
  std::vector<pool::Attribute> attributes;
  template <class Archive>
  void visit(Archive& archive) { archive(operation, pool, container, verb, attributes); }
};
// [first, first + count) is nobody else's, for ever (numbers for ObjectId::low).
struct AllocateObjectIds {
  OperationId operation;
  Uuid pool, container;
  uint64_t count = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(operation, pool, container, count); }
};
struct AllocateObjectIdsReply {
  uint64_t first = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(first); }
};
struct Snapshot {
  Epoch epoch;
  std::string name;
  template <class Archive>
  void visit(Archive& archive) { archive(epoch, name); }
};
struct CreateSnapshot {
  OperationId operation;
  Uuid pool, container;
  std::string name;
  template <class Archive>
  void visit(Archive& archive) { archive(operation, pool, container, name); }
};
struct DestroySnapshot {
  OperationId operation;
  Uuid pool, container;
  Epoch epoch;
  template <class Archive>
  void visit(Archive& archive) { archive(operation, pool, container, epoch); }
};
// Orders the merge of versions that nobody can see, up to `epoch` (kEpochMax: up to now).
struct AggregateContainer {
  Uuid pool, container;
  Epoch epoch;
  template <class Archive>
  void visit(Archive& archive) { archive(pool, container, epoch); }
};
struct ListSnapshots {
  Uuid pool, container;
  template <class Archive>
  void visit(Archive& archive) { archive(pool, container); }
};
// The container becomes what it was at the snapshot of this epoch. kBusy while other handles than `handle` are
// open for writing, unless forced; and for every open but an exclusive one until a rollback that failed is repeated.
struct RollbackContainer {
  OperationId operation;
  Uuid pool, container, handle;
  Epoch epoch;
  bool force = false;
  template <class Archive>
  void visit(Archive& archive) { archive(operation, pool, container, handle, epoch, force); }
};
// An epoch for a reader: all that was acknowledged before is at or below it, on all targets, and it can be read for a
// minute, and as long again after every read. Answered with a Snapshot, which has no name and is not kept.
struct HoldEpoch {
  Uuid pool, container;
  template <class Archive>
  void visit(Archive& archive) { archive(pool, container); }
};
struct SnapshotsReply {
  std::vector<Snapshot> snapshots;
  template <class Archive>
  void visit(Archive& archive) { archive(snapshots); }
};

}  // namespace varve::container
