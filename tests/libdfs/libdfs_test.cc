// Files, directories and their attributes through libdfs.so.
#include <daos_fs_sys.h>
#include <errno.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <varve/dfs_extensions.h>

#include <cstring>
#include <set>
#include <thread>

#include "fixture.h"

namespace varve::c_api {

std::unique_ptr<Server> CApi::server_;

namespace {

class LibDfs : public CApi {
 protected:
  void SetUp() override {
    ASSERT_EQ(daos_pool_connect(kPool, nullptr, DAOS_PC_RW, &pool_, nullptr, nullptr), 0);
    static int number = 0;
    label_ = "files" + std::to_string(++number);
    ASSERT_EQ(
        dfs_cont_create_with_label(pool_, label_.c_str(), nullptr, nullptr, &container_, &dfs_), 0);
  }
  void TearDown() override {
    EXPECT_EQ(dfs_umount(dfs_), 0);
    CApi::TearDown();
  }
  dfs_obj_t* create(const char* name, dfs_obj_t* parent = nullptr,
                    int flags = O_CREAT | O_EXCL | O_RDWR) {
    dfs_obj_t* file = nullptr;
    EXPECT_EQ(dfs_open(dfs_, parent, name, S_IFREG | 0644, flags, 0, 0, nullptr, &file), 0) << name;
    return file;
  }
  dfs_obj_t* lookup(const char* path, int flags = O_RDWR) {
    dfs_obj_t* found = nullptr;
    EXPECT_EQ(dfs_lookup(dfs_, path, flags, &found, nullptr, nullptr), 0) << path;
    return found;
  }
  int write(dfs_obj_t* file, uint64_t offset, std::string text, daos_event_t* event = nullptr) {
    d_iov_t iov = iov_of(text);
    d_sg_list_t list = {1, 0, &iov};
    return dfs_write(dfs_, file, &list, offset, event);
  }
  std::string read(dfs_obj_t* file, uint64_t offset, size_t length) {
    std::string text(length, '?');
    d_iov_t iov = iov_of(text);
    d_sg_list_t list = {1, 0, &iov};
    daos_size_t got = 0;
    EXPECT_EQ(dfs_read(dfs_, file, &list, offset, &got, nullptr), 0);
    text.resize(got);
    return text;
  }
  std::set<std::string> names(dfs_obj_t* directory, uint32_t page) {
    std::set<std::string> found;
    std::vector<struct dirent> entries(page);
    daos_anchor_t anchor = DAOS_ANCHOR_INIT;
    while (!daos_anchor_is_eof(&anchor)) {
      uint32_t number = page;
      EXPECT_EQ(dfs_readdir(dfs_, directory, &anchor, &number, entries.data()), 0);
      for (uint32_t i = 0; i < number; ++i) EXPECT_TRUE(found.insert(entries[i].d_name).second);
    }
    return found;
  }
  dfs_t* dfs_ = nullptr;
};

TEST_F(LibDfs, RefusesWhatIsNoArgument) {
  struct stat status;
  dfs_obj_t* object = nullptr;
  daos_size_t size = 0;
  EXPECT_EQ(dfs_mount(DAOS_HDL_INVAL, container_, O_RDWR, &dfs_), EINVAL);
  EXPECT_EQ(dfs_mount(pool_, container_, O_RDWR, nullptr), EINVAL);
  EXPECT_EQ(dfs_umount(nullptr), EINVAL);
  EXPECT_EQ(dfs_lookup(nullptr, "/", O_RDWR, &object, nullptr, nullptr), EINVAL);
  EXPECT_EQ(dfs_lookup(dfs_, nullptr, O_RDWR, &object, nullptr, nullptr), EINVAL);
  EXPECT_EQ(dfs_lookup(dfs_, "relative", O_RDWR, &object, nullptr, nullptr), EINVAL);
  EXPECT_EQ(dfs_lookup(dfs_, std::string(5000, '/').c_str(), O_RDWR, &object, nullptr, nullptr),
            ENAMETOOLONG);
  EXPECT_EQ(dfs_open(dfs_, nullptr, nullptr, S_IFREG, O_RDWR, 0, 0, nullptr, &object), EINVAL);
  EXPECT_EQ(dfs_open(dfs_, nullptr, "a/b", S_IFREG, O_RDWR | O_CREAT, 0, 0, nullptr, &object),
            EINVAL);
  EXPECT_EQ(dfs_open(dfs_, nullptr, std::string(256, 'x').c_str(), S_IFREG, O_RDWR | O_CREAT, 0, 0,
                     nullptr, &object),
            ENAMETOOLONG);
  EXPECT_EQ(
      dfs_open(dfs_, nullptr, "x", S_IFREG | 0600, O_RDWR | O_CREAT, 12345, 0, nullptr, &object),
      EINVAL);
  EXPECT_EQ(dfs_open(dfs_, nullptr, "x", S_IFREG | 0600, O_RDWR | O_CREAT, 0, 1ull << 40, nullptr,
                     &object),
            EINVAL);
  EXPECT_EQ(dfs_open(dfs_, nullptr, "x", S_IFIFO | 0600, O_RDWR | O_CREAT, 0, 0, nullptr, &object),
            ENOTSUP);
  EXPECT_EQ(dfs_stat(dfs_, nullptr, "none", &status), ENOENT);
  EXPECT_EQ(dfs_stat(dfs_, nullptr, "none", nullptr), EINVAL);
  EXPECT_EQ(dfs_get_size(dfs_, nullptr, &size), EINVAL);
  EXPECT_EQ(dfs_release(nullptr), EINVAL);
  dfs_obj_t* file = create("file");
  d_sg_list_t list = {1, 0, nullptr};
  EXPECT_EQ(dfs_write(dfs_, file, nullptr, 0, nullptr), EINVAL);
  EXPECT_EQ(dfs_write(dfs_, file, &list, 0, nullptr), EINVAL);
  EXPECT_EQ(dfs_read(dfs_, file, &list, 0, &size, nullptr), EINVAL);
  EXPECT_EQ(dfs_open(dfs_, file, "below", S_IFREG, O_RDWR | O_CREAT, 0, 0, nullptr, &object),
            ENOTDIR);
  EXPECT_EQ(dfs_pipeline_destroy(nullptr), EINVAL);
  EXPECT_EQ(dfs_release(file), 0);
}

TEST_F(LibDfs, WritesReadsAndStats) {
  dfs_obj_t* file = create("file");
  EXPECT_EQ(read(file, 0, 10), "");
  ASSERT_EQ(write(file, 0, "hello"), 0);
  ASSERT_EQ(write(file, (1 << 20) - 3, "across the chunks"), 0);
  EXPECT_EQ(read(file, 0, 5), "hello");
  EXPECT_EQ(read(file, 3, 4), std::string("lo\0\0", 4));
  EXPECT_EQ(read(file, (1 << 20) - 3, 100), "across the chunks");
  EXPECT_EQ(read(file, 5 << 20, 100), "");
  struct stat status;
  ASSERT_EQ(dfs_stat(dfs_, nullptr, "file", &status), 0);
  EXPECT_EQ(status.st_size, (1 << 20) - 3 + 17);
  EXPECT_EQ(status.st_mode, S_IFREG | 0644u);
  EXPECT_EQ(status.st_uid, geteuid());
  EXPECT_LT(std::abs(status.st_mtim.tv_sec - time(nullptr)), 60);
  status.st_mtim = {12345, 678};
  status.st_mode = S_IFREG | 0600;
  ASSERT_EQ(dfs_osetattr(dfs_, file, &status, DFS_SET_ATTR_MTIME | DFS_SET_ATTR_MODE), 0);
  ASSERT_EQ(dfs_ostat(dfs_, file, &status), 0);
  EXPECT_EQ(status.st_mtim.tv_sec, 12345);
  EXPECT_EQ(status.st_mtim.tv_nsec, 678);
  EXPECT_EQ(status.st_mode, S_IFREG | 0600u);
  ASSERT_EQ(dfs_punch(dfs_, file, 3, DFS_MAX_FSIZE), 0);
  EXPECT_EQ(read(file, 0, 100), "hel");
  daos_size_t size = 0;
  EXPECT_EQ(dfs_get_size(dfs_, file, &size), 0);
  EXPECT_EQ(size, 3u);
  daos_obj_id_t oid;
  ASSERT_EQ(dfs_obj2id(file, &oid), 0);
  EXPECT_EQ(dfs_get_size_by_oid(dfs_, oid, 0, &size), 0);
  EXPECT_EQ(size, 3u);
  dfs_obj_t* reader = nullptr;
  ASSERT_EQ(dfs_dup(dfs_, file, O_RDONLY, &reader), 0);
  EXPECT_EQ(write(reader, 0, "no"), EPERM);
  EXPECT_EQ(read(reader, 0, 100), "hel");
  EXPECT_EQ(dfs_release(reader), 0);
  EXPECT_EQ(dfs_release(file), 0);
}

TEST_F(LibDfs, LargeTransfersGoThroughWhole) {
  dfs_obj_t* file = create("large");
  std::string all(37 << 20, 0);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i * 2654435761u >> 13);
  ASSERT_EQ(write(file, 12345, all), 0);
  EXPECT_TRUE(read(file, 12345, all.size() + 5) == all);
  EXPECT_TRUE(read(file, 12345 + (3 << 20) + 17, 9 << 20) == all.substr((3 << 20) + 17, 9 << 20));
  EXPECT_EQ(dfs_release(file), 0);
}

TEST_F(LibDfs, RangesOfReadxAndWritex) {
  dfs_obj_t* file = create("file");
  std::string text = "abcdefghij";
  d_iov_t iovs[2] = {{text.data(), 4, 4}, {text.data() + 4, 6, 6}};
  d_sg_list_t list = {2, 0, iovs};
  daos_range_t ranges[3] = {{100, 5}, {3 << 20, 3}, {(1 << 20) - 1, 2}};
  dfs_iod_t iod = {3, ranges};
  ASSERT_EQ(dfs_writex(dfs_, file, &iod, &list, nullptr), 0);
  EXPECT_EQ(read(file, 100, 5), "abcde");
  EXPECT_EQ(read(file, 3 << 20, 50), "fgh");
  EXPECT_EQ(read(file, (1 << 20) - 1, 2), "ij");
  std::string back(10, '?');
  d_iov_t whole = iov_of(back);
  list = {1, 0, &whole};
  daos_size_t got = 0;
  ASSERT_EQ(dfs_readx(dfs_, file, &iod, &list, &got, nullptr), 0);
  EXPECT_EQ(got, 10u);
  EXPECT_EQ(back, text);
  EXPECT_EQ(dfs_release(file), 0);
}

TEST_F(LibDfs, EventsCompleteReadsAndWrites) {
  daos_handle_t queue;
  ASSERT_EQ(daos_eq_create(&queue), 0);
  dfs_obj_t* file = create("file");
  constexpr int kEvents = 24;
  std::vector<std::string> blocks(kEvents), back(kEvents, std::string(70000, '?'));
  std::vector<daos_event_t> events(kEvents);
  std::vector<daos_size_t> sizes(kEvents);
  const auto collect = [&] {
    for (int left = kEvents; left > 0;) {
      daos_event_t* done[kEvents];
      const int count = daos_eq_poll(queue, 1, 10'000'000, kEvents, done);
      ASSERT_GT(count, 0);
      for (int i = 0; i < count; ++i) {
        EXPECT_EQ(done[i]->ev_error, 0);
        EXPECT_EQ(daos_event_fini(done[i]), 0);
      }
      left -= count;
    }
  };
  for (int i = 0; i < kEvents; ++i) {
    blocks[i].assign(70000, static_cast<char>('A' + i));
    ASSERT_EQ(daos_event_init(&events[i], queue, nullptr), 0);
    d_iov_t iov = iov_of(blocks[i]);
    d_sg_list_t list = {1, 0, &iov};  // ours again as soon as the call returns
    ASSERT_EQ(dfs_write(dfs_, file, &list, 70000ull * i, &events[i]), 0);
  }
  collect();
  for (int i = 0; i < kEvents; ++i) {
    ASSERT_EQ(daos_event_init(&events[i], queue, nullptr), 0);
    d_iov_t iov = iov_of(back[i]);
    d_sg_list_t list = {1, 0, &iov};
    ASSERT_EQ(dfs_read(dfs_, file, &list, 70000ull * i, &sizes[i], &events[i]), 0);
  }
  collect();
  for (int i = 0; i < kEvents; ++i) {
    EXPECT_EQ(sizes[i], 70000u);
    EXPECT_TRUE(back[i] == blocks[i]) << i;
  }
  EXPECT_EQ(dfs_release(file), 0);
  EXPECT_EQ(daos_eq_destroy(queue, 0), 0);
}

TEST_F(LibDfs, DirectoriesAndNames) {
  ASSERT_EQ(dfs_mkdir(dfs_, nullptr, "dir", 0755, 0), 0);
  EXPECT_EQ(dfs_mkdir(dfs_, nullptr, "dir", 0755, 0), EEXIST);
  dfs_obj_t* dir = lookup("/dir");
  std::set<std::string> made;
  for (int i = 0; i < 300; ++i) {
    std::string name = "n" + std::to_string(i);
    if (i % 3 == 0) name += std::string(200, 'l');  // longer than an anchor
    made.insert(name);
    dfs_release(create(name.c_str(), dir));
  }
  EXPECT_EQ(names(dir, 7), made);
  EXPECT_EQ(names(dir, 5000), made);
  std::set<std::string> seen;
  daos_anchor_t anchor = DAOS_ANCHOR_INIT;
  while (!daos_anchor_is_eof(&anchor)) {
    uint32_t number = 50;
    ASSERT_EQ(dfs_iterate(
                  dfs_, dir, &anchor, &number, 1 << 16,
                  [](dfs_t*, dfs_obj_t*, const char* name, void* set) {
                    static_cast<std::set<std::string>*>(set)->insert(name);
                    return 0;
                  },
                  &seen),
              0);
  }
  EXPECT_EQ(seen, made);
  struct dirent entries[16];
  struct stat statuses[16];
  anchor = DAOS_ANCHOR_INIT;
  uint32_t number = 16;
  ASSERT_EQ(dfs_readdirplus(dfs_, dir, &anchor, &number, entries, statuses), 0);
  EXPECT_EQ(number, 16u);
  for (uint32_t i = 0; i < number; ++i) EXPECT_EQ(statuses[i].st_mode, S_IFREG | 0644u);
  EXPECT_EQ(dfs_remove(dfs_, nullptr, "dir", false, nullptr), ENOTEMPTY);
  ASSERT_EQ(dfs_move(dfs_, dir, "n1", nullptr, "moved", nullptr), 0);
  struct stat status;
  EXPECT_EQ(dfs_stat(dfs_, dir, "n1", &status), ENOENT);
  EXPECT_EQ(dfs_stat(dfs_, nullptr, "moved", &status), 0);
  EXPECT_EQ(dfs_move(dfs_, nullptr, "dir", dir, "itself", nullptr), EINVAL);
  EXPECT_EQ(dfs_exchange(dfs_, nullptr, "moved", dir, "n2"), 0);
  EXPECT_EQ(dfs_release(dir), 0);
  EXPECT_EQ(dfs_remove(dfs_, nullptr, "dir", true, nullptr), 0);
  EXPECT_EQ(dfs_stat(dfs_, nullptr, "dir", &status), ENOENT);
}

TEST_F(LibDfs, LinksAttributesAccess) {
  dfs_release(create("file"));
  dfs_obj_t* link = nullptr;
  ASSERT_EQ(dfs_open(dfs_, nullptr, "link", S_IFLNK | 0777, O_CREAT | O_EXCL, 0, 0, "file", &link),
            0);
  char target[100];
  daos_size_t size = sizeof target;
  ASSERT_EQ(dfs_get_symlink_value(link, target, &size), 0);
  EXPECT_STREQ(target, "file");
  EXPECT_EQ(size, 5u);
  dfs_release(link);
  mode_t mode = 0;
  ASSERT_EQ(dfs_lookup(dfs_, "/link", O_RDWR | O_NOFOLLOW, &link, &mode, nullptr), 0);
  EXPECT_TRUE(S_ISLNK(mode));
  dfs_release(link);
  dfs_obj_t* file = nullptr;
  struct stat status;
  ASSERT_EQ(dfs_lookup(dfs_, "/link", O_RDWR, &file, &mode, &status), 0);
  EXPECT_TRUE(S_ISREG(mode));
  ASSERT_EQ(dfs_chmod(dfs_, nullptr, "link", 0000), 0);
  ASSERT_EQ(dfs_stat(dfs_, nullptr, "file", &status), 0);
  EXPECT_EQ(status.st_mode, static_cast<mode_t>(S_IFREG));
  ASSERT_EQ(dfs_chown(dfs_, nullptr, "file", 12, static_cast<gid_t>(-1), 0), 0);
  ASSERT_EQ(dfs_stat(dfs_, nullptr, "file", &status), 0);
  EXPECT_EQ(status.st_uid, 12u);
  EXPECT_EQ(status.st_gid, getegid());
  EXPECT_EQ(dfs_access(dfs_, nullptr, "file", F_OK), 0);
  EXPECT_EQ(dfs_access(dfs_, nullptr, "file", X_OK), EACCES);
  ASSERT_EQ(dfs_setxattr(dfs_, file, "user.one", "value", 5, XATTR_CREATE), 0);
  EXPECT_EQ(dfs_setxattr(dfs_, file, "user.one", "value", 5, XATTR_CREATE), EEXIST);
  EXPECT_EQ(dfs_setxattr(dfs_, file, "user.two", "value", 5, XATTR_REPLACE), ENODATA);
  char value[3];
  size = 0;
  ASSERT_EQ(dfs_getxattr(dfs_, file, "user.one", nullptr, &size), 0);
  EXPECT_EQ(size, 5u);
  size = 3;
  EXPECT_EQ(dfs_getxattr(dfs_, file, "user.one", value, &size), ERANGE);
  char list[64];
  size = sizeof list;
  ASSERT_EQ(dfs_listxattr(dfs_, file, list, &size), 0);
  EXPECT_EQ(size, 9u);
  EXPECT_STREQ(list, "user.one");
  EXPECT_EQ(dfs_removexattr(dfs_, file, "user.one"), 0);
  EXPECT_EQ(dfs_removexattr(dfs_, file, "user.one"), ENODATA);
  EXPECT_EQ(dfs_release(file), 0);
}

TEST_F(LibDfs, DescribesMountsAndFilesForOthers) {
  ASSERT_EQ(dfs_mkdir(dfs_, nullptr, "dir", 0755, 0), 0);
  dfs_obj_t* dir = lookup("/dir");
  dfs_obj_t* file = create("file", dir);
  ASSERT_EQ(write(file, 0, "shared"), 0);
  char mount_bytes[256], file_bytes[512];
  d_iov_t mount = {nullptr, 0, 0}, object = {nullptr, 0, 0};
  ASSERT_EQ(dfs_local2global(dfs_, &mount), 0);
  ASSERT_LE(mount.iov_buf_len, sizeof mount_bytes);
  mount.iov_buf = mount_bytes;
  ASSERT_EQ(dfs_local2global(dfs_, &mount), 0);
  ASSERT_EQ(dfs_obj_local2global(dfs_, file, &object), 0);
  ASSERT_LE(object.iov_buf_len, sizeof file_bytes);
  object.iov_buf = file_bytes;
  ASSERT_EQ(dfs_obj_local2global(dfs_, file, &object), 0);
  dfs_t* other = nullptr;
  ASSERT_EQ(dfs_global2local(pool_, container_, O_RDWR, mount, &other), 0);
  dfs_obj_t* same = nullptr;
  ASSERT_EQ(dfs_obj_global2local(other, O_RDONLY, object, &same), 0);
  EXPECT_EQ(read(same, 0, 10), "shared");
  for (size_t cut = 0; cut < object.iov_len; ++cut) {
    dfs_obj_t* none = nullptr;
    d_iov_t shorter = {file_bytes, cut, cut};
    EXPECT_NE(dfs_obj_global2local(other, O_RDONLY, shorter, &none), 0);
  }
  EXPECT_EQ(dfs_release(same), 0);
  EXPECT_EQ(dfs_umount(other), 0);
  EXPECT_EQ(dfs_release(file), 0);
  EXPECT_EQ(dfs_release(dir), 0);
}

TEST_F(LibDfs, ConnectsMakesAndRefuses) {
  dfs_t* made = nullptr;
  EXPECT_EQ(dfs_connect(kPool, nullptr, "absent", O_RDWR, nullptr, &made), ENOENT);
  EXPECT_EQ(dfs_connect("no pool", nullptr, "absent", O_RDWR, nullptr, &made), ENOENT);
  dfs_attr_t attributes = {};
  attributes.da_chunk_size = 65536;
  attributes.da_file_oclass_id = OC_S1;
  ASSERT_EQ(dfs_connect(kPool, nullptr, "connected", O_RDWR | O_CREAT, &attributes, &made), 0);
  dfs_attr_t queried;
  ASSERT_EQ(dfs_query(made, &queried), 0);
  EXPECT_EQ(queried.da_chunk_size, 65536u);
  EXPECT_EQ(queried.da_file_oclass_id, static_cast<daos_oclass_id_t>(OC_S1));
  EXPECT_EQ(dfs_disconnect(made), 0);
  ASSERT_EQ(dfs_connect(kPool, nullptr, "connected", O_RDONLY, nullptr, &made), 0);
  dfs_obj_t* file = nullptr;
  EXPECT_EQ(dfs_open(made, nullptr, "file", S_IFREG | 0600, O_CREAT | O_RDWR, 0, 0, nullptr, &file),
            EROFS);
  EXPECT_EQ(dfs_mkdir(made, nullptr, "dir", 0700, 0), EROFS);
  EXPECT_EQ(dfs_disconnect(made), 0);
  EXPECT_EQ(dfs_destroy(kPool, nullptr, "connected", 0, nullptr), 0);
  // A container of another kind.
  ASSERT_EQ(daos_cont_create_with_label(pool_, "plain", nullptr, nullptr, nullptr), 0);
  EXPECT_EQ(dfs_connect(kPool, nullptr, "plain", O_RDWR, nullptr, &made), ENOENT);
  EXPECT_EQ(daos_cont_destroy(pool_, "plain", 1, nullptr), 0);
}

TEST_F(LibDfs, PathsOfDfsSys) {
  dfs_sys_t* sys = nullptr;
  ASSERT_EQ(dfs_sys_mount(pool_, container_, O_RDWR, 0, &sys), 0);
  ASSERT_EQ(dfs_sys_mkdir_p(sys, "/a/b//c/", 0755, 0), 0);
  ASSERT_EQ(dfs_sys_mkdir_p(sys, "/a/b/c", 0755, 0), 0);
  EXPECT_EQ(dfs_sys_mkdir(sys, "/a/b", 0755, 0), EEXIST);
  EXPECT_EQ(dfs_sys_mkdir(sys, "/none/b", 0755, 0), ENOENT);
  dfs_obj_t* file = nullptr;
  ASSERT_EQ(dfs_sys_open(sys, "/a/b/c/file", 0644, O_CREAT | O_RDWR, 0, 0, nullptr, &file), 0);
  daos_size_t size = 5;
  ASSERT_EQ(dfs_sys_write(sys, file, "hello", 0, &size, nullptr), 0);
  char back[16];
  size = sizeof back;
  ASSERT_EQ(dfs_sys_read(sys, file, back, 0, &size, nullptr), 0);
  EXPECT_EQ(std::string(back, size), "hello");
  EXPECT_EQ(dfs_sys_close(file), 0);
  ASSERT_EQ(dfs_sys_symlink(sys, "b/c", "/a/link"), 0);
  struct stat status;
  ASSERT_EQ(dfs_sys_stat(sys, "/a/link/file", 0, &status), 0);
  EXPECT_EQ(status.st_size, 5);
  ASSERT_EQ(dfs_sys_stat(sys, "/a/link", O_NOFOLLOW, &status), 0);
  EXPECT_TRUE(S_ISLNK(status.st_mode));
  const struct timespec times[2] = {{1, 2}, {3, 4}};
  ASSERT_EQ(dfs_sys_utimens(sys, "/a/b/c/file", times, 0), 0);
  ASSERT_EQ(dfs_sys_stat(sys, "/a/b/c/file", 0, &status), 0);
  EXPECT_EQ(status.st_atim.tv_sec, 1);
  EXPECT_EQ(status.st_mtim.tv_nsec, 4);
  DIR* directory = nullptr;
  ASSERT_EQ(dfs_sys_opendir(sys, "/a", 0, &directory), 0);
  std::set<std::string> seen;
  for (struct dirent* entry = nullptr;;) {
    ASSERT_EQ(dfs_sys_readdir(sys, directory, &entry), 0);
    if (!entry) break;
    seen.insert(entry->d_name);
  }
  EXPECT_EQ(seen, (std::set<std::string>{"b", "link"}));
  EXPECT_EQ(dfs_sys_closedir(directory), 0);
  EXPECT_EQ(dfs_sys_remove_type(sys, "/a/b/c/file", false, S_IFDIR, nullptr), ENOTDIR);
  EXPECT_EQ(dfs_sys_remove(sys, "/a/b", false, nullptr), ENOTEMPTY);
  EXPECT_EQ(dfs_sys_remove(sys, "/a", true, nullptr), 0);
  EXPECT_EQ(dfs_sys_stat(sys, "/a", 0, &status), ENOENT);
  EXPECT_EQ(dfs_sys_umount(sys), 0);
}

TEST_F(LibDfs, SnapshotsMountReadOnly) {
  dfs_obj_t* file = create("file");
  ASSERT_EQ(write(file, 0, "before"), 0);
  daos_epoch_t epoch = 0;
  char name[] = "snap";
  ASSERT_EQ(daos_cont_create_snap(container_, &epoch, name, nullptr), 0);
  ASSERT_EQ(write(file, 0, "after!"), 0);
  dfs_release(create("later"));
  dfs_t* old = nullptr;
  ASSERT_EQ(dfs_mount_snap(pool_, container_, O_RDONLY, 0, "snap", &old), 0);
  std::swap(old, dfs_);
  struct stat status;
  EXPECT_EQ(dfs_stat(dfs_, nullptr, "later", &status), ENOENT);
  dfs_obj_t* then = lookup("/file", O_RDONLY);
  EXPECT_EQ(read(then, 0, 10), "before");
  EXPECT_EQ(dfs_mkdir(dfs_, nullptr, "dir", 0700, 0), EROFS);
  dfs_release(then);
  std::swap(old, dfs_);
  EXPECT_EQ(dfs_umount(old), 0);
  EXPECT_EQ(read(file, 0, 10), "after!");
  EXPECT_EQ(dfs_release(file), 0);
  EXPECT_EQ(dfs_mount_snap(pool_, container_, O_RDWR, 0, "snap", &old), EROFS);
  EXPECT_EQ(dfs_mount_snap(pool_, container_, O_RDONLY, 0, "other", &old), ENOENT);
}

TEST_F(LibDfs, FilesHaveSeveralNames) {
  dfs_obj_t* file = create("one");
  ASSERT_EQ(write(file, 0, "data"), 0);
  EXPECT_EQ(varve_dfs_link(dfs_, nullptr, "one", nullptr, "two"), 0);
  EXPECT_EQ(varve_dfs_link(dfs_, nullptr, "one", nullptr, "two"), EEXIST);
  struct stat first, second;
  ASSERT_EQ(dfs_stat(dfs_, nullptr, "one", &first), 0);
  ASSERT_EQ(dfs_stat(dfs_, nullptr, "two", &second), 0);
  EXPECT_EQ(first.st_ino, second.st_ino);
  EXPECT_EQ(first.st_nlink, 2u);
  ASSERT_EQ(dfs_chmod(dfs_, nullptr, "two", 0600), 0);
  ASSERT_EQ(dfs_remove(dfs_, nullptr, "one", false, nullptr), 0);
  ASSERT_EQ(dfs_stat(dfs_, nullptr, "two", &second), 0);
  EXPECT_EQ(second.st_nlink, 1u);
  EXPECT_EQ(second.st_mode, S_IFREG | 0600u);
  dfs_release(file);
  file = lookup("/two");
  EXPECT_EQ(read(file, 0, 10), "data");
  dfs_release(file);
  EXPECT_EQ(dfs_remove(dfs_, nullptr, "two", false, nullptr), 0);
  varve_dfs_check_report report;
  ASSERT_EQ(varve_dfs_check(dfs_, 0, nullptr, &report), 0);
  EXPECT_EQ(report.leaked, 0u);
  EXPECT_EQ(report.files, 0u);
}

TEST_F(LibDfs, BlocksAreWhatIsStored) {
  dfs_obj_t* file = nullptr;
  ASSERT_EQ(dfs_open(dfs_, nullptr, "sparse", S_IFREG | 0644, O_CREAT | O_RDWR, 0, 65536, nullptr,
                     &file),
            0);
  const auto blocks = [&] {
    struct stat status = {};
    EXPECT_EQ(dfs_ostat(dfs_, file, &status), 0);
    return status.st_blocks;
  };
  EXPECT_EQ(blocks(), 0);
  ASSERT_EQ(write(file, 0, std::string(4096, 'x')), 0);
  EXPECT_EQ(blocks(), 8);
  ASSERT_EQ(write(file, 5'000'000, std::string(100'000, 'y')), 0);  // over chunks
  EXPECT_EQ(blocks(), (4096 + 100'000 + 511) / 512);
  ASSERT_EQ(write(file, 1024, std::string(4096, 'z')), 0);  // over what is there
  EXPECT_EQ(blocks(), (5120 + 100'000 + 511) / 512);
  ASSERT_EQ(dfs_punch(dfs_, file, 512, 1024), 0);
  EXPECT_EQ(blocks(), (4096 + 100'000 + 511) / 512);
  ASSERT_EQ(dfs_punch(dfs_, file, 4608, DFS_MAX_FSIZE), 0);
  EXPECT_EQ(blocks(), 7);
  struct varve_dfs_space space = {};
  ASSERT_EQ(varve_dfs_space(dfs_, VARVE_DFS_COUNT, &space), 0);
  EXPECT_EQ(space.file_bytes, 3584u);
  EXPECT_GE(space.objects, 2u);
  struct statvfs status = {};
  ASSERT_EQ(varve_dfs_statfs(dfs_, &status), 0);
  EXPECT_EQ(status.f_blocks * status.f_frsize, space.pool_bytes);
  EXPECT_GT(status.f_bavail, 0u);
  EXPECT_LT(status.f_bavail, status.f_blocks);
  EXPECT_EQ(varve_dfs_space(dfs_, 2, &space), EINVAL);
  EXPECT_EQ(dfs_release(file), 0);
}

TEST_F(LibDfs, EightClientsAppendLines) {
  constexpr int kClients = 8, kLines = 1000;
  dfs_release(create("log"));
  std::atomic<int> bad{0};
  std::vector<std::thread> threads;
  for (int client = 0; client < kClients; ++client)
    threads.emplace_back([&, client] {
      dfs_t* mount = nullptr;
      dfs_obj_t* log = nullptr;
      if (dfs_mount(pool_, container_, O_RDWR, &mount) != 0 ||
          dfs_lookup(mount, "/log", O_RDWR, &log, nullptr, nullptr) != 0) {
        ++bad;
        return;
      }
      for (int i = 0; i < kLines; ++i) {
        std::string line = std::to_string(client) + ":" + std::to_string(i) + "\n";
        d_iov_t iov = iov_of(line);
        d_sg_list_t list = {1, 0, &iov};
        if (varve_dfs_append(mount, log, &list, nullptr) != 0) ++bad;
      }
      dfs_release(log);
      dfs_umount(mount);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bad.load(), 0);
  dfs_obj_t* log = lookup("/log", O_RDONLY);
  const std::string all = read(log, 0, 1 << 20);
  dfs_release(log);
  std::vector<int> next(kClients, 0);
  size_t at = 0, lines = 0;
  for (size_t end; (end = all.find('\n', at)) != all.npos; at = end + 1, ++lines) {
    const std::string line = all.substr(at, end - at);
    const size_t colon = line.find(':');
    ASSERT_NE(colon, line.npos) << line;
    ASSERT_EQ(std::stoi(line.substr(colon + 1)), next.at(std::stoul(line.substr(0, colon)))++);
  }
  EXPECT_EQ(at, all.size());
  EXPECT_EQ(lines, size_t{kClients} * kLines);
}

TEST_F(LibDfs, AnOpenFileOutlivesItsName) {
  dfs_obj_t *file = create("file"), *empty = create("empty");
  ASSERT_EQ(write(file, 0, "data"), 0);
  ASSERT_EQ(dfs_remove(dfs_, nullptr, "file", false, nullptr), 0);
  ASSERT_EQ(dfs_remove(dfs_, nullptr, "empty", false, nullptr), 0);
  EXPECT_EQ(read(file, 0, 10), "data");
  ASSERT_EQ(write(file, 4, " more"), 0);
  ASSERT_EQ(write(empty, 0, "late"), 0);
  EXPECT_EQ(read(file, 0, 100), "data more");
  struct stat status;
  ASSERT_EQ(dfs_ostat(dfs_, file, &status), 0);
  EXPECT_EQ(status.st_nlink, 0u);
  EXPECT_EQ(status.st_size, 9);
  ASSERT_EQ(dfs_punch(dfs_, file, 2, DFS_MAX_FSIZE), 0);
  EXPECT_EQ(read(file, 0, 100), "da");
  EXPECT_EQ(dfs_stat(dfs_, nullptr, "file", &status), ENOENT);
  varve_dfs_check_report report;
  ASSERT_EQ(varve_dfs_check(dfs_, 0, nullptr, &report), 0);
  EXPECT_EQ(report.orphans, 2u) << "as long as they are open";
  EXPECT_EQ(report.leaked, 0u);
  EXPECT_EQ(dfs_release(file), 0);
  EXPECT_EQ(dfs_release(empty), 0);
  ASSERT_EQ(varve_dfs_check(dfs_, DFS_CHECK_VERIFY, nullptr, &report), 0);
  EXPECT_EQ(report.leaked + report.orphans, 0u);
}

TEST_F(LibDfs, AFileThatAnotherMountRemovesStaysOpen) {
  dfs_obj_t *file = create("file"), *theirs = nullptr;
  ASSERT_EQ(write(file, 0, "data"), 0);
  dfs_t* other = nullptr;
  ASSERT_EQ(dfs_mount(pool_, container_, O_RDWR, &other), 0);
  ASSERT_EQ(dfs_open(other, nullptr, "file", S_IFREG, O_RDWR, 0, 0, nullptr, &theirs), 0);
  ASSERT_EQ(dfs_release(file), 0);
  ASSERT_EQ(dfs_remove(dfs_, nullptr, "file", false, nullptr), 0);
  EXPECT_EQ(read(theirs, 0, 10), "data");
  struct stat status;
  ASSERT_EQ(dfs_ostat(other, theirs, &status), 0);
  EXPECT_EQ(status.st_nlink, 0u);
  ASSERT_EQ(dfs_release(theirs), 0);
  ASSERT_EQ(dfs_umount(other), 0);
  struct varve_dfs_space space = {};
  // The other one is gone: nobody can have it open, and the next repair collects it.
  varve_dfs_check_report report;
  ASSERT_EQ(varve_dfs_check(dfs_, DFS_CHECK_REMOVE, nullptr, &report), 0);
  EXPECT_EQ(report.leaked + report.orphans, 0u);
  ASSERT_EQ(varve_dfs_space(dfs_, VARVE_DFS_COUNT, &space), 0);
  EXPECT_EQ(space.file_bytes, 0u);
}

TEST_F(LibDfs, QuotasOfDirectoriesAndUsers) {
  ASSERT_EQ(dfs_mkdir(dfs_, nullptr, "limited", 0755, 0), 0);
  dfs_obj_t* limited = lookup("/limited");
  varve_dfs_quota quota = {1 << 20, 3, 0, 0}, seen = {};
  EXPECT_EQ(varve_dfs_get_quota(dfs_, limited, &seen), ENODATA);
  ASSERT_EQ(varve_dfs_set_quota(dfs_, limited, &quota), 0);
  ASSERT_EQ(dfs_mkdir(dfs_, limited, "below", 0755, 0), 0);
  dfs_obj_t *below = lookup("/limited/below"), *none = nullptr;
  dfs_obj_t* file = create("one", below);
  dfs_release(create("two", below));
  EXPECT_EQ(dfs_open(dfs_, below, "three", S_IFREG | 0600, O_CREAT | O_RDWR, 0, 0, nullptr, &none),
            EDQUOT);
  EXPECT_EQ(dfs_mkdir(dfs_, limited, "three", 0755, 0), EDQUOT);
  EXPECT_EQ(write(file, 0, std::string(1 << 20, 'x')), 0);
  EXPECT_EQ(write(file, 1 << 20, "y"), EDQUOT);
  ASSERT_EQ(varve_dfs_get_quota(dfs_, limited, &seen), 0);
  EXPECT_EQ(seen.bytes_used, 1u << 20);
  EXPECT_EQ(seen.files_used, 3u);
  EXPECT_EQ(dfs_move(dfs_, below, "one", nullptr, "out", nullptr), EXDEV);
  EXPECT_EQ(varve_dfs_set_quota(dfs_, file, &quota), ENOTDIR);
  quota = {0, 5, 0, 0};
  ASSERT_EQ(varve_dfs_set_user_quota(dfs_, geteuid(), &quota), 0);
  ASSERT_EQ(varve_dfs_get_user_quota(dfs_, geteuid(), &seen), 0);
  EXPECT_EQ(seen.files_used, 4u);
  dfs_release(create("outside"));
  EXPECT_EQ(dfs_mkdir(dfs_, nullptr, "more", 0755, 0), EDQUOT);
  quota = {};
  ASSERT_EQ(varve_dfs_set_user_quota(dfs_, geteuid(), &quota), 0);
  EXPECT_EQ(dfs_mkdir(dfs_, nullptr, "more", 0755, 0), 0);
  for (dfs_obj_t* object : {limited, below, file}) EXPECT_EQ(dfs_release(object), 0);
  varve_dfs_check_report report;
  ASSERT_EQ(varve_dfs_check(dfs_, 0, nullptr, &report), 0);
  EXPECT_EQ(report.quotas, 0u);
}

TEST_F(LibDfs, ListsWhatAPredicateAsksFor) {
  for (int i = 0; i < 50; ++i) dfs_release(create(("file" + std::to_string(i)).c_str()));
  dfs_release(create("a_b"));
  dfs_release(create("axb"));
  ASSERT_EQ(dfs_mkdir(dfs_, nullptr, "dir", 0755, 0), 0);
  dfs_obj_t *root = lookup("/"), *old = lookup("/file7");
  struct stat times = {};
  times.st_mtim.tv_sec = 1000;
  ASSERT_EQ(dfs_osetattr(dfs_, old, &times, DFS_SET_ATTR_MTIME), 0);
  const auto found = [&](const char* pattern, time_t newer, uint64_t flags) {
    dfs_predicate_t predicate = {};
    std::strcpy(predicate.dp_name, pattern);
    predicate.dp_newer = newer;
    dfs_pipeline_t* filter = nullptr;
    EXPECT_EQ(dfs_pipeline_create(dfs_, predicate, flags, &filter), 0);
    std::set<std::string> names;
    daos_anchor_t anchor = DAOS_ANCHOR_INIT;
    uint64_t all = 0;
    while (!daos_anchor_is_eof(&anchor)) {
      struct dirent entries[4];
      daos_obj_id_t oids[4];
      daos_size_t chunks[4];
      uint32_t count = 4;
      uint64_t scanned = 0;
      EXPECT_EQ(dfs_readdir_with_filter(dfs_, root, filter, &anchor, &count, entries, oids, chunks,
                                        &scanned),
                0);
      all += scanned;
      for (uint32_t i = 0; i < count; ++i) {
        names.insert(entries[i].d_name);
        EXPECT_NE(oids[i].lo, 0u);
        EXPECT_EQ(chunks[i], 1u << 20);
      }
    }
    EXPECT_EQ(all, 53u);
    EXPECT_EQ(dfs_pipeline_destroy(filter), 0);
    return names;
  };
  EXPECT_EQ(found("file1%", 0, DFS_FILTER_NAME).size(), 11u);
  EXPECT_EQ(found("%e_9", 0, DFS_FILTER_NAME).size(), 4u);
  EXPECT_EQ(found("a\\_b", 0, DFS_FILTER_NAME), std::set<std::string>{"a_b"});
  EXPECT_EQ(found("a_b", 0, DFS_FILTER_NAME).size(), 2u);
  EXPECT_EQ(found("none", 0, DFS_FILTER_NAME | DFS_FILTER_INCLUDE_DIRS),
            std::set<std::string>{"dir"});
  EXPECT_EQ(found("", 2000, DFS_FILTER_NEWER).size(), 52u);
  EXPECT_EQ(found("file7", 2000, DFS_FILTER_NEWER | DFS_FILTER_NAME).size(), 0u);
  dfs_predicate_t predicate = {};
  dfs_pipeline_t* filter = nullptr;
  EXPECT_EQ(dfs_pipeline_create(dfs_, predicate, 0, &filter), EINVAL);
  EXPECT_EQ(dfs_pipeline_create(dfs_, predicate, 64, &filter), EINVAL);
  EXPECT_EQ(dfs_release(root), 0);
  EXPECT_EQ(dfs_release(old), 0);
}

TEST_F(LibDfs, WhatIsGoodNeedsNoRepair) {
  dfs_release(create("file"));
  EXPECT_EQ(varve_dfs_recreate_superblock(container_, nullptr), EEXIST);
  EXPECT_EQ(varve_dfs_relink_root(container_), EEXIST);
  EXPECT_EQ(varve_dfs_fix_type(dfs_, nullptr, "file"), EALREADY);
  EXPECT_EQ(varve_dfs_fix_type(dfs_, nullptr, "none"), ENOENT);
}

TEST_F(LibDfs, LocksReachAcrossMounts) {
  dfs_release(create("file"));
  dfs_t* other = nullptr;
  ASSERT_EQ(dfs_mount(pool_, container_, O_RDWR, &other), 0);
  dfs_obj_t *mine = lookup("/file"), *theirs = nullptr;
  ASSERT_EQ(dfs_lookup(other, "/file", O_RDWR, &theirs, nullptr, nullptr), 0);
  EXPECT_EQ(varve_dfs_flock(dfs_, mine, LOCK_EX), 0);
  EXPECT_EQ(varve_dfs_flock(other, theirs, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  uint32_t lease_ms = 0;
  EXPECT_EQ(varve_dfs_flock_refresh(dfs_, mine, &lease_ms), 0);
  EXPECT_EQ(lease_ms, 60'000u);
  EXPECT_EQ(varve_dfs_flock_refresh(other, theirs, nullptr), ENOLCK);
  EXPECT_EQ(varve_dfs_flock(dfs_, mine, 77), EINVAL);
  EXPECT_EQ(dfs_release(mine), 0);  // gives it back
  EXPECT_EQ(varve_dfs_flock(other, theirs, LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(dfs_release(theirs), 0);
  EXPECT_EQ(dfs_umount(other), 0);
}

TEST_F(LibDfs, ArraysAnchorsAndScans) {
  dfs_obj_t* file = create("file");
  ASSERT_EQ(write(file, 0, "through an array"), 0);
  daos_handle_t array = {0};
  ASSERT_EQ(dfs_get_file_oh(file, &array), 0);
  daos_size_t size = 0;
  EXPECT_EQ(daos_array_get_size(array, DAOS_TX_NONE, &size, nullptr), 0);
  EXPECT_EQ(size, 16u);
  EXPECT_EQ(daos_array_close(array, nullptr), 0);
  ASSERT_EQ(dfs_mkdir(dfs_, nullptr, "wide", 0755, OC_SX), 0);
  dfs_obj_t* wide = lookup("/wide");
  for (int i = 0; i < 100; ++i) dfs_release(create(std::to_string(i).c_str(), wide));
  uint32_t parts = 0;
  ASSERT_EQ(dfs_obj_anchor_split(wide, &parts, nullptr), 0);
  std::vector<daos_anchor_t> anchors(parts);
  ASSERT_EQ(dfs_obj_anchor_split(wide, &parts, anchors.data()), 0);
  std::set<std::string> found;
  struct dirent entries[7];
  for (daos_anchor_t& anchor : anchors)
    while (!daos_anchor_is_eof(&anchor)) {
      uint32_t number = 7;
      ASSERT_EQ(dfs_readdir(dfs_, wide, &anchor, &number, entries), 0);
      for (uint32_t i = 0; i < number; ++i) EXPECT_TRUE(found.insert(entries[i].d_name).second);
    }
  EXPECT_EQ(found.size(), 100u);
  daos_anchor_t at = DAOS_ANCHOR_INIT, first = DAOS_ANCHOR_INIT;
  uint32_t number = 7;
  ASSERT_EQ(dfs_readdir(dfs_, wide, &first, &number, entries), 0);
  const std::string third = entries[2].d_name, fourth = entries[3].d_name;
  ASSERT_EQ(dfs_dir_anchor_set(wide, third.c_str(), &at), 0);
  number = 1;
  ASSERT_EQ(dfs_readdir(dfs_, wide, &at, &number, entries), 0);
  EXPECT_EQ(entries[0].d_name, fourth);
  EXPECT_EQ(dfs_dir_anchor_set(wide, "none", &at), ENOENT);
  dfs_release(wide);
  dfs_release(file);
  EXPECT_EQ(dfs_cont_scan(pool_, label_.c_str(), 0, nullptr), 0);
  EXPECT_EQ(dfs_cont_check(pool_, label_.c_str(), DFS_CHECK_PRINT | DFS_CHECK_RELINK, "x"), 0);
  EXPECT_EQ(dfs_cont_check(pool_, "none", DFS_CHECK_PRINT, nullptr), ENOENT);
}

TEST_F(LibDfs, ThreadsShareAMount) {
  std::vector<std::thread> threads;
  std::atomic<int> bad{0};
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      const std::string directory = "thread" + std::to_string(t);
      if (dfs_mkdir(dfs_, nullptr, directory.c_str(), 0755, 0) != 0) ++bad;
      dfs_obj_t* parent = nullptr;
      if (dfs_lookup(dfs_, ("/" + directory).c_str(), O_RDWR, &parent, nullptr, nullptr) != 0)
        ++bad;
      for (int i = 0; i < 100; ++i) {
        dfs_obj_t* file = nullptr;
        const std::string name = std::to_string(i);
        if (dfs_open(dfs_, parent, name.c_str(), S_IFREG | 0600, O_CREAT | O_EXCL | O_RDWR, 0, 0,
                     nullptr, &file) != 0)
          ++bad;
        else if (write(file, 0, directory + name) != 0 || read(file, 0, 100) != directory + name)
          ++bad;
        if (file) dfs_release(file);
      }
      if (names(parent, 64).size() != 100) ++bad;
      dfs_release(parent);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bad.load(), 0);
  // One name, many makers: one wins.
  std::atomic<int> made{0};
  threads.clear();
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&] {
      dfs_obj_t* file = nullptr;
      const int result = dfs_open(dfs_, nullptr, "one", S_IFREG | 0600, O_CREAT | O_EXCL | O_RDWR,
                                  0, 0, nullptr, &file);
      if (result == 0)
        ++made, dfs_release(file);
      else if (result != EEXIST)
        ++bad;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made.load(), 1);
  EXPECT_EQ(bad.load(), 0);
}

}  // namespace
}  // namespace varve::c_api
