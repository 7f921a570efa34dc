#include <gtest/gtest.h>

#include "command/mount.h"
#include "command/output.h"

namespace varve::command {
namespace {

TEST(Sizes, BinaryUnlessSaidOtherwise) {
  EXPECT_EQ(*parse_bytes("4096"), 4096u);
  EXPECT_EQ(*parse_bytes("4M"), 4u << 20);
  EXPECT_EQ(*parse_bytes("8GiB"), 8ull << 30);
  EXPECT_EQ(*parse_bytes("8GB"), 8'000'000'000ull);
  EXPECT_EQ(*parse_bytes("1.5k"), 1536u);
  for (const char* bad : {"", "G", "-1G", "8XB", "8GiBs", "8 G B"})
    EXPECT_EQ(parse_bytes(bad).code(), Code::kInvalid) << bad;
}

TEST(Sizes, AreShownWithOneDigit) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(8ull << 30), "8.0 GiB");
}

TEST(Places, LocalAndRemote) {
  auto place = parse_place("varve://pool/cont/a/b/");
  ASSERT_TRUE(place.ok());
  EXPECT_TRUE(place->remote);
  EXPECT_EQ(place->pool, "pool");
  EXPECT_EQ(place->container, "cont");
  EXPECT_EQ(place->path, "/a/b");
  EXPECT_EQ(parse_place("daos://p/c")->path, "/");
  EXPECT_FALSE(parse_place("/tmp/x")->remote);
  EXPECT_EQ(parse_place("varve://pool").code(), Code::kInvalid);
  EXPECT_EQ(parse_place("varve:///cont/x").code(), Code::kInvalid);
}

TEST(Tables, AlignNumbersRight) {
  Table table({"name", "size"});
  table.add({"a", "5"});
  table.add({"long", "1234"});
  EXPECT_EQ(table.to_string(), "name  size\na        5\nlong  1234\n");
}

}  // namespace
}  // namespace varve::command
