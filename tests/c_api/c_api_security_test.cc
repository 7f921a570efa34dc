// Access control lists: in memory, kept with a container, and against another user of this host.
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "fixture.h"

namespace varve::c_api {
namespace {

std::string text_of(daos_acl* list) {
  char** texts = nullptr;
  size_t count = 0;
  EXPECT_EQ(daos_acl_to_strs(list, &texts, &count), 0);
  std::string all;
  for (size_t i = 0; i < count; ++i) {
    all += std::string(texts[i]) + "\n";
    free(texts[i]);
  }
  free(texts);
  return all;
}

daos_acl* list_of(std::vector<const char*> entries) {
  daos_acl* list = nullptr;
  EXPECT_EQ(daos_acl_from_strs(entries.data(), entries.size(), &list), 0);
  return list;
}

TEST(AccessLists, InMemory) {
  daos_acl* list = list_of({"A::EVERYONE@:r", "A::bob@:rw", "A::OWNER@:rwdtTaAo"});
  EXPECT_EQ(daos_acl_validate(list), 0);
  EXPECT_EQ(text_of(list), "A::OWNER@:rwdtTaAo\nA::bob@:rw\nA::EVERYONE@:r\n");
  int count = 0;
  for (daos_ace* at = daos_acl_get_next_ace(list, nullptr); at;
       at = daos_acl_get_next_ace(list, at))
    ++count;
  EXPECT_EQ(count, 3);
  daos_ace* found = nullptr;
  ASSERT_EQ(daos_acl_get_ace_for_principal(list, DAOS_ACL_USER, "bob@", &found), 0);
  EXPECT_STREQ(daos_ace_get_principal_str(found), "bob@");
  EXPECT_EQ(found->dae_allow_perms, DAOS_ACL_PERM_READ | DAOS_ACL_PERM_WRITE);
  EXPECT_EQ(daos_acl_get_ace_for_principal(list, DAOS_ACL_GROUP, "bob@", &found), -DER_NONEXIST);
  daos_ace* group = daos_ace_create(DAOS_ACL_GROUP, "team@");
  ASSERT_TRUE(group);
  group->dae_access_types = DAOS_ACL_ACCESS_ALLOW;
  group->dae_allow_perms = DAOS_ACL_PERM_READ;
  EXPECT_TRUE(daos_ace_is_valid(group));
  EXPECT_EQ(daos_ace_get_size(group), 40);
  EXPECT_EQ(daos_acl_add_ace(&list, group), 0);
  EXPECT_EQ(daos_acl_remove_ace(&list, DAOS_ACL_EVERYONE, nullptr), 0);
  EXPECT_EQ(daos_acl_remove_ace(&list, DAOS_ACL_EVERYONE, nullptr), -DER_NONEXIST);
  EXPECT_EQ(text_of(list), "A::OWNER@:rwdtTaAo\nA::bob@:rw\nA:G:team@:r\n");
  daos_acl* copy = daos_acl_dup(list);
  EXPECT_EQ(text_of(copy), text_of(list));
  EXPECT_EQ(daos_acl_get_size(copy), static_cast<ssize_t>(8 + 32 + 40 + 40));
  copy->dal_len = 33;
  EXPECT_EQ(daos_acl_validate(copy), -DER_INVAL);
  char text[64];
  EXPECT_EQ(daos_ace_to_str(group, text, sizeof text), 0);
  EXPECT_STREQ(text, "A:G:team@:r");
  EXPECT_EQ(daos_ace_to_str(group, text, 4), -DER_TRUNC);
  EXPECT_EQ(daos_ace_str_get_verbose("A::bob@:rw", text, sizeof text), 0);
  EXPECT_STREQ(text, "Allow::bob@:Read/Write");
  daos_ace* bad = nullptr;
  EXPECT_EQ(daos_ace_from_str("A:bob@:rw", &bad), -DER_INVAL);
  daos_acl_free(copy);
  daos_acl_free(list);
  daos_ace_free(group);
}

class Access : public CApi {};

TEST_F(Access, KeptAndChanged) {
  daos_prop_t* properties = nullptr;
  ASSERT_EQ(daos_cont_get_acl(container_, &properties, nullptr), 0);
  daos_prop_entry* entry = daos_prop_entry_get(properties, DAOS_PROP_CO_ACL);
  ASSERT_TRUE(entry);
  EXPECT_EQ(text_of(static_cast<daos_acl*>(entry->dpe_val_ptr)),
            "A::OWNER@:rwdtTaAo\nA:G:GROUP@:rwtT\n");
  char* me = nullptr;
  ASSERT_EQ(daos_acl_uid_to_principal(getuid(), &me), 0);
  EXPECT_STREQ(daos_prop_entry_get(properties, DAOS_PROP_CO_OWNER)->dpe_str, me);
  uint64_t granted = 0;
  EXPECT_EQ(daos_cont_get_perms(properties, getuid(), nullptr, 0, &granted), 0);
  EXPECT_EQ(granted, DAOS_ACL_PERM_CONT_ALL);
  EXPECT_EQ(daos_cont_get_perms(properties, 0xfffffff0, nullptr, 0, &granted), 0);
  EXPECT_EQ(granted, 0u);
  free(me);
  daos_prop_free(properties);

  daos_acl* fresh = list_of({"A::bob@:r"});
  EXPECT_EQ(daos_cont_update_acl(container_, fresh, nullptr), 0);
  EXPECT_EQ(daos_cont_delete_acl(container_, DAOS_ACL_OWNER_GROUP, nullptr, nullptr), 0);
  char unknown[] = "eve@", someone[] = "no-such-user-here@";
  EXPECT_EQ(daos_cont_delete_acl(container_, DAOS_ACL_USER, unknown, nullptr), -DER_NONEXIST);
  EXPECT_EQ(daos_cont_set_owner(container_, someone, nullptr, nullptr), -DER_NONEXIST);
  EXPECT_EQ(daos_cont_set_owner_no_check(container_, someone, nullptr, nullptr), 0);
  ASSERT_EQ(daos_cont_get_acl(container_, &properties, nullptr), 0);
  EXPECT_EQ(text_of(static_cast<daos_acl*>(
                daos_prop_entry_get(properties, DAOS_PROP_CO_ACL)->dpe_val_ptr)),
            "A::OWNER@:rwdtTaAo\nA::bob@:r\n");
  EXPECT_STREQ(daos_prop_entry_get(properties, DAOS_PROP_CO_OWNER)->dpe_str, someone);
  daos_prop_free(properties);
  EXPECT_EQ(daos_cont_overwrite_acl(container_, fresh, nullptr), 0);
  daos_acl_free(fresh);
  daos_acl* pools = list_of({"A::bob@:c"});
  EXPECT_EQ(daos_cont_overwrite_acl(container_, pools, nullptr), -DER_INVAL);
  daos_acl_free(pools);
}

// What another user gets: exit code 0 or which step went wrong.
int as_nobody(const char* pool, const char* label, int connects, int opens) {
  const pid_t child = fork();
  if (child == 0) {
    if (setgroups(0, nullptr) || setgid(65534) || setuid(65534)) _exit(99);
    daos_handle_t pool_handle{}, container{};
    if (daos_init() != 0) _exit(1);
    if (daos_pool_connect(pool, nullptr, DAOS_PC_RW, &pool_handle, nullptr, nullptr) != connects)
      _exit(2);
    if (connects != 0) _exit(0);
    if (daos_cont_open(pool_handle, label, DAOS_COO_RW, &container, nullptr, nullptr) != opens)
      _exit(3);
    if (opens == 0) daos_cont_close(container, nullptr);
    daos_pool_disconnect(pool_handle, nullptr);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

TEST_F(Access, EnforcedOnOneHost) {
  if (getuid() != 0) GTEST_SKIP() << "needs to become another user";
  server_->open_folders();
  EXPECT_EQ(as_nobody(kPool, label_.c_str(), -DER_NO_PERM, 0), 0);
  auto session = client::Session::open(*client::options_from_environment());
  ASSERT_TRUE(session.ok());
  auto changed = (*session)->wait(
      (*session)->change_pool_acl(kPool, pool::AclVerb::kUpdate, "A::EVERYONE@:rw\n"));
  ASSERT_TRUE(changed.ok()) << changed.error().describe();
  EXPECT_EQ(as_nobody(kPool, label_.c_str(), 0, -DER_NO_PERM), 0);
  daos_acl* everyone = list_of({"A::EVERYONE@:rw"});
  EXPECT_EQ(daos_cont_update_acl(container_, everyone, nullptr), 0);
  EXPECT_EQ(as_nobody(kPool, label_.c_str(), 0, 0), 0);
  daos_acl_free(everyone);
}

}  // namespace
}  // namespace varve::c_api
