// The choices for types that are neither numbers nor plain places for results.
#include <cstdlib>

#include "inputs.h"

namespace varve::bad_input {
namespace {

constexpr uint64_t kHuge = 1ull << 63;

std::string is_name(const char* parameter) { return parameter; }

daos_acl* good_list(Inputs& in) {
  const char* entries[] = {"A::OWNER@:rw", "A::bob@:r"};
  daos_acl* list = nullptr;
  if (daos_acl_from_strs(entries, 2, &list) != 0) abort();
  // In a block with room behind it: lengths that lie stay within.
  auto* made = static_cast<daos_acl*>(in.block(160 * 1024));
  std::memcpy(made, list, static_cast<size_t>(daos_acl_get_size(list)));
  daos_acl_free(list);
  return made;
}

void fill_entry(Inputs& in, daos_prop_entry& entry, bool owned) {
  switch (in.pick(6)) {
    case 0:
      entry.dpe_type = 0;
      break;
    case 1:
      entry.dpe_type = 0xffffffff;
      break;
    case 2:
      entry.dpe_type = DAOS_PROP_CO_LABEL;
      entry.dpe_str = in.pick(2) ? nullptr : strdup(in.name());
      if (entry.dpe_str && !owned) {
        char* kept = in.text(entry.dpe_str);
        free(entry.dpe_str);
        entry.dpe_str = kept;
      }
      break;
    case 3:
      entry.dpe_type = DAOS_PROP_CO_ACL;
      break;
    case 4:
      entry.dpe_type = DAOS_PROP_CO_ROOTS;
      break;
    default:
      entry.dpe_type = DAOS_PROP_CO_CSUM;
      entry.dpe_val = in.one_of<uint64_t>({0, 1, 99, ~0ull});
      break;
  }
}

// Functions that free or replace what a property holds.
bool owns_properties(Inputs& in) {
  return in.is("prop_free") || in.is("prop_fini") || in.is("prop_set") || in.is("entry_set");
}

}  // namespace

#define CHOICE(type) \
  template <>        \
  type choose<type>(Inputs & in, [[maybe_unused]] const char* parameter)

CHOICE(daos_handle_t) { return in.handle(parameter); }
CHOICE(daos_event_t*) { return in.event(); }
CHOICE(dfs_t*) { return in.dfs(); }
CHOICE(dfs_obj_t*) { return in.file(); }
CHOICE(dfs_sys_t*) { return in.dfs_sys(); }

CHOICE(const char*) {
  if (in.pick(6) == 0) return in.say("no text"), nullptr;
  const char* text = in.name();
  in.say("\"" + std::string(text).substr(0, 20) + "\"");
  return text;
}

CHOICE(char*) {
  if (in.pick(4) == 0) return nullptr;
  // A place for results, or a name.
  const std::string name = parameter;
  if (name == "user" || name == "group" || (name == "str" && !in.is("list"))) return in.name();
  if (name == "name" && in.is("cont_create_snap")) return in.name();
  return in.array<char>(64 * 1024);
}

CHOICE(d_iov_t) {
  d_iov_t iov{};
  switch (in.pick(5)) {
    case 0:
      break;
    case 1:
      iov = {in.block(128), 128, 128};
      in.random_bytes(iov.iov_buf, 128);
      break;
    case 2:
      iov = in.global();
      iov.iov_len = iov.iov_len / 2;
      break;
    case 3:
      iov = in.global();
      iov.iov_buf_len = 1;
      break;
    default:
      iov = in.global();
      break;
  }
  return iov;
}

CHOICE(d_iov_t*) {
  if (in.pick(4) == 0) return nullptr;
  d_iov_t* iov = in.keep(in.iov());
  if (is_name(parameter) == "glob") {
    // Filled by the call: as long as it says.
    const size_t bytes = in.one_of<size_t>({0, 8, 4096});
    *iov = {in.pick(3) ? in.block(bytes) : nullptr, bytes, bytes};
    return iov;
  }
  // Keys: lengths that no key has, and one that is only too long.
  if (in.pick(8) == 0) *iov = {in.block(65536, 'k'), 65536, 65536};
  return iov;
}

CHOICE(d_sg_list_t*) {
  if (in.pick(4) == 0) return nullptr;
  auto* lists = in.array<d_sg_list_t>(2);
  for (int i = 0; i < 2; ++i) lists[i] = in.sgl();
  return lists;
}

CHOICE(daos_anchor_t*) {
  if (in.pick(5) == 0) return nullptr;
  auto* anchors = in.array<daos_anchor_t>(64);
  if (in.pick(2)) in.random_bytes(anchors, 64 * sizeof *anchors);
  if (in.pick(3) == 0) anchors[0].da_type = DAOS_ANCHOR_TYPE_HKEY;
  return anchors;
}

CHOICE(daos_prop_entry*) {
  if (in.pick(4) == 0) return nullptr;
  auto* entry = in.array<daos_prop_entry>(1);
  fill_entry(in, *entry, owns_properties(in));
  return entry;
}

CHOICE(daos_prop_t*) {
  if (in.pick(4) == 0) return nullptr;
  const bool owned = owns_properties(in);
  daos_prop_t* made =
      owned ? static_cast<daos_prop_t*>(calloc(1, sizeof *made)) : in.array<daos_prop_t>(1);
  if (in.pick(4) == 0) made->dpp_nr = 1000;  // and no entries
  if (in.pick(2) || made->dpp_nr) return made;
  made->dpp_nr = 2;
  made->dpp_entries = owned ? static_cast<daos_prop_entry*>(calloc(2, sizeof(daos_prop_entry)))
                            : in.array<daos_prop_entry>(2);
  for (int i = 0; i < 2; ++i) fill_entry(in, made->dpp_entries[i], owned);
  return made;
}

CHOICE(daos_acl*) {
  if (in.pick(4) == 0) return nullptr;
  daos_acl* list = good_list(in);
  switch (in.pick(4)) {
    case 0:
      list->dal_len = static_cast<uint32_t>(in.pick(200));
      break;
    case 1:
      in.random_bytes(list->dal_ace, 200);
      break;
    case 2:
      list->dal_len = in.one_of<uint32_t>({65536, 65537, ~0u});
      break;
    default:
      break;
  }
  if (!in.is("acl_free")) return list;
  return static_cast<daos_acl*>(malloc(64));
}

CHOICE(daos_acl**) {
  if (in.pick(4) == 0) return nullptr;
  auto** list = in.array<daos_acl*>(1);
  // Replaced by the call, so it has to come from malloc.
  const char* entries[] = {"A::OWNER@:rw"};
  if (in.pick(2)) daos_acl_from_strs(entries, 1, list);
  return list;
}

CHOICE(daos_ace*) {
  if (in.pick(4) == 0) return nullptr;
  if (in.is("ace_free")) return static_cast<daos_ace*>(malloc(64));
  daos_ace* entry = static_cast<daos_ace*>(in.block(160 * 1024));
  if (in.pick(2)) {
    daos_ace* made = nullptr;
    if (daos_ace_from_str("A:G:team@:rw", &made) == 0) std::memcpy(entry, made, 40);
    daos_ace_free(made);
  } else {
    in.random_bytes(entry, 128);
  }
  return entry;
}

CHOICE(daos_ace**) {
  if (in.pick(4) == 0) return nullptr;
  auto** entries = in.array<daos_ace*>(2);
  if (in.pick(2)) entries[0] = choose<daos_ace*>(in, parameter);
  return entries;
}

CHOICE(daos_iod_t*) {
  if (in.pick(5) == 0) return nullptr;
  auto* iods = in.array<daos_iod_t>(2);
  for (int i = 0; i < 2; ++i) {
    daos_iod_t& iod = iods[i];
    iod.iod_name = in.iov();
    iod.iod_type =
        static_cast<daos_iod_type_t>(in.one_of<int>({DAOS_IOD_SINGLE, DAOS_IOD_ARRAY, 0, 99}));
    iod.iod_nr = in.one_of<unsigned>({0, 1, 1, 1});
    iod.iod_size = in.one_of<uint64_t>({0, 1, 8, kHuge, ~0ull});
    iod.iod_flags = in.one_of<uint64_t>({0, ~0ull});
    if (in.pick(3) == 0) continue;
    iod.iod_recxs = in.keep(daos_recx_t{in.one_of<uint64_t>({0, kHuge, ~0ull}),
                                        in.one_of<uint64_t>({0, 1, 8, kHuge, ~0ull})});
  }
  return iods;
}

CHOICE(daos_array_iod_t*) {
  if (in.pick(5) == 0) return nullptr;
  auto* iod = in.array<daos_array_iod_t>(1);
  iod->arr_nr = in.pick(3);
  if (in.pick(3) == 0) return iod;
  iod->arr_rgs = in.array<daos_range_t>(2);
  for (int i = 0; i < 2; ++i) iod->arr_rgs[i] = {in.size(), in.size()};
  return iod;
}

CHOICE(dfs_iod_t*) {
  if (in.pick(5) == 0) return nullptr;
  auto* iod = in.array<dfs_iod_t>(1);
  iod->iod_nr = in.pick(3);
  if (in.pick(3) == 0) return iod;
  iod->iod_rgs = in.array<daos_range_t>(2);
  for (int i = 0; i < 2; ++i) iod->iod_rgs[i] = {in.size(), in.size()};
  return iod;
}

CHOICE(daos_obj_id_t) {
  return in.one_of<daos_obj_id_t>(
      {{0, 0}, {1, 0}, {~0ull, ~0ull}, {1, kHuge}, {1, uint64_t{OC_S1} << 32}});
}
CHOICE(daos_obj_id_t*) {
  if (in.pick(4) == 0) return nullptr;
  auto* oids = in.array<daos_obj_id_t>(64);
  if (in.pick(2)) in.random_bytes(oids, sizeof *oids);
  return oids;
}
CHOICE(daos_size_t*) {
  if (in.pick(4) == 0) return nullptr;
  // Of the block that goes with it.
  auto* size = in.array<daos_size_t>(64);
  *size = in.one_of<daos_size_t>({0, 1, 16, 64});
  return size;
}
CHOICE(uint32_t*) {
  if (in.pick(4) == 0) return nullptr;
  auto* count = in.array<uint32_t>(64);
  *count = in.one_of<uint32_t>({0, 1, 16, 64});
  return count;
}
CHOICE(uuid_argument) {
  UuidArgument uuid{};
  if (in.pick(2)) in.random_bytes(uuid.bytes, sizeof uuid.bytes);
  return uuid;
}
CHOICE(DIR*) {
  DIR* directory = nullptr;
  if (in.pick(3) == 0) return nullptr;
  dfs_sys_t* sys = in.dfs_sys();
  if (!sys || dfs_sys_opendir(sys, "/", 0, &directory) != 0) return nullptr;
  return directory;
}
CHOICE(daos_event_comp_cb_t) {
  if (in.pick(2)) return nullptr;
  return [](void*, daos_event_t*, int result) { return result; };
}
CHOICE(dfs_filler_cb_t) {
  if (in.pick(2)) return nullptr;
  return [](dfs_t*, dfs_obj_t*, const char*, void*) { return 0; };
}
template <>
daos_oit_filter_cb* choose<daos_oit_filter_cb*>(Inputs& in, const char*) {
  if (in.pick(2)) return nullptr;
  return [](daos_obj_id_t, d_iov_t*) { return 1; };
}
CHOICE(dfs_predicate_t) {
  dfs_predicate_t predicate{};
  if (in.pick(2)) in.random_bytes(&predicate, sizeof predicate);
  return predicate;
}
CHOICE(FILE*) {
  static FILE* const nowhere = fopen("/dev/null", "w");
  return in.pick(2) ? nowhere : nullptr;
}
CHOICE(daos_epoch_range_t) { return {in.size(), in.size()}; }

CHOICE(const char* const*) {
  if (in.pick(4) == 0) return nullptr;
  auto** names = in.array<const char*>(2);
  for (int i = 0; i < 2; ++i) names[i] = in.pick(4) ? in.name() : nullptr;
  return names;
}
CHOICE(const char**) { return const_cast<const char**>(choose<const char* const*>(in, parameter)); }
CHOICE(const void* const*) {
  if (in.pick(4) == 0) return nullptr;
  auto** values = in.array<const void*>(2);
  for (int i = 0; i < 2; ++i) values[i] = in.pick(4) ? in.block(64) : nullptr;
  return values;
}
CHOICE(void* const*) {
  if (in.pick(4) == 0) return nullptr;
  auto** values = in.array<void*>(2);
  for (int i = 0; i < 2; ++i) values[i] = in.pick(4) ? in.block(64 * 1024) : nullptr;
  return values;
}

CHOICE(daos_pool_cont_filter_part_t*) {
  if (in.pick(4) == 0) return nullptr;
  auto* part = in.array<daos_pool_cont_filter_part_t>(1);
  if (in.pick(2)) in.random_bytes(part, sizeof *part);
  return part;
}
CHOICE(daos_pool_cont_filter_t*) {
  if (in.pick(4) == 0) return nullptr;
  auto* filter = in.array<daos_pool_cont_filter_t>(1);
  filter->pcf_nparts = in.is("fini") ? 0 : in.one_of<uint32_t>({0, 0, 2, ~0u});  // and no parts
  filter->pcf_combine_func = in.one_of<uint32_t>({0, 1, 99});
  return filter;
}
CHOICE(dfs_attr_t*) {
  if (in.pick(3) == 0) return nullptr;
  auto* attributes = in.array<dfs_attr_t>(1);
  attributes->da_chunk_size = in.size();
  attributes->da_oclass_id = in.one_of<uint32_t>({0, 1, OC_S1, ~0u});
  attributes->da_mode = in.one_of<uint32_t>({0, 4, ~0u});
  if (in.pick(3) == 0) std::memset(attributes->da_hints, 'h', sizeof attributes->da_hints);
  return attributes;
}
CHOICE(duns_attr_t*) {
  if (in.pick(3) == 0) return nullptr;
  auto* attributes = in.array<duns_attr_t>(1);
  attributes->da_type = in.one_of<uint16_t>({0, 1, 99});
  if (in.pick(3) == 0) std::memset(attributes->da_cont, 'c', sizeof attributes->da_cont);
  if (in.pick(3) == 0) std::memset(attributes->da_pool, 'p', sizeof attributes->da_pool);
  if (in.pick(3) == 0) std::memset(attributes->da_hints, 'h', sizeof attributes->da_hints);
  attributes->da_flags = in.one_of<uint32_t>({0, 1, ~0u});
  attributes->da_chunk_size = in.size();
  return attributes;
}
CHOICE(d_rank_list_t*) {
  if (in.pick(3) == 0) return nullptr;
  auto* list = in.array<d_rank_list_t>(1);
  list->rl_nr = static_cast<uint32_t>(in.pick(5));
  if (in.pick(3)) list->rl_ranks = in.array<d_rank_t>(64);
  return list;
}
CHOICE(daos_iom_t*) {
  if (in.pick(2)) return nullptr;
  auto* maps = in.array<daos_iom_t>(2);
  for (int i = 0; i < 2; ++i) {
    maps[i].iom_nr = static_cast<uint32_t>(in.pick(5));
    if (in.pick(2)) maps[i].iom_recxs = in.array<daos_recx_t>(8);
  }
  return maps;
}
CHOICE(daos_oclass_list*) {
  if (in.pick(3) == 0) return nullptr;
  auto* list = in.array<daos_oclass_list>(1);
  list->cl_nr = static_cast<uint32_t>(in.pick(20));
  if (in.pick(2)) list->cl_cids = in.array<daos_oclass_id_t>(64);
  if (in.pick(2)) list->cl_cattrs = in.array<daos_oclass_attr>(64);
  return list;
}
CHOICE(daos_sys_info*) {
  daos_sys_info* info = nullptr;
  if (in.pick(2)) daos_mgmt_get_sys_info(nullptr, &info);
  return info;
}
CHOICE(daos_event_t**) { return in.pick(4) == 0 ? nullptr : in.array<daos_event_t*>(64); }
CHOICE(char**) {
  if (in.pick(4) == 0) return nullptr;
  auto** texts = in.array<char*>(64);
  if (is_name(parameter) == "names")
    for (int i = 0; i < 64; ++i) texts[i] = in.pick(2) ? in.array<char>(256) : nullptr;
  return texts;
}
CHOICE(struct dirent*) { return in.pick(4) == 0 ? nullptr : in.array<struct dirent>(64); }
CHOICE(daos_key_desc_t*) { return in.pick(4) == 0 ? nullptr : in.array<daos_key_desc_t>(64); }
CHOICE(daos_recx_t*) { return in.pick(4) == 0 ? nullptr : in.array<daos_recx_t>(64); }

}  // namespace varve::bad_input
