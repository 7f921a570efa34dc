#include "storage.h"

#include <cerrno>
#include <cstring>

namespace varve::process {
namespace {

std::string name_of(uint32_t item, uint64_t place) {
  return "name-" + std::to_string(item) + (place == 1 ? "-here" : "-there");
}

struct Piece {
  d_iov_t memory;
  d_sg_list_t list;
  Piece(void* data, size_t length) : memory{}, list{1, 0, &memory} {
    d_iov_set(&memory, data, length);
  }
  Piece(const Piece&) = delete;
};

// The three akeys of an entry, with memory to write from or read into.
struct EntryParts {
  std::vector<uint8_t> value, array, large;
  daos_recx_t range{};
  daos_iod_t descriptors[3] = {};
  d_iov_t memory[3] = {};
  d_sg_list_t lists[3] = {};

  explicit EntryParts(const EntrySizes& sizes)
      : value(sizes.value), array(sizes.array), large(sizes.large) {
    range = {0, sizes.array};
    static char names[3][8] = {"value", "array", "large"};
    std::vector<uint8_t>* data[3] = {&value, &array, &large};
    for (int i = 0; i < 3; ++i) {
      d_iov_set(&descriptors[i].iod_name, names[i], std::strlen(names[i]));
      descriptors[i].iod_type = i == 1 ? DAOS_IOD_ARRAY : DAOS_IOD_SINGLE;
      descriptors[i].iod_size = i == 1 ? 1 : data[i]->size();
      descriptors[i].iod_nr = 1;
      descriptors[i].iod_recxs = i == 1 ? &range : nullptr;
      d_iov_set(&memory[i], data[i]->data(), data[i]->size());
      lists[i] = {1, 0, &memory[i]};
    }
  }
  void fill(const Pattern& pattern) {
    pattern.fill(0, value.data(), value.size());
    pattern.fill(1 << 16, array.data(), array.size());
    pattern.fill(1 << 17, large.data(), large.size());
  }
};

}  // namespace

Storage::~Storage() {
  for (dfs_obj_t* file : files_)
    if (file) dfs_release(file);
  if (directory_) dfs_release(directory_);
  if (entries_open_) daos_obj_close(entries_, nullptr);
  if (key_values_open_) daos_kv_close(key_values_, nullptr);
  if (dfs_) dfs_umount(dfs_);
  if (container_open_) daos_cont_close(container_, nullptr);
  if (pool_open_) daos_pool_disconnect(pool_, nullptr);
  if (initialised_) daos_fini();
}

int Storage::open_dfs(const Plan& plan) {
  step_ = "dfs_mount";
  if (const int failed = dfs_mount(pool_, container_, O_RDWR, &dfs_)) return -failed;
  const std::string name = "writer-" + std::to_string(plan.seed);
  step_ = "directory " + name;
  int failed = dfs_mkdir(dfs_, nullptr, name.c_str(), 0755, 0);
  if (failed && failed != EEXIST) return -failed;
  failed = dfs_lookup_rel(dfs_, nullptr, name.c_str(), O_RDWR, &directory_, nullptr, nullptr);
  if (failed) return -failed;
  for (uint32_t i = 0; i < plan.files; ++i) {
    const std::string file = "file-" + std::to_string(i);
    step_ = "file " + file;
    dfs_obj_t* opened = nullptr;
    failed = dfs_open(dfs_, directory_, file.c_str(), S_IFREG | 0644, O_RDWR | O_CREAT, 0,
                      plan.chunk_bytes, nullptr, &opened);
    if (failed) return -failed;
    files_.push_back(opened);
  }
  return 0;
}

int Storage::open(const std::string& pool, const std::string& container, const Plan& plan) {
  plan_ = plan;
  step_ = "daos_init";
  if (const int failed = daos_init()) return failed;
  initialised_ = true;
  step_ = "pool " + pool;
  if (const int failed =
          daos_pool_connect(pool.c_str(), nullptr, DAOS_PC_RW, &pool_, nullptr, nullptr))
    return failed;
  pool_open_ = true;
  step_ = "container " + container;
  if (const int failed =
          daos_cont_open(pool_, container.c_str(), DAOS_COO_RW, &container_, nullptr, nullptr))
    return failed;
  container_open_ = true;
  if (plan.files > 0 || plan.names > 0)
    if (const int failed = open_dfs(plan)) return failed;
  step_ = "object of entries";
  daos_obj_id_t oid{plan.seed, 0x5eed0001};
  int failed = daos_obj_generate_oid(container_, &oid, DAOS_OT_MULTI_HASHED, OC_SX, 0, 0);
  if (!failed) failed = daos_obj_open(container_, oid, DAOS_OO_RW, &entries_, nullptr);
  if (failed) return failed;
  entries_open_ = true;
  step_ = "key-value object";
  oid = {plan.seed, 0x5eed0002};
  failed = daos_obj_generate_oid(container_, &oid, DAOS_OT_KV_HASHED, OC_SX, 0, 0);
  if (!failed) failed = daos_kv_open(container_, oid, DAOS_OO_RW, &key_values_, nullptr);
  if (failed) return failed;
  key_values_open_ = true;
  return 0;
}

int Storage::write_file(const Record& record) {
  std::vector<uint8_t> data(record.length);
  Pattern{plan_.seed, item_id(record.kind, record.item), record.generation}.fill(
      record.offset, data.data(), data.size());
  // Two pieces of memory, cut somewhere: scatter-gather belongs to the interface.
  const size_t cut = record.generation % 3 == 0 ? data.size() / 3 : 0;
  d_iov_t memory[2];
  d_iov_set(&memory[0], data.data(), cut ? cut : data.size());
  d_iov_set(&memory[1], data.data() + cut, data.size() - cut);
  d_sg_list_t list{cut ? 2u : 1u, 0, memory};
  return -dfs_write(dfs_, files_[record.item], &list, record.offset, nullptr);
}

int Storage::read_file(uint32_t item, uint64_t offset, uint64_t length,
                       std::vector<uint8_t>& found) {
  found.assign(length, 0xEE);
  uint64_t done = 0;
  while (done < length) {
    Piece piece(found.data() + done, std::min<uint64_t>(length - done, 3u << 20));
    daos_size_t got = 0;
    if (const int failed = dfs_read(dfs_, files_[item], &piece.list, offset + done, &got, nullptr))
      return -failed;
    if (got == 0) break;
    done += got;
  }
  found.resize(done);
  return 0;
}

int Storage::file_size(uint32_t item, uint64_t& size) {
  daos_size_t found = 0;
  const int failed = dfs_get_size(dfs_, files_[item], &found);
  size = found;
  return -failed;
}

int Storage::write_entry(const Record& record) {
  const std::string name = "entry-" + std::to_string(record.item);
  daos_key_t dkey;
  d_iov_set(&dkey, const_cast<char*>(name.data()), name.size());
  if (record.length == 0) return daos_obj_punch_dkeys(entries_, DAOS_TX_NONE, 0, 1, &dkey, nullptr);
  EntryParts parts(entry_sizes(record.generation));
  parts.fill({plan_.seed, item_id(record.kind, record.item), record.generation});
  return daos_obj_update(entries_, DAOS_TX_NONE, 0, &dkey, 3, parts.descriptors, parts.lists,
                         nullptr);
}

int Storage::write_key_value(const Record& record) {
  const std::string name = "key-" + std::to_string(record.item);
  if (record.length == 0)
    return daos_kv_remove(key_values_, DAOS_TX_NONE, 0, name.c_str(), nullptr);
  std::vector<uint8_t> data(record.length);
  Pattern{plan_.seed, item_id(record.kind, record.item), record.generation}.fill(0, data.data(),
                                                                                 data.size());
  return daos_kv_put(key_values_, DAOS_TX_NONE, 0, name.c_str(), data.size(), data.data(), nullptr);
}

int Storage::write_name(const Record& record, uint64_t old_place) {
  const std::string from = name_of(record.item, old_place),
                    to = name_of(record.item, record.offset);
  if (record.offset == 0) return -dfs_remove(dfs_, directory_, from.c_str(), false, nullptr);
  if (old_place != 0)
    return -dfs_move(dfs_, directory_, from.c_str(), directory_, to.c_str(), nullptr);
  dfs_obj_t* made = nullptr;
  const mode_t type = record.item % 4 == 0   ? S_IFDIR | 0755
                      : record.item % 4 == 1 ? S_IFLNK | 0777
                                             : S_IFREG | 0640;
  if (S_ISDIR(type)) return -dfs_mkdir(dfs_, directory_, to.c_str(), 0755, 0);
  const int failed = dfs_open(dfs_, directory_, to.c_str(), type, O_RDWR | O_CREAT | O_EXCL, 0, 0,
                              S_ISLNK(type) ? "to/somewhere" : nullptr, &made);
  if (made) dfs_release(made);
  return -failed;
}

int Storage::matches_entry(const Record& record, std::string& why) {
  const std::string name = "entry-" + std::to_string(record.item);
  daos_key_t dkey;
  d_iov_set(&dkey, const_cast<char*>(name.data()), name.size());
  const bool there = record.length != 0;
  EntrySizes sizes = there ? entry_sizes(record.generation) : EntrySizes{1, 2048, 1};
  EntryParts wanted(sizes), found(EntrySizes{200, 2048, 65000});
  for (daos_iod_t& descriptor : found.descriptors)
    if (descriptor.iod_type == DAOS_IOD_SINGLE) descriptor.iod_size = DAOS_REC_ANY;
  if (const int failed = daos_obj_fetch(entries_, DAOS_TX_NONE, 0, &dkey, 3, found.descriptors,
                                        found.lists, nullptr, nullptr))
    return failed;
  const daos_size_t sizes_found[3] = {found.descriptors[0].iod_size, found.descriptors[1].iod_size,
                                      found.descriptors[2].iod_size};
  if (!there) {
    if (sizes_found[0] == 0 && sizes_found[1] == 0 && sizes_found[2] == 0) return 1;
    why = "must be gone, has sizes " + std::to_string(sizes_found[0]) + ", " +
          std::to_string(sizes_found[1]) + ", " + std::to_string(sizes_found[2]);
    return 0;
  }
  wanted.fill({plan_.seed, item_id(record.kind, record.item), record.generation});
  const bool value = sizes_found[0] == sizes.value &&
                     std::memcmp(found.value.data(), wanted.value.data(), sizes.value) == 0;
  const bool array =
      sizes_found[1] == 1 && std::memcmp(found.array.data(), wanted.array.data(), sizes.array) == 0;
  const bool large = sizes_found[2] == sizes.large &&
                     std::memcmp(found.large.data(), wanted.large.data(), sizes.large) == 0;
  why = std::string("generation ") + std::to_string(record.generation) + ": value " +
        (value ? "right" : "wrong") + ", array " + (array ? "right" : "wrong") + ", large value " +
        (large ? "right" : "wrong") + "; sizes found " + std::to_string(sizes_found[0]) + ", " +
        std::to_string(sizes_found[1]) + ", " + std::to_string(sizes_found[2]);
  return value && array && large;
}

int Storage::matches_key_value(const Record& record, std::string& why) {
  const std::string name = "key-" + std::to_string(record.item);
  std::vector<uint8_t> found(128 << 10), wanted(record.length);
  daos_size_t size = found.size();
  const int failed =
      daos_kv_get(key_values_, DAOS_TX_NONE, 0, name.c_str(), &size, found.data(), nullptr);
  if (failed == -DER_NONEXIST)
    size = 0;
  else if (failed)
    return failed;
  Pattern{plan_.seed, item_id(record.kind, record.item), record.generation}.fill(0, wanted.data(),
                                                                                 wanted.size());
  why = "generation " + std::to_string(record.generation) + ": must have " +
        std::to_string(wanted.size()) + " bytes, has " + std::to_string(size);
  return size == wanted.size() && std::memcmp(found.data(), wanted.data(), size) == 0;
}

int Storage::matches_name(const Record& record, std::string& why) {
  why.clear();
  bool good = true;
  for (uint64_t place : {1, 2}) {
    struct stat stat {};
    const int failed = dfs_stat(dfs_, directory_, name_of(record.item, place).c_str(), &stat);
    if (failed && failed != ENOENT) return -failed;
    const bool there = failed == 0;
    good = good && there == (record.offset == place);
    why += name_of(record.item, place) + (there ? " is there; " : " is not there; ");
  }
  why += "must be at place " + std::to_string(record.offset);
  // A move is two updates until there are transactions: cut off between them, it leaves both names.
  if (!good && record.offset != 0 && why.find("not there") == std::string::npos) return kBothNames;
  return good;
}

int Storage::matches(const Record& record, std::string& why) {
  if (record.kind == ItemKind::kEntry) return matches_entry(record, why);
  if (record.kind == ItemKind::kKeyValue) return matches_key_value(record, why);
  return matches_name(record, why);
}

}  // namespace varve::process
