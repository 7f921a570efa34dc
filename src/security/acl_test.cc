#include "security/acl.h"

#include <gtest/gtest.h>

#include "security/names.h"

namespace varve::security {
namespace {

TEST(Acl, EntriesAsText) {
  for (const char* text : {"A::OWNER@:rw", "A:G:GROUP@:rwtT", "A::EVERYONE@:", "A::bob@:rwcdtTaAo",
                           "A:G:team@site.org:r", "AU:GS:team@:r", "UL:SF:x@:w", "A:P:bob@:r"}) {
    const Result<Entry> entry = parse_entry(text);
    ASSERT_TRUE(entry.ok()) << text << ": " << entry.error().describe();
    EXPECT_EQ(*text_of(*entry), text);
  }
  EXPECT_EQ(parse_entry("A::bob@:orw")->allow, kRead | kWrite | kSetOwner);
  EXPECT_EQ(*words_of(*parse_entry("A:G:GROUP@:rT")), "Allow:Group:GROUP@:Read/Set-Prop");
  EXPECT_EQ(*words_of(*parse_entry("A::bob@:")), "Allow::bob@:No Access");
}

TEST(Acl, EntriesThatAreNone) {
  for (const char* text :
       {"", "A", "A::bob@", "A::bob@:r:", ":G:bob@:r", "B::bob@:r", "AA::bob@:r", "A:X:bob@:r",
        "A::bob:r", "A::@:r", "A::a@b@:r", "A::bob@:x", "A::bob@:rr", "A::GROUP@:r", "A:G:OWNER@:r",
        "A:G:EVERYONE@:r", "U::bob@:r", "A:S:bob@:r", "A::bo\nb@:r"})
    EXPECT_EQ(parse_entry(text).code(), Code::kInvalid) << text;
  EXPECT_FALSE(parse_entry("A::" + std::string(255, 'n') + "@:r").ok());
  EXPECT_TRUE(parse_entry("A::" + std::string(254, 'n') + "@:r").ok());
  Entry differs = *parse_entry("AU:S:bob@:r");
  differs.audit = kWrite;
  EXPECT_EQ(text_of(differs).code(), Code::kInvalid);
}

TEST(Acl, Lists) {
  const Result<AccessList> list =
      parse_list("A::EVERYONE@:r\nA:G:GROUP@:r\nA::bob@:rw\nA::OWNER@:rw\n");
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(*text_of(*list), "A::OWNER@:rw\nA::bob@:rw\nA:G:GROUP@:r\nA::EVERYONE@:r\n");
  EXPECT_FALSE(parse_list("A::bob@:r\nA::bob@:w\n").ok());
  EXPECT_TRUE(parse_list("A::bob@:r\nA:G:bob@:w\n").ok());
  EXPECT_FALSE(check_list(*parse_list("A::bob@:T"), kPoolPermissions).ok());
  EXPECT_FALSE(check_list(*parse_list("A::bob@:c"), kContainerPermissions).ok());
  EXPECT_EQ(parse_principal("u:bob")->name, "bob@");
  EXPECT_EQ(parse_principal("GROUP@")->kind, PrincipalKind::kOwnerGroup);
  EXPECT_FALSE(parse_principal("bob@").ok());
}

TEST(Acl, FirstMatchDecides) {
  const Ownership owner{"ann@", "lab@"};
  const auto granted = [&](const char* text, Identity who) {
    return permissions_of(*parse_list(text), owner, who);
  };
  const char* all = "A::OWNER@:d\nA::ann@:rw\nA::bob@:\nA:G:GROUP@:r\nA:G:ops@:w\nA::EVERYONE@:t\n";
  EXPECT_EQ(granted(all, {"ann@", {"lab@"}}), kDeleteContainer);
  EXPECT_EQ(granted(all, {"bob@", {"lab@", "ops@"}}), 0u);
  EXPECT_EQ(granted(all, {"eve@", {"lab@", "ops@"}}), kRead | kWrite);
  EXPECT_EQ(granted(all, {"eve@", {"ops@"}}), kWrite);
  EXPECT_EQ(granted(all, {"eve@", {"none@"}}), kGetProperties);
  EXPECT_EQ(granted("A::ann@:r", {"ann@", {}}), kRead);
  EXPECT_EQ(granted("A::OWNER@:r", {"eve@", {"lab@"}}), 0u);
  EXPECT_EQ(granted("U:S:EVERYONE@:r", {"eve@", {}}), 0u);
  EXPECT_EQ(expand_pool_permissions(kRead | kWrite),
            kRead | kWrite | kGetProperties | kCreateContainer | kDeleteContainer);
}

TEST(Names, OfTheMachine) {
  EXPECT_EQ(machine_names()->user(0), "root@");
  EXPECT_EQ(*machine_uid("root@"), 0u);
  EXPECT_EQ(machine_uid("root@elsewhere").code(), Code::kInvalid);
  EXPECT_EQ(machine_uid("nobody-has-this-name@").code(), Code::kNonexistent);
  EXPECT_EQ(machine_names()->user(0xfffffff0), "4294967280@");
  EXPECT_EQ(number_names()->identity(7, 8).groups.at(0), "8@");
}

}  // namespace
}  // namespace varve::security
