// Runs every row of the table in docs/internals/mvcc.md, as it stands there.
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "store/test_store.h"

namespace varve::store {
namespace {

struct Row {
  int line = 0;
  std::string operation, meets, outcome;
  std::vector<std::string> steps;  // the last: what the last but one must give
};

std::string trimmed(const std::string& text) {
  const size_t from = text.find_first_not_of(' ');
  return from == std::string::npos ? "" : text.substr(from, text.find_last_not_of(' ') - from + 1);
}

std::vector<Row> read_table() {
  std::ifstream file(VARVE_SOURCE_DIR "/docs/internals/mvcc.md");
  std::vector<Row> rows;
  std::string line;
  bool in_table = false;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.starts_with("| operation |")) in_table = true;
    if (!in_table || !line.starts_with("| ") || line.starts_with("| ---") ||
        line.starts_with("| operation |"))
      continue;
    std::vector<std::string> cells;
    std::istringstream in(line.substr(1));
    for (std::string cell; std::getline(in, cell, '|');) cells.push_back(trimmed(cell));
    Row row{number, cells.at(0), cells.at(1), cells.at(2), {}};
    std::istringstream example(cells.at(3));
    std::string between, step;
    while (std::getline(example, between, '`') && std::getline(example, step, '`'))
      row.steps.push_back(step);
    rows.push_back(row);
  }
  return rows;
}

class MvccTest : public StoreTest, public testing::WithParamInterface<Row> {
 protected:
  // One step of the table: who, what, on what, and when.
  struct Step {
    TransactionId who;
    std::string verb;
    std::vector<std::string> words;
    std::string dkey, akey;  // of words[0]
    Epoch epoch = kEpochMax, until, clock;
    ReadAt read_at() const { return ReadAt(epoch, who, until, clock); }
  };

  static Step parse(const std::string& text) {
    Step step;
    std::istringstream in(text);
    for (std::string word; in >> word;) {
      if (word.size() == 2 && word[0] == 'T' && step.verb.empty())
        step.who = {static_cast<uint64_t>(word[1] - '0'), 7};
      else if (word[0] == '@')
        step.epoch = Epoch{std::stoull(word.substr(1))};
      else if (word.starts_with("<="))
        step.until = Epoch{std::stoull(word.substr(2))};
      else if (word[0] == '^')
        step.clock = Epoch{std::stoull(word.substr(1))};
      else if (step.verb.empty())
        step.verb = word;
      else
        step.words.push_back(word);
    }
    if (step.words.empty()) return step;
    const size_t slash = step.words[0].find('/');
    step.dkey = step.words[0].substr(0, slash);
    if (slash != std::string::npos) step.akey = step.words[0].substr(slash + 1);
    return step;
  }

  template <class T>
  std::string failure(const Result<T>& result) {
    const Conflict& conflict = store->last_conflict();
    if (result.code() == Code::kInProgress)
      return "in progress T" + std::to_string(conflict.transaction.low);
    if (result.code() == Code::kTransactionRestart)
      return "restart " + std::to_string(conflict.restart_at.value);
    return code_name(result.code());
  }
  template <class T>
  std::string done(const Result<T>& result) {
    return result.ok() ? "ok" : failure(result);
  }

  std::string run(const Step& step) {
    if (step.verb == "reopen") {
      reopen();
      return "ok";
    }
    if (step.verb == "commit") return done(store->commit(*container, step.who));
    if (step.verb == "abort") return done(store->abort(*container, step.who));
    if (step.verb == "forget") return done(store->forget(*container, {&step.who, 1}));
    if (step.verb == "status") {
      constexpr const char* kNames[] = {"unknown", "prepared", "committed", "aborted"};
      return std::string("= ") + kNames[static_cast<int>(store->status(*container, step.who))];
    }
    if (step.verb == "punch") return run_punch(step);
    static const std::map<std::string, uint64_t> kUpdates = {{"put", 0},
                                                             {"write", 0},
                                                             {"clear", 0},
                                                             {"insert", kCondAkeyInsert},
                                                             {"create", kCondDkeyInsert},
                                                             {"replace", kCondAkeyUpdate}};
    const auto update = kUpdates.find(step.verb);
    if (update != kUpdates.end()) return run_update(step, update->second);
    if (step.verb == "get" || step.verb == "read") return run_fetch(step);
    if (step.verb == "list" || step.verb == "objects" || step.verb == "ranges")
      return run_list(step);
    QueryFlags flags;
    flags.max_recx = step.verb == "end";
    if (!flags.max_recx && step.verb != "newest") return "no such step: " + step.verb;
    const auto found = store->query(*container, kLexicalOid, step.read_at(), as_bytes(step.dkey),
                                    as_bytes(step.akey), flags);
    if (!found.ok()) return failure(found);
    return "= " + std::to_string(flags.max_recx ? found->recx_index + found->recx_count
                                                : found->max_epoch.value);
  }

  std::string run_update(const Step& step, uint64_t conditions) {
    AkeyUpdate akey;
    akey.akey = as_bytes(step.akey);
    ArrayPiece piece;
    const std::string& text = step.words.back();
    if (step.verb == "write" || step.verb == "clear") {
      akey.kind = ValueKind::kArray;
      piece.index = std::stoull(step.words[1]);
      piece.count = step.verb == "clear" ? std::stoull(text) : text.size();
      if (step.verb == "write") piece.data = {text.size(), as_bytes(text), {}, {}};
      akey.pieces = {&piece, 1};
    } else {
      akey.single = {text.size(), as_bytes(text), {}, {}};
    }
    return done(store->update(*container, {kLexicalOid, step.epoch, as_bytes(step.dkey),
                                           conditions, {&akey, 1}, step.who, step.until}));
  }

  std::string run_punch(const Step& step) {
    Punch punch;
    punch.oid = kLexicalOid;
    punch.epoch = step.epoch;
    punch.transaction = step.who;
    punch.uncertain_until = step.until;
    punch.dkey = as_bytes(step.dkey);
    const ByteView akey = as_bytes(step.akey);
    if (!step.dkey.empty()) punch.scope = Punch::Scope::kDkey;
    if (!step.akey.empty()) {
      punch.scope = Punch::Scope::kAkeys;
      punch.akeys = {&akey, 1};
    }
    return done(store->punch(*container, punch));
  }

  std::string run_fetch(const Step& step) {
    AkeyFetch akey;
    akey.akey = as_bytes(step.akey);
    std::pair<uint64_t, uint64_t> range;
    if (step.verb == "read") {
      akey.kind = ValueKind::kArray;
      range = {std::stoull(step.words[1]), std::stoull(step.words[2])};
      akey.ranges = {&range, 1};
    }
    Fetch fetch{kLexicalOid, step.epoch, as_bytes(step.dkey), 0, {&akey, 1}, step.who, step.until,
                step.clock};
    const Result<void> result = store->fetch(*container, fetch);
    if (!result.ok()) return failure(result);
    std::string text;
    for (const FoundPiece& piece : akey.pieces)
      text += piece.kind == FoundPiece::Kind::kHole ? std::string(piece.length, '.')
                                                    : std::string(as_text(piece.bytes));
    return akey.found ? "= " + text : "= nothing";
  }

  std::string run_list(const Step& step) {
    std::string text = "=";
    Anchor anchor;
    if (step.verb == "objects") {
      const auto found = store->list_objects(*container, step.read_at(), anchor, 100);
      return found.ok() ? "= " + std::to_string(found->size()) : failure(found);
    }
    if (step.verb == "ranges") {
      const auto found = store->list_ranges(*container, kLexicalOid, as_bytes(step.dkey),
                                            as_bytes(step.akey), step.read_at(), anchor, 100);
      if (!found.ok()) return failure(found);
      for (const ListedRange& range : *found)
        text += " " + std::to_string(range.index) + "+" + std::to_string(range.count);
      return text;
    }
    const auto found =
        step.dkey.empty()
            ? store->list_dkeys(*container, kLexicalOid, step.read_at(), anchor, 100)
            : store->list_akeys(*container, kLexicalOid, as_bytes(step.dkey), step.read_at(),
                                anchor, 100);
    if (!found.ok()) return failure(found);
    for (const ListedKey& key : *found) text += " " + std::string(as_text(key.key));
    return text;
  }

  // What words in the third column stand for.
  static std::string outcome_of(const std::string& result) {
    if (result == "ok") return "done";
    if (result.starts_with("= ")) return "answered";
    if (result.starts_with("restart ")) return "restart";
    if (result.starts_with("in progress T")) return "in progress";
    return "refused";
  }
};

TEST_P(MvccTest, RowIsTrue) {
  const Row& row = GetParam();
  SCOPED_TRACE("docs/internals/mvcc.md:" + std::to_string(row.line) + ": " + row.operation + ", " +
               row.meets);
  ASSERT_GE(row.steps.size(), 2u);
  for (size_t i = 0; i + 2 < row.steps.size(); ++i) {
    const std::string result = run(parse(row.steps[i]));
    const bool fails_as_meant = row.steps[i].find("replace") != std::string::npos;
    EXPECT_TRUE(result == "ok" || result.starts_with("=") || fails_as_meant)
        << row.steps[i] << " gives " << result;
  }
  const std::string result = run(parse(row.steps[row.steps.size() - 2]));
  EXPECT_EQ(result, row.steps.back());
  EXPECT_EQ(outcome_of(result), row.outcome);
}

INSTANTIATE_TEST_SUITE_P(Table, MvccTest, testing::ValuesIn(read_table()),
                         [](const testing::TestParamInfo<Row>& info) {
                           return "line" + std::to_string(info.param.line);
                         });

TEST(MvccTable, IsThere) {
  const std::vector<Row> rows = read_table();
  EXPECT_GT(rows.size(), 100u);
  std::set<std::string> outcomes;
  for (const Row& row : rows) outcomes.insert(row.outcome);
  EXPECT_EQ(outcomes.size(), 5u);
}

}  // namespace
}  // namespace varve::store
