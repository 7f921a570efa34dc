// Pools, containers, objects, key-values and arrays through the C interface.
#include <cstring>
#include <map>
#include <set>
#include <thread>

#include "fixture.h"

namespace varve::c_api {

std::unique_ptr<Server> CApi::server_;

namespace {

TEST_F(CApi, HandlesThatAreNone) {
  const daos_handle_t garbage{0x1234567890abcdefULL};
  daos_pool_info_t info{};
  daos_handle_t out{};
  EXPECT_EQ(daos_pool_query(garbage, nullptr, &info, nullptr, nullptr), -DER_NO_HDL);
  EXPECT_EQ(daos_pool_query(DAOS_HDL_INVAL, nullptr, &info, nullptr, nullptr), -DER_NO_HDL);
  EXPECT_EQ(daos_pool_query(container_, nullptr, &info, nullptr, nullptr), -DER_NO_HDL);
  EXPECT_EQ(daos_cont_open(container_, "box", DAOS_COO_RW, &out, nullptr, nullptr), -DER_NO_HDL);
  EXPECT_EQ(daos_obj_open(pool_, {1, 0}, DAOS_OO_RW, &out, nullptr), -DER_NO_HDL);
  daos_handle_t object = open();
  SingleValue value("d", "a", "v");
  EXPECT_EQ(value.update(object), 0);
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
  EXPECT_EQ(daos_obj_close(object, nullptr), -DER_NO_HDL);
  EXPECT_EQ(value.update(object), -DER_NO_HDL);
  daos_handle_t again = open();  // in the place of the closed one
  EXPECT_EQ(value.update(object), -DER_NO_HDL);
  EXPECT_EQ(value.update(again), 0);
  EXPECT_EQ(daos_obj_close(again, nullptr), 0);
  EXPECT_EQ(daos_pool_connect("nowhere", nullptr, DAOS_PC_RW, &out, nullptr, nullptr),
            -DER_NONEXIST);
  EXPECT_EQ(daos_pool_connect(nullptr, nullptr, DAOS_PC_RW, &out, nullptr, nullptr), -DER_INVAL);
  EXPECT_EQ(daos_pool_connect(kPool, nullptr, 77, &out, nullptr, nullptr), -DER_INVAL);
}

TEST_F(CApi, PoolsAndContainers) {
  daos_pool_info_t info{};
  d_rank_list_t* ranks = nullptr;
  ASSERT_EQ(daos_pool_query(pool_, &ranks, &info, nullptr, nullptr), 0);
  EXPECT_EQ(info.pi_ntargets, 2u);
  EXPECT_GT(info.pi_space.ps_space.s_total[DAOS_MEDIA_SCM], 0u);
  ASSERT_NE(ranks, nullptr);
  EXPECT_EQ(ranks->rl_nr, 1u);
  free(ranks->rl_ranks);
  free(ranks);

  EXPECT_EQ(daos_cont_create_with_label(pool_, label_.c_str(), nullptr, nullptr, nullptr),
            -DER_EXIST);
  EXPECT_EQ(daos_cont_create_with_label(pool_, "no/label", nullptr, nullptr, nullptr), -DER_INVAL);
  daos_size_t count = 0;
  ASSERT_EQ(daos_pool_list_cont(pool_, &count, nullptr, nullptr), 0);
  std::vector<daos_pool_cont_info> found(count);
  ASSERT_EQ(daos_pool_list_cont(pool_, &count, found.data(), nullptr), 0);
  std::set<std::string> labels;
  for (const daos_pool_cont_info& one : found) labels.insert(one.pci_label);
  EXPECT_TRUE(labels.count(label_));

  daos_cont_info_t cont_info{};
  daos_prop_t* properties = daos_prop_alloc(0);
  ASSERT_EQ(daos_cont_query(container_, &cont_info, properties, nullptr), 0);
  daos_prop_entry* entry = daos_prop_entry_get(properties, DAOS_PROP_CO_LABEL);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->dpe_str, label_);
  daos_prop_free(properties);
  daos_handle_t out{};
  EXPECT_EQ(daos_cont_open(pool_, "no such box", DAOS_COO_RW, &out, nullptr, nullptr),
            -DER_NONEXIST);
  EXPECT_EQ(daos_cont_open(pool_, label_.c_str(), 0, &out, nullptr, nullptr), -DER_INVAL);
}

TEST_F(CApi, ReadOnlyHandles) {
  daos_handle_t reader{};
  ASSERT_EQ(daos_cont_open(pool_, label_.c_str(), DAOS_COO_RO, &reader, nullptr, nullptr), 0);
  daos_obj_id_t oid{5, 0};
  ASSERT_EQ(daos_obj_generate_oid(reader, &oid, DAOS_OT_MULTI_HASHED, OC_S1, 0, 0), 0);
  daos_handle_t object{};
  EXPECT_EQ(daos_obj_open(reader, oid, DAOS_OO_RW, &object, nullptr), -DER_NO_PERM);
  ASSERT_EQ(daos_obj_open(reader, oid, DAOS_OO_RO, &object, nullptr), 0);
  SingleValue value("d", "a", "v");
  EXPECT_EQ(value.update(object), -DER_NO_PERM);
  EXPECT_EQ(value.fetch(object), 0);
  EXPECT_EQ(value.iod.iod_size, 0u);
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
  EXPECT_EQ(daos_cont_close(reader, nullptr), 0);
}

TEST_F(CApi, Attributes) {
  const char* names[] = {"colour", "size"};
  const char* values[] = {"green", "\x01\x02\x00\x03"};
  const size_t sizes[] = {6, 4};
  ASSERT_EQ(daos_cont_set_attr(container_, 2, names, reinterpret_cast<const void* const*>(values),
                               sizes, nullptr),
            0);
  char colour[20], size[2];
  void* buffers[] = {colour, size};
  size_t rooms[] = {sizeof colour, sizeof size};
  ASSERT_EQ(daos_cont_get_attr(container_, 2, names, buffers, rooms, nullptr), 0);
  EXPECT_STREQ(colour, "green");
  EXPECT_EQ(rooms[1], 4u);
  EXPECT_EQ(std::memcmp(size, values[1], 2), 0);
  char list[100];
  size_t bytes = sizeof list;
  ASSERT_EQ(daos_cont_list_attr(container_, list, &bytes, nullptr), 0);
  EXPECT_EQ(bytes, 12u);
  ASSERT_EQ(daos_cont_del_attr(container_, 1, names, nullptr), 0);
  rooms[0] = sizeof colour;
  EXPECT_EQ(daos_cont_get_attr(container_, 1, names, buffers, rooms, nullptr), -DER_NONEXIST);
  EXPECT_EQ(daos_pool_set_attr(pool_, 1, names, reinterpret_cast<const void* const*>(values), sizes,
                               nullptr),
            0);
  rooms[0] = sizeof colour;
  EXPECT_EQ(daos_pool_get_attr(pool_, 1, names, buffers, rooms, nullptr), 0);
}

TEST_F(CApi, SingleValues) {
  const daos_handle_t object = open();
  SingleValue value("d", "a", std::string(1000, 'x'));
  ASSERT_EQ(value.update(object), 0);
  std::fill(value.data.begin(), value.data.end(), '?');
  ASSERT_EQ(value.fetch(object), 0);
  EXPECT_EQ(value.data, std::string(1000, 'x'));
  EXPECT_EQ(value.iod.iod_size, 1000u);
  EXPECT_EQ(value.sgl.sg_nr_out, 1u);
  // Its size alone; a room too small.
  EXPECT_EQ(daos_obj_fetch(object, DAOS_TX_NONE, 0, &value.dkey, 1, &value.iod, nullptr, nullptr,
                           nullptr),
            0);
  EXPECT_EQ(value.iod.iod_size, 1000u);
  value.iov.iov_buf_len = value.iov.iov_len = 999;
  EXPECT_EQ(value.fetch(object), -DER_REC2BIG);
  EXPECT_EQ(value.iod.iod_size, 1000u);
  // Conditions.
  SingleValue second("d", "b", "12345678901234567890");
  EXPECT_EQ(second.update(object, nullptr, DAOS_COND_AKEY_UPDATE), -DER_NONEXIST);
  EXPECT_EQ(second.update(object, nullptr, DAOS_COND_AKEY_INSERT), 0);
  EXPECT_EQ(second.update(object, nullptr, DAOS_COND_AKEY_INSERT), -DER_EXIST);
  EXPECT_EQ(second.update(object, nullptr, DAOS_COND_DKEY_INSERT), -DER_EXIST);
  SingleValue missing("e", "b", "1");
  EXPECT_EQ(missing.fetch(object, nullptr, DAOS_COND_DKEY_FETCH), -DER_NONEXIST);
  EXPECT_EQ(missing.fetch(object), 0);
  EXPECT_EQ(missing.iod.iod_size, 0u);
  // Punch.
  EXPECT_EQ(
      daos_obj_punch_akeys(object, DAOS_TX_NONE, 0, &value.dkey, 1, &value.iod.iod_name, nullptr),
      0);
  EXPECT_EQ(value.fetch(object), 0);
  EXPECT_EQ(value.iod.iod_size, 0u);
  EXPECT_EQ(daos_obj_punch_dkeys(object, DAOS_TX_NONE, DAOS_COND_PUNCH, 1, &value.dkey, nullptr),
            0);
  EXPECT_EQ(daos_obj_punch_dkeys(object, DAOS_TX_NONE, DAOS_COND_PUNCH, 1, &value.dkey, nullptr),
            -DER_NONEXIST);
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
}

TEST_F(CApi, BadDescriptors) {
  const daos_handle_t object = open();
  SingleValue value("d", "a", "v");
  EXPECT_EQ(daos_obj_update(object, DAOS_TX_NONE, 0, nullptr, 1, &value.iod, &value.sgl, nullptr),
            -DER_INVAL);
  EXPECT_EQ(
      daos_obj_update(object, DAOS_TX_NONE, 0, &value.dkey, 0, &value.iod, &value.sgl, nullptr),
      -DER_INVAL);
  value.iod.iod_size = 5;  // more than the buffer holds
  EXPECT_EQ(value.update(object), -DER_IO_INVAL);
  value.iod.iod_type = DAOS_IOD_NONE;
  EXPECT_EQ(value.update(object), -DER_INVAL);
  SingleValue long_key(std::string(5000, 'k'), "a", "v");
  EXPECT_EQ(long_key.update(object), -DER_KEY2BIG);
  daos_obj_id_t oid{1, 0};
  EXPECT_EQ(daos_obj_generate_oid(container_, &oid, static_cast<daos_otype_t>(15), OC_S1, 0, 0),
            -DER_INVAL);
  EXPECT_LT(daos_obj_generate_oid(container_, &oid, DAOS_OT_MULTI_HASHED, OC_RP_3G1, 0, 0), 0);
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
}

TEST_F(CApi, SeveralAkeysAndArrays) {
  const daos_handle_t object = open(DAOS_OT_MULTI_HASHED, OC_SX);
  std::string dkey_text = "dkey", single_name = "s", array_name = "a";
  std::string single = "one value", array(3000 * 4, 'A');
  daos_key_t dkey = iov_of(dkey_text);
  daos_recx_t ranges[2] = {{10, 1000}, {5000, 2000}};
  daos_iod_t iods[2] = {};
  iods[0] = {iov_of(single_name), DAOS_IOD_SINGLE, single.size(), 0, 1, nullptr};
  iods[1] = {iov_of(array_name), DAOS_IOD_ARRAY, 4, 0, 2, ranges};
  d_iov_t single_iov = iov_of(single);
  d_iov_t array_iovs[2];
  d_iov_set(&array_iovs[0], array.data(), 5000);
  d_iov_set(&array_iovs[1], array.data() + 5000, array.size() - 5000);
  d_sg_list_t sgls[2] = {{1, 0, &single_iov}, {2, 0, array_iovs}};
  ASSERT_EQ(daos_obj_update(object, DAOS_TX_NONE, 0, &dkey, 2, iods, sgls, nullptr), 0);

  // From before the data to behind it: holes stay as they were.
  daos_recx_t all = {0, 8000};
  std::string room(8000 * 4, '.');
  d_iov_t room_iov = iov_of(room);
  d_sg_list_t room_list = {1, 0, &room_iov};
  daos_recx_t map_ranges[4];
  daos_iom_t map = {};
  map.iom_nr = 4;
  map.iom_recxs = map_ranges;
  map.iom_flags = DAOS_IOMF_DETAIL;
  iods[1].iod_nr = 1;
  iods[1].iod_recxs = &all;
  iods[1].iod_size = DAOS_REC_ANY;
  ASSERT_EQ(daos_obj_fetch(object, DAOS_TX_NONE, 0, &dkey, 1, &iods[1], &room_list, &map, nullptr),
            0);
  EXPECT_EQ(iods[1].iod_size, 4u);
  EXPECT_EQ(room.substr(40, 4000), std::string(4000, 'A'));
  EXPECT_EQ(room.substr(20000, 8000), std::string(8000, 'A'));
  EXPECT_EQ(room.substr(28000), std::string(4000, '.'));
  ASSERT_EQ(map.iom_nr_out, 2u);
  EXPECT_EQ(map_ranges[0].rx_idx, 10u);
  EXPECT_EQ(map_ranges[0].rx_nr, 1000u);
  EXPECT_EQ(map_ranges[1].rx_idx, 5000u);
  EXPECT_EQ(map_ranges[1].rx_nr, 2000u);

  // Another record size is refused; an extent is punched by size 0.
  iods[1].iod_size = 8;
  daos_recx_t one = {0, 2};
  iods[1].iod_recxs = &one;
  EXPECT_EQ(daos_obj_update(object, DAOS_TX_NONE, 0, &dkey, 1, &iods[1], &sgls[1], nullptr),
            -DER_REC_SIZE);

  daos_recx_t recx = {};
  ASSERT_EQ(daos_obj_query_key(object, DAOS_TX_NONE, DAOS_GET_MAX | DAOS_GET_RECX, &dkey,
                               &iods[1].iod_name, &recx, nullptr),
            0);
  EXPECT_EQ(recx.rx_idx + recx.rx_nr, 7000u);
  daos_recx_t listed[8];
  uint32_t count = 8;
  daos_size_t size = 0;
  daos_anchor_t anchor = DAOS_ANCHOR_INIT;
  ASSERT_EQ(daos_obj_list_recx(object, DAOS_TX_NONE, &dkey, &iods[1].iod_name, &size, &count,
                               listed, nullptr, &anchor, true, nullptr),
            0);
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(size, 4u);
  EXPECT_TRUE(daos_anchor_is_eof(&anchor));
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
}

TEST_F(CApi, ListingsOverAllGroups) {
  const daos_handle_t object = open(DAOS_OT_MULTI_HASHED, OC_SX);
  std::set<std::string> names;
  for (int i = 0; i < 500; ++i) {
    names.insert("dkey number " + std::to_string(i));
    SingleValue value("dkey number " + std::to_string(i), "akey", "v");
    ASSERT_EQ(value.update(object), 0);
  }
  for (const size_t room : {64u, 1000u, 100000u}) {
    std::multiset<std::string> found;
    std::string buffer(room, '\0');
    d_iov_t iov = iov_of(buffer);
    d_sg_list_t sgl = {1, 0, &iov};
    daos_anchor_t anchor = DAOS_ANCHOR_INIT;
    while (!daos_anchor_is_eof(&anchor)) {
      daos_key_desc_t descriptors[100];
      uint32_t count = 100;
      ASSERT_EQ(
          daos_obj_list_dkey(object, DAOS_TX_NONE, &count, descriptors, &sgl, &anchor, nullptr), 0);
      size_t at = 0;
      for (uint32_t i = 0; i < count; at += descriptors[i++].kd_key_len)
        found.insert(buffer.substr(at, descriptors[i].kd_key_len));
      ASSERT_LE(at, room);
    }
    EXPECT_EQ(found.size(), names.size());
    EXPECT_EQ(std::set<std::string>(found.begin(), found.end()), names);
  }
  // In parts.
  daos_anchor_t parts[2];
  uint32_t nr = 2;
  ASSERT_EQ(daos_obj_anchor_split(object, &nr, parts), 0);
  ASSERT_EQ(nr, 2u);
  std::multiset<std::string> found;
  for (daos_anchor_t& anchor : parts) {
    std::string buffer(10000, '\0');
    d_iov_t iov = iov_of(buffer);
    d_sg_list_t sgl = {1, 0, &iov};
    while (!daos_anchor_is_eof(&anchor)) {
      daos_key_desc_t descriptors[100];
      uint32_t count = 100;
      ASSERT_EQ(
          daos_obj_list_dkey(object, DAOS_TX_NONE, &count, descriptors, &sgl, &anchor, nullptr), 0);
      size_t at = 0;
      for (uint32_t i = 0; i < count; at += descriptors[i++].kd_key_len)
        found.insert(buffer.substr(at, descriptors[i].kd_key_len));
    }
  }
  EXPECT_EQ(std::vector<std::string>(found.begin(), found.end()),
            std::vector<std::string>(names.begin(), names.end()));
  // A key that no buffer of that size holds.
  SingleValue value(std::string(300, 'k'), "akey", "v");
  const daos_handle_t other = open(DAOS_OT_MULTI_HASHED, OC_S1, 2);
  ASSERT_EQ(value.update(other), 0);
  std::string buffer(100, '\0');
  d_iov_t iov = iov_of(buffer);
  d_sg_list_t sgl = {1, 0, &iov};
  daos_anchor_t anchor = DAOS_ANCHOR_INIT;
  daos_key_desc_t descriptor;
  uint32_t count = 1;
  EXPECT_EQ(daos_obj_list_dkey(other, DAOS_TX_NONE, &count, &descriptor, &sgl, &anchor, nullptr),
            -DER_KEY2BIG);
  EXPECT_EQ(descriptor.kd_key_len, 300u);
  EXPECT_EQ(daos_obj_close(other, nullptr), 0);
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
}

TEST_F(CApi, Snapshots) {
  const daos_handle_t object = open();
  SingleValue value("d", "a", "before");
  ASSERT_EQ(value.update(object), 0);
  daos_epoch_t epoch = 0;
  char name[] = "monday";
  ASSERT_EQ(daos_cont_create_snap(container_, &epoch, name, nullptr), 0);
  value.data = "later!";
  value.iov = iov_of(value.data);
  value.iod.iod_size = value.data.size();
  ASSERT_EQ(value.update(object), 0);
  daos_handle_t snapshot{};
  ASSERT_EQ(daos_tx_open_snap(container_, epoch, &snapshot, nullptr), 0);
  ASSERT_EQ(value.fetch(object, nullptr, 0, snapshot), 0);
  EXPECT_EQ(value.data, "before");
  EXPECT_EQ(daos_obj_update(object, snapshot, 0, &value.dkey, 1, &value.iod, &value.sgl, nullptr),
            -DER_NO_PERM);
  ASSERT_EQ(value.fetch(object), 0);
  EXPECT_EQ(value.data, "later!");
  int count = 4;
  daos_epoch_t epochs[4];
  char text[DAOS_SNAPSHOT_MAX_LEN];
  char* names[4] = {text, nullptr, nullptr, nullptr};
  daos_anchor_t anchor = DAOS_ANCHOR_INIT;
  ASSERT_EQ(daos_cont_list_snap(container_, &count, epochs, names, &anchor, nullptr), 0);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(epochs[0], epoch);
  EXPECT_STREQ(text, "monday");
  EXPECT_EQ(daos_tx_close(snapshot, nullptr), 0);
  EXPECT_EQ(daos_cont_destroy_snap(container_, {epoch, epoch}, nullptr), 0);
  daos_handle_t transaction{};
  EXPECT_EQ(daos_tx_open(container_, &transaction, 0, nullptr), -DER_NOSYS);
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
}

TEST_F(CApi, KeyValues) {
  daos_obj_id_t oid{7, 0};
  ASSERT_EQ(daos_obj_generate_oid(container_, &oid, DAOS_OT_KV_HASHED, OC_SX, 0, 0), 0);
  daos_handle_t store{};
  ASSERT_EQ(daos_kv_open(container_, oid, DAOS_OO_RW, &store, nullptr), 0);
  std::map<std::string, std::string> model;
  for (int i = 0; i < 300; ++i) {
    const std::string key = "key" + std::to_string(i * 37 % 97),
                      value(static_cast<size_t>(i * 13 % 5000 + 1), 'a');
    if (i % 7 == 3) {
      ASSERT_EQ(daos_kv_remove(store, DAOS_TX_NONE, 0, key.c_str(), nullptr), 0);
      model.erase(key);
    } else {
      ASSERT_EQ(
          daos_kv_put(store, DAOS_TX_NONE, 0, key.c_str(), value.size(), value.data(), nullptr), 0);
      model[key] = value;
    }
  }
  for (int i = 0; i < 97; ++i) {
    const std::string key = "key" + std::to_string(i);
    std::string room(6000, '\0');
    daos_size_t size = room.size();
    ASSERT_EQ(daos_kv_get(store, DAOS_TX_NONE, 0, key.c_str(), &size, room.data(), nullptr), 0);
    EXPECT_EQ(size, model.count(key) ? model[key].size() : 0) << key;
    if (model.count(key)) EXPECT_EQ(room.substr(0, size), model[key]);
  }
  daos_size_t size = 1;
  char byte;
  EXPECT_EQ(daos_kv_get(store, DAOS_TX_NONE, DAOS_COND_KEY_GET, "missing", &size, &byte, nullptr),
            -DER_NONEXIST);
  EXPECT_EQ(daos_kv_remove(store, DAOS_TX_NONE, DAOS_COND_KEY_REMOVE, "missing", nullptr),
            -DER_NONEXIST);
  ASSERT_EQ(daos_kv_put(store, DAOS_TX_NONE, DAOS_COND_KEY_INSERT, "new", 1, "n", nullptr), 0);
  EXPECT_EQ(daos_kv_put(store, DAOS_TX_NONE, DAOS_COND_KEY_INSERT, "new", 1, "n", nullptr),
            -DER_EXIST);
  EXPECT_EQ(daos_kv_destroy(store, DAOS_TX_NONE, nullptr), 0);
  size = 0;
  EXPECT_EQ(daos_kv_get(store, DAOS_TX_NONE, 0, "new", &size, nullptr, nullptr), 0);
  EXPECT_EQ(size, 0u);
  EXPECT_EQ(daos_kv_close(store, nullptr), 0);
  daos_obj_id_t plain{8, 0};
  ASSERT_EQ(daos_obj_generate_oid(container_, &plain, DAOS_OT_MULTI_HASHED, OC_S1, 0, 0), 0);
  EXPECT_EQ(daos_kv_open(container_, plain, DAOS_OO_RW, &store, nullptr), -DER_INVAL);
}

class Array : public CApi {
 protected:
  void SetUp() override {
    CApi::SetUp();
    daos_obj_id_t oid{9, 0};
    ASSERT_EQ(daos_array_generate_oid(container_, &oid, true, OC_SX, 0, 0), 0);
    ASSERT_EQ(daos_array_create(container_, oid, DAOS_TX_NONE, kCell, kChunk, &array_, nullptr), 0);
    EXPECT_EQ(daos_array_create(container_, oid, DAOS_TX_NONE, kCell, kChunk, &array_, nullptr),
              -DER_EXIST);
    daos_size_t cell = 0, chunk = 0;
    daos_handle_t again{};
    ASSERT_EQ(
        daos_array_open(container_, oid, DAOS_TX_NONE, DAOS_OO_RW, &cell, &chunk, &again, nullptr),
        0);
    EXPECT_EQ(cell, kCell);
    EXPECT_EQ(chunk, kChunk);
    EXPECT_EQ(daos_array_close(again, nullptr), 0);
  }
  void TearDown() override {
    EXPECT_EQ(daos_array_close(array_, nullptr), 0);
    CApi::TearDown();
  }
  int io(bool write, uint64_t index, std::string& data, daos_array_iod_t* out = nullptr) {
    daos_range_t range = {index, data.size() / kCell};
    daos_array_iod_t iod = {1, &range, 0, 0};
    d_iov_t iov = iov_of(data);
    d_sg_list_t sgl = {1, 0, &iov};
    const int result = write ? daos_array_write(array_, DAOS_TX_NONE, &iod, &sgl, nullptr)
                             : daos_array_read(array_, DAOS_TX_NONE, &iod, &sgl, nullptr);
    if (out) *out = iod;
    return result;
  }
  static constexpr daos_size_t kCell = 4, kChunk = 100;
  daos_handle_t array_{};
};

TEST_F(Array, AgainstAModel) {
  std::string model;
  uint64_t seed = 1;
  const auto random = [&](uint64_t below) {
    return (seed = seed * 6364136223846793005ULL + 1442695040888963407ULL) % below;
  };
  for (int step = 0; step < 300; ++step) {
    const uint64_t index = random(1000) >> random(3), length = random(400) + 1;
    switch (random(8)) {
      case 0: {
        const uint64_t size = random(1200);
        ASSERT_EQ(daos_array_set_size(array_, DAOS_TX_NONE, size, nullptr), 0);
        model.resize(size * kCell, '\0');
        break;
      }
      case 1: {
        // A hole in the middle reads as zeros; the end may move forward when what was last is gone.
        if (model.size() / kCell < 10) break;
        const uint64_t cells = model.size() / kCell, first = random(cells - 5),
                       count = random(cells - first - 2) + 1;
        daos_range_t range = {first, count};
        daos_array_iod_t iod = {1, &range, 0, 0};
        ASSERT_EQ(daos_array_punch(array_, DAOS_TX_NONE, &iod, nullptr), 0);
        std::fill_n(model.begin() + static_cast<long>(first * kCell), count * kCell, '\0');
        break;
      }
      default: {
        std::string data(length * kCell, static_cast<char>('a' + random(26)));
        ASSERT_EQ(io(true, index, data), 0);
        if (model.size() < (index + length) * kCell) model.resize((index + length) * kCell, '\0');
        model.replace(index * kCell, data.size(), data);
      }
    }
    daos_size_t size = 0;
    ASSERT_EQ(daos_array_get_size(array_, DAOS_TX_NONE, &size, nullptr), 0);
    ASSERT_EQ(size, model.size() / kCell) << step;
    std::string room(length * kCell, '?');
    daos_array_iod_t iod;
    ASSERT_EQ(io(false, index, room, &iod), 0);
    const uint64_t there = index >= size ? 0 : std::min(length, size - index);
    EXPECT_EQ(iod.arr_nr_read, there);
    EXPECT_EQ(iod.arr_nr_short_read, length - there);
    if (there)
      ASSERT_EQ(room.substr(0, there * kCell), model.substr(index * kCell, there * kCell)) << step;
  }
}

TEST_F(CApi, GlobalHandles) {
  d_iov_t glob = {};
  ASSERT_EQ(daos_pool_local2global(pool_, &glob), 0);
  std::string pool_bytes(glob.iov_buf_len, '\0');
  glob = iov_of(pool_bytes);
  ASSERT_EQ(daos_pool_local2global(pool_, &glob), 0);
  daos_handle_t pool{}, container{};
  ASSERT_EQ(daos_pool_global2local(glob, &pool), 0);
  std::string container_bytes(200, '\0');
  d_iov_t container_glob = iov_of(container_bytes);
  ASSERT_EQ(daos_cont_local2global(container_, &container_glob), 0);
  ASSERT_EQ(daos_cont_global2local(pool, container_glob, &container), 0);
  daos_obj_id_t oid{1, 0};
  ASSERT_EQ(daos_obj_generate_oid(container, &oid, DAOS_OT_MULTI_HASHED, OC_S1, 0, 0), 0);
  daos_handle_t object{};
  ASSERT_EQ(daos_obj_open(container, oid, DAOS_OO_RW, &object, nullptr), 0);
  SingleValue value("d", "a", "v");
  EXPECT_EQ(value.update(object), 0);
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
  container_bytes[0] ^= 1;
  EXPECT_EQ(daos_cont_global2local(pool, container_glob, &container), -DER_INVAL);
}

TEST_F(CApi, ThreadsShareHandles) {
  const daos_handle_t object = open(DAOS_OT_MULTI_HASHED, OC_SX);
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number)
    threads.emplace_back([=] {
      for (int i = 0; i < 200; ++i) {
        SingleValue value("thread " + std::to_string(number), "a" + std::to_string(i),
                          std::string(100, 'x'));
        ASSERT_EQ(value.update(object), 0);
        value.data.assign(100, '?');
        ASSERT_EQ(value.fetch(object), 0);
        ASSERT_EQ(value.data, std::string(100, 'x'));
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
}

TEST_F(CApi, ExclusiveUse) {
  daos_handle_t second{}, object{}, other{};
  EXPECT_EQ(daos_pool_connect(kPool, nullptr, DAOS_PC_EX, &second, nullptr, nullptr), -DER_BUSY);
  EXPECT_EQ(daos_cont_open(pool_, label_.c_str(), DAOS_COO_EX, &second, nullptr, nullptr),
            -DER_BUSY);
  // Ours is evicted then, and says so within one round trip.
  SingleValue value("d", "a", "v");
  daos_handle_t held = open();
  ASSERT_EQ(value.update(held), 0);
  ASSERT_EQ(daos_cont_open(pool_, label_.c_str(), DAOS_COO_EX | DAOS_COO_EVICT_ALL, &second,
                           nullptr, nullptr),
            0);
  EXPECT_EQ(value.update(held), -DER_NO_HDL);
  EXPECT_EQ(value.fetch(held), -DER_NO_HDL);
  EXPECT_EQ(daos_cont_open(pool_, label_.c_str(), DAOS_COO_RO, &other, nullptr, nullptr),
            -DER_BUSY);
  EXPECT_EQ(daos_obj_close(held, nullptr), 0);
  EXPECT_EQ(daos_cont_close(container_, nullptr), 0);
  container_ = second;
  daos_obj_id_t oid{1, 0};
  ASSERT_EQ(daos_obj_generate_oid(container_, &oid, DAOS_OT_MULTI_HASHED, OC_S1, 0, 0), 0);
  ASSERT_EQ(daos_obj_open(container_, oid, DAOS_OO_EXCL, &object, nullptr), 0);
  EXPECT_EQ(daos_obj_open(container_, oid, DAOS_OO_RW, &other, nullptr), -DER_BUSY);
  EXPECT_EQ(value.update(object), 0);
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
  EXPECT_EQ(daos_obj_open(container_, oid, DAOS_OO_RW | DAOS_OO_IO_SEQ, &other, nullptr), 0);
  EXPECT_EQ(daos_obj_open(container_, oid, DAOS_OO_EXCL, &object, nullptr), -DER_BUSY);
  EXPECT_EQ(daos_obj_close(other, nullptr), 0);
}

TEST_F(CApi, SevenHundredContainersAreListed) {
  constexpr int kCount = 700;
  for (int i = 0; i < kCount; ++i)
    ASSERT_EQ(daos_cont_create_with_label(pool_, ("many" + std::to_string(i)).c_str(), nullptr,
                                          nullptr, nullptr),
              0);
  daos_size_t count = 0;
  ASSERT_EQ(daos_pool_list_cont(pool_, &count, nullptr, nullptr), 0);
  EXPECT_EQ(count, static_cast<daos_size_t>(kCount) + 1);
  std::vector<daos_pool_cont_info> infos(count);
  ASSERT_EQ(daos_pool_list_cont(pool_, &count, infos.data(), nullptr), 0);
  for (int i = 0; i < kCount; ++i)
    ASSERT_EQ(daos_cont_destroy(pool_, ("many" + std::to_string(i)).c_str(), 0, nullptr), 0);
}

TEST_F(CApi, AThousandAttributes) {
  constexpr int kCount = 1000;
  std::string value(1000, '\0');
  for (int i = 0; i < kCount; ++i) {
    const std::string name = "name" + std::to_string(i) + std::string(80, 'n');
    const char* names[] = {name.c_str()};
    const void* values[] = {value.data()};
    const size_t sizes[] = {value.size()};
    ASSERT_EQ(daos_cont_set_attr(container_, 1, names, values, sizes, nullptr), 0);
  }
  std::string listed(200'000, '\0');
  size_t size = listed.size();
  ASSERT_EQ(daos_cont_list_attr(container_, listed.data(), &size, nullptr), 0);
  EXPECT_EQ(std::count(listed.begin(), listed.begin() + static_cast<ptrdiff_t>(size), '\0'),
            kCount);
  // Two values that do not fit one message.
  std::string large[2] = {std::string(40'000, 'a'), std::string(40'000, 'b')};
  const char* names[] = {"first", "second"};
  const size_t sizes[] = {large[0].size(), large[1].size()};
  const void* values[] = {large[0].data(), large[1].data()};
  const std::string gone = "name5" + std::string(80, 'n'), other = "name6" + std::string(80, 'n');
  const char* unwanted[] = {gone.c_str(), other.c_str()};
  ASSERT_EQ(daos_cont_del_attr(container_, 2, unwanted, nullptr), 0);
  ASSERT_EQ(daos_cont_set_attr(container_, 2, names, values, sizes, nullptr), 0);
  std::string got[2] = {std::string(40'000, '-'), std::string(40'000, '-')};
  void* into[] = {got[0].data(), got[1].data()};
  size_t rooms[] = {got[0].size(), got[1].size()};
  ASSERT_EQ(daos_cont_get_attr(container_, 2, names, into, rooms, nullptr), 0);
  EXPECT_EQ(got[0], large[0]);
  EXPECT_EQ(got[1], large[1]);
}

TEST_F(CApi, TheLargestSingleValue) {
  daos_handle_t object = open();
  SingleValue large("d", "a", std::string(64 << 20, 'x'));
  ASSERT_EQ(large.update(object), 0);
  std::fill(large.data.begin(), large.data.end(), '-');
  ASSERT_EQ(large.fetch(object), 0);
  EXPECT_EQ(large.iod.iod_size, large.data.size());
  EXPECT_EQ(large.data.find_first_not_of('x'), std::string::npos);
  SingleValue larger("d", "a", std::string((64 << 20) + 1, 'x'));
  EXPECT_EQ(larger.update(object), -DER_REC2BIG);
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
}

}  // namespace
}  // namespace varve::c_api

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
