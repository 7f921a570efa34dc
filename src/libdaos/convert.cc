#include "libdaos/convert.h"
#include "libdaos/access_lists.h"

#include <algorithm>
#include <cstring>

#include "base/checksum.h"

namespace varve::libdaos {
namespace {

// daos_anchor_t::da_buf: object::ListFrom, length of the key, hash, key. da_sub_anchors: where a part
// of a group ends; da_flags: the first group that is not of it (bound_groups).
constexpr size_t kHashAt = 2, kKeyAt = kHashAt + sizeof(uint64_t),
                 kKeyRoom = DAOS_ANCHOR_BUF_MAX - kKeyAt;

constexpr size_t kPropertyTextMax = 8192;  // more than any may have

bool is_access_list(uint32_t type) { return type == DAOS_PROP_PO_ACL || type == DAOS_PROP_CO_ACL; }

}  // namespace

bool add_data(const d_sg_list_t* list, uint64_t limit, Pieces<ByteView>& pieces) {
  for (uint32_t i = 0; list && i < list->sg_nr && limit > 0; ++i) {
    const d_iov_t& iov = list->sg_iovs[i];
    const uint64_t take = std::min<uint64_t>(iov.iov_len, limit);
    if (take > 0 && !iov.iov_buf) return false;
    pieces.add(view_of(iov).first(take));
    limit -= take;
  }
  return limit == 0;
}

bool add_room(d_sg_list_t* list, Pieces<MutableByteView>& pieces) {
  for (uint32_t i = 0; list && i < list->sg_nr; ++i) {
    const d_iov_t& iov = list->sg_iovs[i];
    if (iov.iov_buf_len > 0 && !iov.iov_buf) return false;
    pieces.add({static_cast<std::byte*>(iov.iov_buf), iov.iov_buf_len});
  }
  return true;
}

void set_filled(d_sg_list_t* list, uint64_t bytes) {
  list->sg_nr_out = 0;
  for (uint32_t i = 0; i < list->sg_nr; ++i) {
    d_iov_t& iov = list->sg_iovs[i];
    iov.iov_len = std::min<uint64_t>(iov.iov_buf_len, bytes);
    bytes -= iov.iov_len;
    if (iov.iov_len > 0) list->sg_nr_out = i + 1;
  }
}

uint64_t room_of(const d_sg_list_t* list) {
  uint64_t room = 0;
  for (uint32_t i = 0; list && i < list->sg_nr; ++i) room += list->sg_iovs[i].iov_buf_len;
  return room;
}

void copy_into(d_sg_list_t* list, uint64_t offset, ByteView bytes) {
  for (uint32_t i = 0; i < list->sg_nr && !bytes.empty(); ++i) {
    const d_iov_t& iov = list->sg_iovs[i];
    if (offset >= iov.iov_buf_len) {
      offset -= iov.iov_buf_len;
      continue;
    }
    const uint64_t take = std::min<uint64_t>(iov.iov_buf_len - offset, bytes.size());
    std::memcpy(static_cast<std::byte*>(iov.iov_buf) + offset, bytes.data(), take);
    bytes = bytes.subspan(take);
    offset = 0;
  }
}

client::Session::Anchor read_anchor(const daos_anchor_t& anchor) {
  client::Session::Anchor to;
  if (anchor.da_type == DAOS_ANCHOR_TYPE_ZERO) return to;
  to.shard = anchor.da_shard;
  to.end = anchor.da_type == DAOS_ANCHOR_TYPE_EOF;
  if (anchor.da_type != DAOS_ANCHOR_TYPE_HKEY && anchor.da_type != DAOS_ANCHOR_TYPE_KEY) return to;
  std::memcpy(&to.position.hash, anchor.da_buf + kHashAt, sizeof to.position.hash);
  to.position.from = static_cast<object::ListFrom>(anchor.da_buf[0]);
  to.position.below = anchor.da_sub_anchors;
  const size_t length = std::min<size_t>(anchor.da_buf[1], kKeyRoom);
  const auto* key = reinterpret_cast<const std::byte*>(anchor.da_buf + kKeyAt);
  to.position.key.assign(key, key + length);
  return to;
}

void write_anchor(const client::Session::Anchor& from, daos_anchor_t& anchor) {
  anchor.da_type = from.end ? DAOS_ANCHOR_TYPE_EOF : DAOS_ANCHOR_TYPE_HKEY;
  anchor.da_shard = static_cast<uint16_t>(from.shard);
  std::memset(anchor.da_buf, 0, sizeof anchor.da_buf);
  anchor.da_sub_anchors = from.position.below;
  uint64_t hash = from.position.hash;
  const Buffer& key = from.position.key;
  object::ListFrom begin = from.position.from;
  if (key.size() <= kKeyRoom) {
    anchor.da_buf[1] = static_cast<uint8_t>(key.size());
    if (!key.empty()) std::memcpy(anchor.da_buf + kKeyAt, key.data(), key.size());
  } else {
    // Only hashed keys are as long. The next one has another hash, but for a tie among 2^64.
    if (begin == object::ListFrom::kAtKey) hash = hash64(key, object::kKeyPlaceSeed);
    if (begin == object::ListFrom::kAbove) ++hash;
    begin = object::ListFrom::kAt;
  }
  anchor.da_buf[0] = static_cast<uint8_t>(begin);
  std::memcpy(anchor.da_buf + kHashAt, &hash, sizeof hash);
}

std::string uuid_or_label(const char* name) { return name ? name : ""; }

Result<std::vector<pool::Property>> read_properties(const daos_prop_t* properties) {
  std::vector<pool::Property> read;
  if (!properties) return read;
  if (properties->dpp_nr > DAOS_PROP_ENTRIES_MAX_NR || !properties->dpp_entries)
    return Error(Code::kInvalid, "the list of properties is none");
  for (uint32_t i = 0; i < properties->dpp_nr; ++i) {
    daos_prop_entry entry = properties->dpp_entries[i];
    const bool list = is_access_list(entry.dpe_type);
    if (!daos_prop_is_set(&entry) || (daos_prop_has_ptr(&entry) && !list)) continue;
    pool::Property property;
    property.type = entry.dpe_type;
    property.is_text = daos_prop_has_str(&entry) || list;
    if (property.is_text && !entry.dpe_val_ptr)
      return Error(Code::kInvalid,
                   "property " + std::to_string(entry.dpe_type) + " is set to nothing");
    if (list) {
      VARVE_TRY(const security::AccessList parsed,
                read_list(static_cast<const daos_acl*>(entry.dpe_val_ptr)));
      VARVE_TRY(property.text, security::text_of(parsed));
    } else if (property.is_text)
      property.text.assign(entry.dpe_str, strnlen(entry.dpe_str, kPropertyTextMax));
    else
      property.number = entry.dpe_val;
    read.push_back(std::move(property));
  }
  return read;
}

int write_properties(const std::vector<pool::Property>& from, daos_prop_t* properties) {
  if (properties->dpp_nr > 0 && !properties->dpp_entries) return code(Code::kInvalid);
  if (properties->dpp_nr == 0) {
    daos_prop_t* made = daos_prop_alloc(static_cast<uint32_t>(from.size()));
    if (!made) return code(Code::kNoMemory);
    for (size_t i = 0; i < from.size(); ++i) made->dpp_entries[i].dpe_type = from[i].type;
    properties->dpp_nr = made->dpp_nr;
    properties->dpp_entries = made->dpp_entries;
    made->dpp_nr = 0;
    made->dpp_entries = nullptr;
    daos_prop_free(made);
  }
  for (uint32_t i = 0; i < properties->dpp_nr; ++i) {
    daos_prop_entry& entry = properties->dpp_entries[i];
    const auto found = std::find_if(from.begin(), from.end(), [&](const pool::Property& property) {
      return property.type == entry.dpe_type;
    });
    if (found == from.end()) {
      entry.dpe_flags |= DAOS_PROP_ENTRY_NOT_SET;
    } else if (is_access_list(found->type)) {
      const Result<security::AccessList> list = security::parse_list(found->text);
      if (!list) return failure(list.error());
      entry.dpe_val_ptr = make_list(*list);
      if (!entry.dpe_val_ptr) return code(Code::kNoMemory);
    } else if (found->is_text) {
      entry.dpe_str = strdup(found->text.c_str());
      if (!entry.dpe_str) return code(Code::kNoMemory);
    } else {
      entry.dpe_val = found->number;
    }
  }
  return 0;
}

int list_attributes(AttributeCall call, char* buffer, size_t* size, daos_event_t* event) {
  if (!size || (!buffer && *size > 0)) return code(Code::kInvalid);
  return run(event, [call, buffer, size](client::Session& session) -> Task<int> {
    auto listed = co_await call(session, pool::AttributeVerb::kList, {});
    if (!listed) co_return failure(listed.error());
    // Names, each with its terminator; what does not fit is left out, and the size says what all
    // take.
    size_t total = 0;
    bool fits = true;
    for (const pool::Attribute& attribute : *listed) {
      const size_t bytes = attribute.name.size() + 1;
      fits = fits && total + bytes <= *size;
      if (fits) std::memcpy(buffer + total, attribute.name.c_str(), bytes);
      total += bytes;
    }
    *size = total;
    co_return 0;
  });
}

int get_attributes(AttributeCall call, int n, const char* const names[], void* const buffers[],
                   size_t sizes[], daos_event_t* event) {
  if (n <= 0 || !names || !sizes) return code(Code::kInvalid);
  for (int i = 0; i < n; ++i)
    if (!names[i] || !*names[i]) return code(Code::kInvalid);
  return run(event, [call, n, names, buffers, sizes](client::Session& session) -> Task<int> {
    std::vector<pool::Attribute> wanted(static_cast<size_t>(n));
    for (int i = 0; i < n; ++i) wanted[i].name = names[i];
    auto got = co_await call(session, pool::AttributeVerb::kGet, std::move(wanted));
    if (!got) co_return failure(got.error());
    for (int i = 0; i < n; ++i) {
      const auto found =
          std::find_if(got->begin(), got->end(), [&](const pool::Attribute& attribute) {
            return attribute.found && attribute.name == names[i];
          });
      if (found == got->end())
        co_return failure(
            Error(Code::kNonexistent, std::string("there is no attribute '") + names[i] + "'"));
      const size_t room = buffers && buffers[i] ? sizes[i] : 0;
      const size_t bytes = std::min(room, found->value.size());
      if (bytes) std::memcpy(buffers[i], found->value.data(), bytes);
      sizes[i] = found->value.size();
    }
    co_return 0;
  });
}

int set_attributes(AttributeCall call, int n, const char* const names[], const void* const values[],
                   const size_t sizes[], daos_event_t* event) {
  if (n <= 0 || !names || !values || !sizes) return code(Code::kInvalid);
  std::vector<pool::Attribute> attributes(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) {
    if (!names[i] || !*names[i] || std::strlen(names[i]) > DAOS_ATTR_NAME_MAX ||
        (!values[i] && sizes[i]))
      return code(Code::kInvalid);
    attributes[i].name = names[i];
    const auto* value = static_cast<const std::byte*>(values[i]);
    attributes[i].value.assign(value, value + sizes[i]);
  }
  return run(event, [call, attributes](client::Session& session) -> Task<int> {
    auto set = co_await call(session, pool::AttributeVerb::kSet, attributes);
    co_return status(set);
  });
}

int delete_attributes(AttributeCall call, int n, const char* const names[], daos_event_t* event) {
  if (n <= 0 || !names) return code(Code::kInvalid);
  std::vector<pool::Attribute> attributes(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) {
    if (!names[i] || !*names[i]) return code(Code::kInvalid);
    attributes[i].name = names[i];
  }
  return run(event, [call, attributes](client::Session& session) -> Task<int> {
    auto deleted = co_await call(session, pool::AttributeVerb::kDelete, attributes);
    co_return status(deleted);
  });
}

}  // namespace varve::libdaos
