// Arguments for calls that should not be made. Each choice is one of a few values for its type,
// good ones among them, so that a call gets past its first checks.
#pragma once

#include <daos.h>
#include <daos_fs.h>
#include <daos_fs_sys.h>
#include <daos_mgmt.h>
#include <daos_pipeline.h>
#include <daos_s3.h>
#include <daos_security.h>
#include <daos_uns.h>
#include <dirent.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

namespace varve::bad_input {

class Inputs;
struct Function {
  const char* name;
  void (*call)(Inputs&);
};
const std::vector<Function>& functions();

// What a call of the function may be given, in one process that has a connection of its own.
class Inputs {
 public:
  // `note` is seen by the parent: what is called right now.
  Inputs(const char* pool, const char* function, uint64_t seed, char* note, size_t note_bytes);
  Inputs(const Inputs&) = delete;

  // One call: chooses, calls, checks.
  void run(const Function& function);
  // How many results were none that a function may have.
  int wrong() const { return wrong_; }

  uint64_t pick(uint64_t count) { return random_() % count; }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[pick(values.size())];
  }
  // Memory of this call.
  void* block(size_t bytes, int fill = 0);
  template <class T>
  T* array(size_t count, int fill = 0) {
    return static_cast<T*>(block(count * sizeof(T), fill));
  }
  template <class T>
  T* keep(const T& value) {
    T* made = array<T>(1);
    *made = value;
    return made;
  }
  char* text(const std::string& from);
  void random_bytes(void* to, size_t bytes);
  // Names: good, empty, long, with slashes.
  char* name();
  uint64_t size();
  d_iov_t iov();
  d_sg_list_t sgl();
  bool is(const char* part) const { return function_.find(part) != function_.npos; }
  // A handle by the name of its parameter.
  daos_handle_t handle(const std::string& parameter);
  daos_event_t* event();
  dfs_t* dfs();
  dfs_obj_t* file();
  dfs_sys_t* dfs_sys();
  const std::string& folder() const { return folder_; }
  d_iov_t global() const { return global_; }
  void say(const std::string& argument);

  // Around the call itself.
  void begin();
  void end() {}
  void end(bool) {}
  void end(const void*) {}
  template <class T>
    requires std::is_integral_v<T>
  void end(T result) {
    result_ = static_cast<long>(result);
    has_result_ = true;
  }

 private:
  daos_handle_t good_handle(const std::string& parameter);
  daos_handle_t open_object();
  void open_all();
  void check();

  const std::string pool_name_, function_;
  std::mt19937_64 random_;
  char* note_;
  size_t note_bytes_;
  std::string said_, folder_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  bool consumes_ = false;
  long result_ = 0;
  bool has_result_ = false;
  int wrong_ = 0, calls_ = 0;
  daos_handle_t pool_{}, container_{}, queue_{}, kv_{}, array_{}, object_{}, closed_{}, snapshot_{},
      oit_{};
  daos_event_t* event_ = nullptr;
  daos_event_t running_{}, ended_{};
  dfs_t* dfs_ = nullptr;
  dfs_obj_t* file_ = nullptr;
  dfs_sys_t* dfs_sys_ = nullptr;
  d_iov_t global_{};
};

template <class T, class = void>
constexpr bool kIsOpaque = !std::is_void_v<T>;
template <class T>
constexpr bool kIsOpaque<T, std::void_t<decltype(sizeof(T))>> = false;

// Numbers, enums, structures that only receive: null or zeroed memory. Others are specialised in
// structs.cc and below.
template <class T>
T choose(Inputs& in, const char* parameter) {
  if constexpr (std::is_enum_v<T>) {
    return static_cast<T>(in.one_of<unsigned>({0, 1, 2, 3, 99, 0x7fffffff}));
  } else if constexpr (std::is_same_v<T, bool>) {
    return in.pick(2) != 0;
  } else if constexpr (std::is_integral_v<T>) {
    const std::string name = parameter;
    // Of arrays that are there: no more than there are.
    if (name == "n" || name == "nr" || name == "num_aces" || name == "ace_nr" ||
        name == "nr_gids" || name == "entries_nr" || name == "nevents" || name == "nr_iods")
      return static_cast<T>(in.one_of<int64_t>({0, 1, 2, std::is_signed_v<T> ? -1 : 1}));
    if (name == "timeout") return static_cast<T>(in.one_of<int64_t>({0, 1000, -5, INT64_MIN}));
    if (name == "mode")
      return static_cast<T>(in.one_of<int64_t>({0, 1, 2, 4, 0100644, 0040755, 0120777, -1}));
    if (name == "args" || name.find("size") != name.npos || name == "len" || name == "off" ||
        name == "offset")
      return static_cast<T>(in.size());
    return static_cast<T>(in.one_of<uint64_t>({0, 1, 2, 4, 6, 99, 1ull << 31, ~0ull, 1ull << 63}));
  } else {
    static_assert(std::is_pointer_v<T>, "a type of parameter without a choice: add one");
    using Target = std::remove_const_t<std::remove_pointer_t<T>>;
    if (in.pick(4) == 0) return nullptr;
    if constexpr (kIsOpaque<Target>)
      return nullptr;  // of libraries that make them
    else if constexpr (std::is_void_v<Target>)
      return in.block(4096, in.pick(2) ? 0x41 : 0);
    else
      return in.array<Target>(64);
  }
}

struct UuidArgument {
  unsigned char bytes[16];
  operator unsigned char*() { return bytes; }
};
using uuid_argument = UuidArgument;

#define VARVE_CHOICES(X)                                                                           \
  X(daos_handle_t)                                                                                 \
  X(daos_event_t*) X(dfs_t*) X(dfs_obj_t*) X(dfs_sys_t*) X(const char*) X(char*) X(d_iov_t)        \
      X(d_iov_t*) X(d_sg_list_t*) X(daos_anchor_t*) X(daos_prop_t*) X(daos_prop_entry*)            \
          X(daos_acl*) X(daos_acl**) X(daos_ace*) X(daos_ace**) X(daos_iod_t*)                     \
              X(daos_array_iod_t*) X(daos_obj_id_t) X(daos_obj_id_t*) X(daos_size_t*) X(uint32_t*) \
                  X(uuid_argument) X(DIR*) X(dfs_iod_t*) X(daos_event_comp_cb_t)                   \
                      X(dfs_filler_cb_t) X(dfs_predicate_t) X(FILE*) X(daos_epoch_range_t)         \
                          X(const char* const*) X(const char**) X(const void* const*)              \
                              X(void* const*) X(daos_pool_cont_filter_t*)                          \
                                  X(daos_pool_cont_filter_part_t*) X(dfs_attr_t*) X(duns_attr_t*)  \
                                      X(d_rank_list_t*) X(daos_iom_t*) X(daos_oclass_list*)        \
                                          X(daos_sys_info*) X(daos_event_t**) X(char**)            \
                                              X(struct dirent*) X(daos_key_desc_t*)                \
                                                  X(daos_recx_t*)
#define VARVE_DECLARE_CHOICE(type) \
  template <>                      \
  type choose<type>(Inputs & in, const char* parameter);
VARVE_CHOICES(VARVE_DECLARE_CHOICE)
template <>
daos_oit_filter_cb* choose<daos_oit_filter_cb*>(Inputs& in, const char* parameter);

}  // namespace varve::bad_input
