// Between the C API's descriptions of keys, buffers and anchors and the client's.
#pragma once

#include <string>
#include <vector>

#include "daos_obj.h"
#include "daos_prop.h"
#include "libdaos/handles.h"

namespace varve::libdaos {

inline int code(Code value) { return -static_cast<int>(value); }

inline ByteView view_of(const d_iov_t& iov) {
  return {static_cast<const std::byte*>(iov.iov_buf), iov.iov_len};
}
inline bool good_key(const daos_key_t* key) {
  return key && key->iov_buf && key->iov_len > 0 &&
         (key->iov_buf_len == 0 || key->iov_len <= key->iov_buf_len);
}

// The pieces of a scatter list, without an allocation where there is one piece.
template <class View>
class Pieces {
 public:
  Pieces() = default;
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;
  void add(View view) {
    if (view.empty()) return;
    if (count_++ == 0)
      one_ = view;
    else {
      if (many_.empty()) many_.push_back(one_);
      many_.push_back(view);
    }
  }
  std::span<const View> span() const {
    return count_ <= 1 ? std::span<const View>(&one_, count_) : std::span<const View>(many_);
  }

 private:
  View one_;
  std::vector<View> many_;
  size_t count_ = 0;
};

// The first `limit` bytes of what the list holds (iov_len of each); false if it has a null buffer
// or less.
bool add_data(const d_sg_list_t* list, uint64_t limit, Pieces<ByteView>& pieces);
// The room in the list (iov_buf_len of each); false if it has a null buffer.
bool add_room(d_sg_list_t* list, Pieces<MutableByteView>& pieces);
// Says in the list how many bytes were filled.
void set_filled(d_sg_list_t* list, uint64_t bytes);
uint64_t room_of(const d_sg_list_t* list);
// Copies to byte `offset` of the room.
void copy_into(d_sg_list_t* list, uint64_t offset, ByteView bytes);

// An anchor of the C API holds one of the client's in 104 bytes. `end_shard` (0: all) bounds a part
// of a listing that daos_obj_anchor_split made.
client::Session::Anchor read_anchor(const daos_anchor_t& anchor);
void write_anchor(const client::Session::Anchor& from, daos_anchor_t& anchor);

// Transactions: the epoch that reads of it see; kEpochMax for DAOS_TX_NONE. kNoHandle.
Result<Epoch> read_epoch(daos_handle_t transaction);
// 0, or why nothing can be written in it.
Result<void> check_writable(daos_handle_t transaction);

std::string uuid_or_label(const char* name);

// Properties, between the two forms: access control lists are text there. Entries whose value is
// some other structure are left out. kInvalid for a list that is none, a text that is null.
Result<std::vector<pool::Property>> read_properties(const daos_prop_t* properties);
// Fills in the entries that are asked for, or makes all of them where the list is empty.
int write_properties(const std::vector<pool::Property>& from, daos_prop_t* properties);

// User attributes: one implementation for pools and containers.
using AttributeCall = std::function<Task<Result<std::vector<pool::Attribute>>>(
    client::Session&, pool::AttributeVerb, std::vector<pool::Attribute>)>;
int list_attributes(AttributeCall call, char* buffer, size_t* size, daos_event_t* event);
int get_attributes(AttributeCall call, int n, const char* const names[], void* const buffers[],
                   size_t sizes[], daos_event_t* event);
int set_attributes(AttributeCall call, int n, const char* const names[], const void* const values[],
                   const size_t sizes[], daos_event_t* event);
int delete_attributes(AttributeCall call, int n, const char* const names[], daos_event_t* event);

}  // namespace varve::libdaos
