// A client that is killed at any moment of an operation of several updates: afterwards another one
// sees it done or not done, never half, and nothing that was not part of it is harmed.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <set>

#include "posix/fake_session.h"
#include "posix/file_system.h"
#include "runtime/wait.h"

namespace varve::posix {
namespace {

// A file system with /a ("A"), /b ("B"), /d/ and its file c ("C", with a second name /d/c2).
class World {
 public:
  World() {
    FormatOptions options;
    options.chunk_bytes = 64;
    EXPECT_TRUE(wait(FileSystem::format(session, container, options)).ok());
    mount();
    EXPECT_TRUE(wait(fs->make_directory(session, *root, "d", 0755, 0)).ok());
    d = look("/d")->directory;
    make(root, "a", "A");
    make(root, "b", "B");
    make(d, "c", "C");
    EXPECT_TRUE(wait(fs->link(session, *d, "c", *d, "c2")).ok());
    EXPECT_TRUE(wait(fs->set_extended_attribute(session, *look("/a"), "user.of", as_bytes("a"),
                                                false, false))
                    .ok());
    EXPECT_TRUE(wait(fs->set_extended_attribute(session, *look("/b"), "user.of", as_bytes("b"),
                                                false, false))
                    .ok());
  }
  template <class T>
  T wait(Task<T> task) {
    return executor.block_on(std::move(task));
  }
  void mount() {
    auto mounted = wait(FileSystem::mount(session, container, {}));
    ASSERT_TRUE(mounted.ok()) << mounted.error().describe();
    fs = *mounted;
    root = fs->root()->directory;
  }
  NodePtr look(std::string path) {
    auto node = wait(fs->lookup(session, nullptr, path, false, true));
    return node.ok() ? *node : nullptr;
  }
  void make(DirectoryPtr where, std::string_view name, std::string_view text) {
    OpenOptions options;
    options.mode = S_IFREG | 0644;
    options.create = options.writable = true;
    auto node = wait(fs->open(session, where, name, options));
    ASSERT_TRUE(node.ok());
    const FileRange range{0, text.size()};
    const ByteView bytes = as_bytes(text);
    ASSERT_TRUE(wait(fs->write(session, **node, {&range, 1}, {&bytes, 1})).ok());
  }
  // "-" where there is nothing.
  std::string content(std::string path) {
    const NodePtr node = look(path);
    if (!node) return "-";
    if (node->directory) return "/";
    std::string text(100, '?');
    const FileRange range{0, text.size()};
    const MutableByteView room(reinterpret_cast<std::byte*>(text.data()), text.size());
    auto count = wait(fs->read(session, *node, {&range, 1}, {&room, 1}));
    EXPECT_TRUE(count.ok()) << path;
    text.resize(count.ok() ? *count : 0);
    auto of = wait(fs->extended_attribute(session, *node, "user.of"));
    if (of.ok()) text += std::string(as_text(*of));
    return text;
  }
  uint64_t links(std::string path) {
    const NodePtr node = look(path);
    if (!node) return 0;
    auto status = wait(fs->status(session, *node));
    return status.ok() ? status->links : 0;
  }
  std::set<std::string> names(const Directory& directory) {
    std::set<std::string> found;
    Session::Anchor anchor;
    while (!anchor.end) {
      auto listed = wait(fs->list_with_status(session, directory, anchor, 10));
      EXPECT_TRUE(listed.ok());
      if (!listed) break;
      for (auto& name : *listed) found.insert(name.name);
    }
    return found;
  }

  Executor executor{machine_clock(), 1};
  FakeObjects objects;
  FakeSession session{executor, objects};
  client::Container container = std::make_shared<client::ContainerHandle>();
  std::shared_ptr<FileSystem> fs;
  DirectoryPtr root, d;
};

// Kills the client after 0, 1, 2, ... calls of `operation`, until it gets through. Returns how many
// it needed.
uint64_t kill_everywhere(const std::function<bool(World&)>& operation,
                         const std::function<void(World&)>& check) {
  for (uint64_t calls = 0; calls < 200; ++calls) {
    SCOPED_TRACE("killed after " + std::to_string(calls) + " calls");
    World world;
    world.objects.calls_left = calls;
    const bool done = operation(world);
    world.objects.calls_left = ~0ULL;
    world.mount();
    check(world);
    if (::testing::Test::HasFailure()) return calls;
    if (done) return calls;
  }
  ADD_FAILURE() << "it never gets through";
  return 0;
}

TEST(Crash, RenameIsDoneOrNotDone) {
  const uint64_t needed = kill_everywhere(
      [](World& world) {
        return world.wait(world.fs->rename(world.session, world.root, "a", world.d, "new")).ok();
      },
      [](World& world) {
        const std::string before = world.content("/a"), after = world.content("/d/new");
        EXPECT_TRUE((before == "Aa") != (after == "Aa")) << before << " " << after;
        EXPECT_TRUE(before == "-" || after == "-");
        EXPECT_EQ(world.names(*world.root).count("a") + world.names(*world.d).count("new"), 1u);
        EXPECT_EQ(world.content("/b"), "Bb");
      });
  EXPECT_GE(needed, 5u);
}

TEST(Crash, RenameOverAFileIsDoneOrNotDone) {
  kill_everywhere(
      [](World& world) {
        return world.wait(world.fs->rename(world.session, world.root, "a", world.root, "b")).ok();
      },
      [](World& world) {
        const std::string a = world.content("/a"), b = world.content("/b");
        EXPECT_TRUE((a == "Aa" && b == "Bb") || (a == "-" && b == "Aa")) << a << " " << b;
        // Whoever tries again gets there.
        auto again = world.wait(world.fs->rename(world.session, world.root, "a", world.root, "b"));
        EXPECT_EQ(again.ok(), a != "-");
        EXPECT_EQ(world.content("/b"), "Aa");
        EXPECT_EQ(world.content("/a"), "-");
      });
}

TEST(Crash, WhatARenameLeftCanBeRemovedAndMadeAnew) {
  kill_everywhere(
      [](World& world) {
        return world.wait(world.fs->rename(world.session, world.root, "a", world.d, "new")).ok();
      },
      [](World& world) {
        // Nobody has looked since. Removing the old name never harms the new one.
        auto removed = world.wait(world.fs->remove(world.session, world.root, "a", false, 0, false));
        const std::string after = world.content("/d/new");
        EXPECT_TRUE(removed.ok() ? after == "-" : after == "Aa");
        world.make(world.root, "a", "another");
        EXPECT_EQ(world.content("/a"), "another");
        EXPECT_EQ(world.content("/d/new"), after);
      });
}

TEST(Crash, ExchangeIsDoneOrNotDone) {
  kill_everywhere(
      [](World& world) {
        return world.wait(world.fs->exchange(world.session, world.root, "a", world.root, "b")).ok();
      },
      [](World& world) {
        const std::string a = world.content("/a"), b = world.content("/b");
        EXPECT_TRUE((a == "Aa" && b == "Bb") || (a == "Bb" && b == "Aa")) << a << " " << b;
      });
}

TEST(Crash, RenameOfADirectoryIsDoneOrNotDone) {
  kill_everywhere(
      [](World& world) {
        return world.wait(world.fs->rename(world.session, world.root, "d", world.root, "e")).ok();
      },
      [](World& world) {
        const std::string before = world.content("/d/c"), after = world.content("/e/c");
        EXPECT_TRUE((before == "C") != (after == "C")) << before << " " << after;
        EXPECT_EQ(world.links("/d/c") + world.links("/e/c"), 2u);
      });
}

TEST(Crash, LinksNeverCountTooFew) {
  kill_everywhere(
      [](World& world) {
        return world.wait(world.fs->link(world.session, *world.root, "a", *world.d, "a2")).ok();
      },
      [](World& world) {
        EXPECT_EQ(world.content("/a"), "Aa");
        const std::string second = world.content("/d/a2");
        EXPECT_TRUE(second == "-" || second == "Aa");
        EXPECT_GE(world.links("/a"), second == "-" ? 1u : 2u);
        auto again = world.wait(world.fs->link(world.session, *world.root, "a", *world.d, "a2"));
        EXPECT_EQ(again.ok(), second == "-");
        EXPECT_EQ(world.links("/d/a2"), 2u);
        // One name less, and the other still leads to everything.
        ASSERT_TRUE(world.wait(world.fs->remove(world.session, world.root, "a", false)).ok());
        EXPECT_EQ(world.content("/d/a2"), "Aa");
        EXPECT_EQ(world.links("/d/a2"), 1u);
      });
}

TEST(Crash, RemovingOneOfTwoNamesKeepsTheOther) {
  kill_everywhere(
      [](World& world) {
        return world.wait(world.fs->remove(world.session, world.d, "c", false)).ok();
      },
      [](World& world) {
        EXPECT_EQ(world.content("/d/c2"), "C");
        EXPECT_GE(world.links("/d/c2"), world.content("/d/c") == "-" ? 1u : 2u);
      });
}

TEST(Crash, RenameOfOneOfTwoNamesKeepsTheOther) {
  kill_everywhere(
      [](World& world) {
        return world.wait(world.fs->rename(world.session, world.d, "c", world.root, "b")).ok();
      },
      [](World& world) {
        EXPECT_EQ(world.content("/d/c2"), "C");
        const std::string c = world.content("/d/c"), b = world.content("/b");
        EXPECT_TRUE((c == "C" && b == "Bb") || (c == "-" && b == "C")) << c << " " << b;
        EXPECT_GE(world.links("/d/c2"), 2u);
      });
}

TEST(Crash, CreateAndRemoveAreOneUpdate) {
  const uint64_t created = kill_everywhere(
      [](World& world) {
        OpenOptions options;
        options.mode = S_IFREG | 0644;
        options.create = options.exclusive = options.writable = true;
        return world.wait(world.fs->open(world.session, world.root, "new", options)).ok();
      },
      [](World& world) { EXPECT_LE(world.names(*world.root).count("new"), 1u); });
  EXPECT_LE(created, 2u);  // one fetches numbers
  kill_everywhere(
      [](World& world) {
        return world.wait(world.fs->remove(world.session, world.root, "a", false)).ok();
      },
      [](World& world) {
        const std::string a = world.content("/a");
        EXPECT_TRUE(a == "Aa" || a == "-") << a;
      });
}

// Two clients rename one file to two places at the same time: one place has it in the end.
TEST(Crash, RivalRenamesAgree) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    World world;
    const auto late = [](World& in, uint64_t pauses) -> Task<bool> {
      for (uint64_t i = 0; i < pauses; ++i) co_await in.executor.yield();
      auto renamed = co_await in.fs->rename(in.session, in.root, "a", in.root, "x");
      co_return renamed.ok();
    };
    const auto other = [](World& in) -> Task<bool> {
      auto renamed = co_await in.fs->rename(in.session, in.root, "a", in.d, "y");
      co_return renamed.ok();
    };
    std::vector<Task<bool>> tasks;
    tasks.push_back(late(world, seed));
    tasks.push_back(other(world));
    const std::vector<bool> done = [&] {
      std::vector<bool> all;
      for (bool one : world.wait(when_all(std::move(tasks)))) all.push_back(one);
      return all;
    }();
    EXPECT_TRUE(done[0] != done[1]) << seed;
    EXPECT_EQ(world.content("/a"), "-") << seed;
    EXPECT_EQ(world.content("/x"), done[0] ? "Aa" : "-") << seed;
    EXPECT_EQ(world.content("/d/y"), done[1] ? "Aa" : "-") << seed;
  }
}

// A link and a rename, or a link and a removal, of one name at the same time.
TEST(Crash, LinksRaceWithRenameAndRemoval) {
  for (int what = 0; what < 2; ++what)
    for (uint64_t pauses = 0; pauses < 40; ++pauses) {
      SCOPED_TRACE(std::to_string(what) + " " + std::to_string(pauses));
      World world;
      const auto late = [](World& in, uint64_t count, int which) -> Task<bool> {
        for (uint64_t i = 0; i < count; ++i) co_await in.executor.yield();
        if (which == 0) {
          auto renamed = co_await in.fs->rename(in.session, in.root, "a", in.root, "x");
          EXPECT_TRUE(renamed.ok()) << renamed.error().describe();
          co_return renamed.ok();
        }
        auto removed = co_await in.fs->remove(in.session, in.root, "a", false);
        co_return removed.ok();
      };
      const auto link = [](World& in) -> Task<bool> {
        auto linked = co_await in.fs->link(in.session, *in.root, "a", *in.d, "a2");
        co_return linked.ok();
      };
      std::vector<Task<bool>> tasks;
      tasks.push_back(late(world, pauses, what));
      tasks.push_back(link(world));
      auto done = world.wait(when_all(std::move(tasks)));
      EXPECT_TRUE(done[0]);
      EXPECT_EQ(world.content("/a"), "-");
      if (what == 0) EXPECT_EQ(world.content("/x"), "Aa");
      EXPECT_EQ(world.content("/d/a2"), done[1] ? "Aa" : "-");
      if (done[1]) EXPECT_EQ(world.links("/d/a2"), what == 0 ? 2u : 1u);
    }
}

}  // namespace
}  // namespace varve::posix
