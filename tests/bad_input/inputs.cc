#include "inputs.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace varve::bad_input {
namespace {

void need(long result, const char* what) {
  if (result == 0) return;
  std::fprintf(stderr, "bad_input: %s: %ld\n", what, result);
  _exit(98);
}

constexpr const char* kConsuming[] = {"close", "disconnect", "destroy", "umount", "release",
                                      "_fini", "remove",     "abort",   "evict",  "commit"};

}  // namespace

Inputs::Inputs(const char* pool, const char* function, uint64_t seed, char* note, size_t note_bytes)
    : pool_name_(pool), function_(function), random_(seed), note_(note), note_bytes_(note_bytes) {
  char name[] = "/tmp/varve-bad-input-XXXXXX";
  need(mkdtemp(name) == nullptr, "mkdtemp");
  folder_ = name;
  for (const char* part : kConsuming) consumes_ |= is(part);
  need(daos_init(), "daos_init");
  need(dfs_init(), "dfs_init");
  open_all();
}

void Inputs::open_all() {
  need(daos_pool_connect(pool_name_.c_str(), nullptr, DAOS_PC_RW, &pool_, nullptr, nullptr),
       "connect");
  const std::string label = "own" + std::to_string(getpid());
  const int made = daos_cont_create_with_label(pool_, label.c_str(), nullptr, nullptr, nullptr);
  need(made == -DER_EXIST ? 0 : made, "create");
  need(daos_cont_open(pool_, label.c_str(), DAOS_COO_RW, &container_, nullptr, nullptr), "open");
  need(daos_eq_create(&queue_), "eq_create");
  const std::string files = "files" + std::to_string(getpid());
  need(dfs_connect(pool_name_.c_str(), nullptr, files.c_str(), O_RDWR | O_CREAT, nullptr, &dfs_),
       "dfs_connect");
  need(dfs_sys_connect(pool_name_.c_str(), nullptr, files.c_str(), O_RDWR | O_CREAT, 0, nullptr,
                       &dfs_sys_),
       "dfs_sys_connect");
  need(dfs_open(dfs_, nullptr, "file", 0100644, O_RDWR | O_CREAT, 0, 0, nullptr, &file_),
       "dfs_open");
  object_ = open_object();
  daos_obj_id_t oid{2, 0};
  need(daos_obj_generate_oid(container_, &oid, DAOS_OT_KV_HASHED, OC_S1, 0, 0), "oid");
  need(daos_kv_open(container_, oid, DAOS_OO_RW, &kv_, nullptr), "kv_open");
  need(daos_kv_put(kv_, DAOS_TX_NONE, 0, "key", 5, "value", nullptr), "kv_put");
  need(daos_kv_open(container_, oid, DAOS_OO_RW, &closed_, nullptr), "kv_open");
  need(daos_kv_close(closed_, nullptr), "kv_close");
  oid = {3, 0};
  need(daos_array_generate_oid(container_, &oid, true, OC_S1, 0, 0), "oid");
  const int array = daos_array_create(container_, oid, DAOS_TX_NONE, 1, 64, &array_, nullptr);
  daos_size_t cell = 0, chunk = 0;
  need(array == -DER_EXIST ? daos_array_open(container_, oid, DAOS_TX_NONE, DAOS_OO_RW, &cell,
                                             &chunk, &array_, nullptr)
                           : array,
       "array_create");
  daos_epoch_t epoch = 0;
  need(daos_cont_create_snap(container_, &epoch, nullptr, nullptr), "snapshot");
  need(daos_tx_open_snap(container_, epoch, &snapshot_, nullptr), "open_snap");
  static_cast<void>(daos_oit_open(container_, epoch, &oit_, nullptr));
  need(daos_event_init(&running_, queue_, nullptr), "event_init");
  need(daos_kv_put(kv_, DAOS_TX_NONE, 0, "running", 5, "value", &running_), "kv_put");
  need(daos_event_init(&ended_, queue_, nullptr), "event_init");
  need(daos_event_fini(&ended_), "event_fini");
  global_.iov_buf = malloc(4096);
  global_.iov_buf_len = 4096;
  need(is("pool")      ? daos_pool_local2global(pool_, &global_)
       : is("array")   ? daos_array_local2global(array_, &global_)
       : is("dfs_obj") ? dfs_obj_local2global(dfs_, file_, &global_)
       : is("dfs_")    ? dfs_local2global(dfs_, &global_)
                       : daos_cont_local2global(container_, &global_),
       "local2global");
}

daos_handle_t Inputs::open_object() {
  daos_obj_id_t oid{1, 0};
  daos_handle_t handle{};
  need(daos_obj_generate_oid(container_, &oid, DAOS_OT_MULTI_HASHED, OC_S1, 0, 0), "oid");
  need(daos_obj_open(container_, oid, DAOS_OO_RW, &handle, nullptr), "obj_open");
  return handle;
}

void* Inputs::block(size_t bytes, int fill) {
  blocks_.push_back(std::make_unique<char[]>(bytes));
  std::memset(blocks_.back().get(), fill, bytes);
  return blocks_.back().get();
}

char* Inputs::text(const std::string& from) {
  char* made = array<char>(from.size() + 1);
  std::memcpy(made, from.c_str(), from.size());
  return made;
}

void Inputs::random_bytes(void* to, size_t bytes) {
  auto* at = static_cast<unsigned char*>(to);
  for (size_t i = 0; i < bytes; ++i) at[i] = static_cast<unsigned char>(random_());
}

char* Inputs::name() {
  switch (pick(11)) {
    case 0:
      return text("");
    case 1:
      return text("a/b/c");
    case 2:
      return text(std::string(300, 'n'));
    case 3:
      return text(std::string(100'000, 'n'));
    case 4:
      return text("..");
    case 5:
      return text("\xff\xfe\x01 \n");
    case 6:
      return text(pool_name_);
    case 7:
      return text("/" + std::string(70, '/') + "file");
    case 8:
      return text("key");
    case 9:
      return text(folder_ + "/none");
    default:
      return text("file");
  }
}

uint64_t Inputs::size() {
  return one_of<uint64_t>({0, 1, 8, 4096, 1ull << 63, (1ull << 63) - 1, ~0ull, ~0ull - 7});
}

d_iov_t Inputs::iov() {
  d_iov_t made{};
  switch (pick(6)) {
    case 0:
      break;
    case 1:
      made = {nullptr, 8, 8};
      break;
    case 2:
      made = {block(64), 64, 1ull << 63};
      break;
    case 3:
      made = {block(64), 1ull << 63, 1ull << 63};
      break;
    case 4:
      made = {block(64), 64, 0};
      break;
    default:
      made = {block(64, 'v'), 64, 64};
      break;
  }
  return made;
}

d_sg_list_t Inputs::sgl() {
  d_sg_list_t made{};
  made.sg_nr = static_cast<uint32_t>(pick(3));
  if (pick(4) == 0) return made;
  made.sg_iovs = array<d_iov_t>(2);
  for (int i = 0; i < 2; ++i) made.sg_iovs[i] = iov();
  return made;
}

void Inputs::say(const std::string& argument) { said_ += (said_.empty() ? "" : ", ") + argument; }

daos_handle_t Inputs::good_handle(const std::string& parameter) {
  if (parameter == "poh") {
    if (!consumes_) return pool_;
    daos_handle_t fresh{};
    need(daos_pool_connect(pool_name_.c_str(), nullptr, DAOS_PC_RW, &fresh, nullptr, nullptr),
         "connect");
    return fresh;
  }
  if (parameter == "coh") {
    if (!is("close")) return container_;
    daos_handle_t fresh{};
    const std::string label = "own" + std::to_string(getpid());
    need(daos_cont_open(pool_, label.c_str(), DAOS_COO_RW, &fresh, nullptr, nullptr), "open");
    return fresh;
  }
  if (parameter == "eqh") {
    if (!consumes_) return queue_;
    daos_handle_t fresh{};
    need(daos_eq_create(&fresh), "eq_create");
    return fresh;
  }
  if (parameter == "th") return pick(3) == 0 && !consumes_ ? snapshot_ : DAOS_TX_NONE;
  if (is("oit")) return oit_;
  if (is("array") || is("kv")) {
    if (!is("close")) return is("array") ? array_ : kv_;
    daos_obj_id_t oid{2, 0};
    daos_handle_t fresh{};
    need(daos_obj_generate_oid(container_, &oid, DAOS_OT_KV_HASHED, OC_S1, 0, 0), "oid");
    need(daos_kv_open(container_, oid, DAOS_OO_RW, &fresh, nullptr), "kv_open");
    return fresh;
  }
  return is("close") ? open_object() : object_;
}

daos_handle_t Inputs::handle(const std::string& parameter) {
  switch (pick(9)) {
    case 0:
      return say("null"), daos_handle_t{};
    case 1:
      return say("closed"), closed_;
    case 2:
      return say("invented"), daos_handle_t{random_()};
    case 3:
      return say("all ones"), daos_handle_t{~0ull};
    case 4:
      return say("foreign"), consumes_ ? daos_handle_t{}
                                       : one_of({pool_, container_, queue_, kv_, array_, object_});
    default:
      return say("good"), good_handle(parameter);
  }
}

daos_event_t* Inputs::event() {
  switch (pick(8)) {
    case 0: {
      if (is("event_init")) break;
      event_ = array<daos_event_t>(1);
      need(daos_event_init(event_, pick(4) ? queue_ : DAOS_HDL_INVAL, nullptr), "event_init");
      return say("event"), event_;
    }
    case 1:
      return say("zeroed event"), array<daos_event_t>(1);
    case 2:
      return say("event of all ones"), array<daos_event_t>(1, 0xff);
    case 3:
      return is("event_init") ? nullptr : (say("used event"), &running_);
    case 4:
      return is("event_init") ? nullptr : (say("ended event"), &ended_);
    default:
      break;
  }
  return say("no event"), nullptr;
}

dfs_t* Inputs::dfs() {
  if (pick(4) == 0) return say("no dfs"), nullptr;
  say("dfs");
  if (!is("umount") && !is("dfs_disconnect")) return dfs_;
  dfs_t* fresh = nullptr;
  const std::string files = "files" + std::to_string(getpid());
  need(dfs_connect(pool_name_.c_str(), nullptr, files.c_str(), O_RDWR, nullptr, &fresh),
       "dfs_connect");
  return fresh;
}

dfs_obj_t* Inputs::file() {
  if (pick(3) == 0) return say("no object"), nullptr;
  say("file");
  if (!is("release") && !is("dfs_sys_close")) return file_;
  dfs_obj_t* fresh = nullptr;
  need(dfs_dup(dfs_, file_, O_RDWR, &fresh), "dfs_dup");
  return fresh;
}

dfs_sys_t* Inputs::dfs_sys() {
  if (pick(4) == 0) return say("no dfs_sys"), nullptr;
  say("dfs_sys");
  if (!is("umount") && !is("disconnect")) return dfs_sys_;
  dfs_sys_t* fresh = nullptr;
  const std::string files = "files" + std::to_string(getpid());
  need(dfs_sys_connect(pool_name_.c_str(), nullptr, files.c_str(), O_RDWR, 0, nullptr, &fresh),
       "dfs_sys_connect");
  return fresh;
}

void Inputs::begin() {
  std::snprintf(note_, note_bytes_, "call %d: %s(%s)", calls_, function_.c_str(), said_.c_str());
  alarm(10);
}

void Inputs::check() {
  alarm(0);
  if (!has_result_) return;
  const bool of_files = is("dfs_") || is("duns_") || is("ds3_");
  const bool good = result_ == 0 || (result_ < -1000 && result_ > -3000) ||
                    (result_ > 0 && result_ < 128 * 1024) ||
                    (of_files && result_ < 0 && result_ > -3000);
  if (good) return;
  std::fprintf(stderr, "bad_input: %s: the result %ld is none\n", note_, result_);
  ++wrong_;
}

void Inputs::run(const Function& function) {
  said_.clear();
  has_result_ = false;
  event_ = nullptr;
  ++calls_;
  function.call(*this);
  check();
  // What was launched ends before its memory goes.
  if (event_) {
    bool done = false;
    alarm(60);
    daos_event_test(event_, DAOS_EQ_WAIT, &done);
    daos_event_fini(event_);
    alarm(0);
  }
  bool done = false;
  daos_event_test(&running_, DAOS_EQ_WAIT, &done);
  blocks_.clear();
}

}  // namespace varve::bad_input
