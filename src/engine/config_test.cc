#include "engine/config.h"

#include "engine/engine.h"

#include <gtest/gtest.h>

namespace varve::engine {
namespace {

TEST(Config, nothing_is_needed) {
  const Config config = parse_config("", "f").value();
  EXPECT_EQ(config.targets, 2u);
  EXPECT_EQ(config.port, 10400u);
  EXPECT_TRUE(check_config(config).ok());
}

TEST(Config, every_key_is_read) {
  const Config config = parse_config(R"(
name: lake
directory: /d
run_directory: /r
listen: 0.0.0.0
port: 0
targets: 3
devices: [/a, /b, /c]
device_bytes: 1.5 GiB
memory: false
log_bytes: 16MiB
polling_us: 0
pin: true
log_level: debug
log_file: /l
checkpoint: timed
checkpoint_interval_ms: 250
checkpoint_threshold_percent: 20
transports: tcp
)", "f").value();
  EXPECT_EQ(config.name, "lake");
  EXPECT_EQ(config.devices, (std::vector<std::string>{"/a", "/b", "/c"}));
  EXPECT_EQ(config.device_bytes, 3ULL << 29);
  EXPECT_EQ(config.log_bytes, 16ULL << 20);
  EXPECT_EQ(config.transports, std::vector<std::string>{"tcp"});
  EXPECT_TRUE(config.pin);
  EXPECT_EQ(config.checkpoint, block::CheckpointPolicy::Mode::kTimed);
  EXPECT_EQ(config.checkpoint_interval_ms, 250u);
  EXPECT_EQ(config.checkpoint_threshold_percent, 20u);
  EXPECT_TRUE(check_config(config).ok());
}

TEST(Config, errors_name_key_line_and_remedy) {
  struct Row {
    const char* text;
    std::vector<const char*> says;
  };
  for (const Row& row : {Row{"name: a\ntagets: 2", {"file f", "line 2", "'tagets'", "'targets'"}},
                         Row{"polling_ms: 2", {"'polling_us'"}}, Row{"targets: two", {"line 1", "'targets'", "'two'"}},
                         Row{"targets: [1]", {"'targets'"}}, Row{"devices: {a: b}", {"'devices'", "list"}},
                         Row{"log_bytes: many", {"'many'", "64MiB"}}, Row{"a: [", {"file f", "line"}},
                         Row{"[1, 2]", {"targets: 2"}}, Row{"log_level: loud", {"'log_level'"}},
                         Row{"checkpoint: never", {"'checkpoint'", "lazy"}}}) {
    auto config = parse_config(row.text, "f");
    ASSERT_EQ(config.code(), Code::kInvalid) << row.text;
    for (const char* part : row.says)
      EXPECT_NE(config.error().text().find(part), std::string_view::npos) << config.error().text() << " lacks " << part;
  }
}

TEST(Config, sizes) {
  struct Row {
    const char* text;
    uint64_t bytes;
  };
  for (const Row& row : {Row{"0", 0}, Row{"1048576", 1 << 20}, Row{"64MiB", 64 << 20}, Row{"1.5GiB", 3ULL << 29},
                         Row{"10GB", 10'000'000'000}, Row{"2 k", 2048}})
    EXPECT_EQ(*parse_bytes(row.text), row.bytes) << row.text;
  for (const char* bad : {"", "x", "-1", "1 light-year", "1e300"}) EXPECT_FALSE(parse_bytes(bad).ok()) << bad;
}

TEST(Config, contradictions_are_refused) {
  Config config;
  config.targets = 0;
  EXPECT_FALSE(check_config(config).ok());
  config = {};
  config.port = 65535;
  EXPECT_FALSE(check_config(config).ok());
  config = {};
  config.devices = {"/a"};
  EXPECT_FALSE(check_config(config).ok());
  config = {};
  config.checkpoint = block::CheckpointPolicy::Mode::kDisabled;
  EXPECT_FALSE(check_config(config).ok());
  config.log_bytes = kLogBytesMinWithoutCheckpoints;
  EXPECT_TRUE(check_config(config).ok());
  config = {};
  config.checkpoint_threshold_percent = 99;
  EXPECT_FALSE(check_config(config).ok());
  config = {};
  config.checkpoint_interval_ms = 0;
  EXPECT_FALSE(check_config(config).ok());
  config = {};
  config.transports = {"pigeon"};
  EXPECT_FALSE(check_config(config).ok());
}

}  // namespace
}  // namespace varve::engine
