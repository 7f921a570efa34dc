// Paths that stand for containers (libduns).
#include <daos_uns.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fixture.h"

namespace varve::c_api {
namespace {

class Uns : public CApi {};

TEST_F(Uns, NamesWithAPrefix) {
  duns_attr_t attributes = {};
  ASSERT_EQ(duns_resolve_path("daos://tank/box/a/b/", &attributes), 0);
  EXPECT_STREQ(attributes.da_pool, "tank");
  EXPECT_STREQ(attributes.da_cont, "box");
  EXPECT_STREQ(attributes.da_rel_path, "/a/b");
  ASSERT_EQ(duns_resolve_path("daos://tank", &attributes), 0);
  EXPECT_STREQ(attributes.da_cont, "");
  EXPECT_EQ(attributes.da_rel_path, nullptr);
  ASSERT_EQ(duns_resolve_path("daos://8a4b0f6e-6f5c-4c2a-9d5e-0123456789ab/box", &attributes), 0);
  EXPECT_FALSE(uuid_is_null(attributes.da_puuid));
  EXPECT_EQ(duns_resolve_path("daos:///box", &attributes), EINVAL);
  EXPECT_EQ(duns_resolve_path("", &attributes), EINVAL);
  EXPECT_EQ(duns_resolve_path(("daos://" + std::string(200, 'x')).c_str(), &attributes), EINVAL);
  EXPECT_EQ(duns_resolve_path("/", &attributes), ENODATA);
  attributes.da_flags = DUNS_NO_PREFIX;
  ASSERT_EQ(duns_resolve_path("/tank/box/c", &attributes), 0);
  EXPECT_STREQ(attributes.da_rel_path, "/c");
  duns_destroy_attr(&attributes);
}

TEST_F(Uns, PathsOfTheHost) {
  const std::string path = server_->folder() + "/project";
  duns_attr_t attributes = {};
  attributes.da_type = DAOS_PROP_CO_LAYOUT_POSIX;
  const int created = duns_create_path(pool_, path.c_str(), &attributes);
  if (created == EOPNOTSUPP) GTEST_SKIP() << "no extended attributes here";
  ASSERT_EQ(created, 0);
  EXPECT_EQ(duns_create_path(pool_, path.c_str(), &attributes), EEXIST);
  ASSERT_EQ(mkdir((path + "/below").c_str(), 0700), 0);
  duns_attr_t found = {};
  ASSERT_EQ(duns_resolve_path((path + "/below/file").c_str(), &found), 0);
  EXPECT_STREQ(found.da_cont, attributes.da_cont);
  EXPECT_STREQ(found.da_rel_path, "/below/file");
  EXPECT_EQ(found.da_type, DAOS_PROP_CO_LAYOUT_POSIX);
  daos_handle_t container{};
  ASSERT_EQ(daos_cont_open(pool_, found.da_cont, DAOS_COO_RW, &container, nullptr, nullptr), 0);
  EXPECT_EQ(daos_cont_close(container, nullptr), 0);
  ASSERT_EQ(rmdir((path + "/below").c_str()), 0);
  EXPECT_EQ(duns_destroy_path(pool_, path.c_str()), 0);
  EXPECT_EQ(daos_cont_open(pool_, found.da_cont, DAOS_COO_RW, &container, nullptr, nullptr),
            -DER_NONEXIST);
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  const std::string link = server_->folder() + "/link";
  ASSERT_EQ(duns_link_cont(pool_, label_.c_str(), link.c_str()), 0);
  ASSERT_EQ(duns_resolve_path(link.c_str(), &found), 0);
  EXPECT_FALSE(uuid_is_null(found.da_cuuid));
  duns_destroy_attr(&found);
}

}  // namespace
}  // namespace varve::c_api
