// A snapshot: read after the data changed, compared with what is there now, and rolled back to.
#include <map>

#include "example.h"

static std::string read(const varve::ObjectView& object, const char* dkey) {
  auto value = object.fetch(dkey, "value").get();
  return value.ok() ? varve::text_of(*value) : "(none)";
}

static void snapshots(Scratch& scratch) {
  const auto id = varve::ObjectId::make(7, varve::ObjectType::kHashed);
  varve::Object object = scratch.container.object(id);
  for (const char* key : {"kept", "changed", "removed"})
    object.update(key, "value", varve::bytes_of("before")).get().or_throw();

  const varve::Snapshot before = scratch.container.create_snapshot("before").get().or_throw();
  object.update("changed", "value", varve::bytes_of("after")).get().or_throw();
  object.punch_dkey("removed").get().or_throw();
  object.update("added", "value", varve::bytes_of("after")).get().or_throw();
  const varve::Snapshot after = scratch.container.create_snapshot("after").get().or_throw();

  // A view has no call that writes: what reads a snapshot cannot change it, and the compiler says
  // so.
  const varve::ObjectView then = scratch.container.at(before.epoch).object(id);
  expect(read(then, "changed") == "before" && read(object, "changed") == "after", "both versions");
  expect(read(then, "removed") == "before" && read(object, "removed") == "(none)",
         "what was removed");
  expect(read(then, "added") == "(none)" && read(object, "added") == "after", "what was added");

  std::map<std::string, std::pair<bool, bool>> differ;
  for (varve::Anchor anchor; !anchor.end();) {
    auto page = scratch.container.differences(before.epoch, after.epoch, anchor).get().or_throw();
    for (const varve::Difference& one : page.entries) {
      expect(one.object == id, "only this object differs");
      differ[one.dkey] = {one.before, one.after};
    }
    anchor = page.next;
  }
  expect(differ.size() == 3 && !differ.count("kept"), "three dkeys differ");
  expect(differ["added"].second && !differ["added"].first, "one was added");
  expect(differ["removed"].first && !differ["removed"].second, "one was removed");

  expect(scratch.container.list_snapshots().get().or_throw().size() == 2,
         "two snapshots are listed");
  scratch.container.roll_back(before.epoch, true).get().or_throw();
  expect(read(object, "changed") == "before" && read(object, "removed") == "before", "rolled back");
}

int main(int argc, char** argv) { return run_example(argc, argv, "snapshot_diff", snapshots); }
