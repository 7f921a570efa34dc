// Names of what a store holds: pool/container/object/dkey/akey, each by name or as [N], the Nth of its level.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "inspect/store_walk.h"

namespace varve::inspect {

enum Level : uint8_t { kPoolLevel, kContainerLevel, kObjectLevel, kDkeyLevel, kAkeyLevel, kValueLevel };

class Path {
 public:
  // kInvalid says what a path looks like.
  static Result<Path> parse(const std::string& text);
  size_t size() const { return parts_.size(); }
  // UUIDs also match by their beginning, of 4 letters or more.
  bool matches(size_t level, const std::string& name, uint64_t index) const;
  const std::string& part(size_t level) const { return parts_[level]; }

 private:
  std::vector<std::string> parts_;
};

// Walks down to what a path names. entry() sees it (`chosen`) and what lies below it; true there: go on below.
class PathVisitor : public Visitor {
 public:
  explicit PathVisitor(const Path& path) : path_(path) {}
  bool found() const { return found_; }

 protected:
  struct Here {
    Level level;
    bool chosen;  // it is what the path names
    uint64_t index;
    std::string name;
  };
  virtual bool entry(const Here& here, const Place& place) = 0;
  // Of the akey that the path names, or of what lies below what it names.
  virtual void value(const Place&, const FoundVersion&) {}
  virtual void value(const Place&, const FoundExtent&) {}
  virtual void punched(const Place&, const store::RangePunchRecord&) {}
  virtual void punched(const Place&, const store::PunchRecord&) {}

 private:
  bool step(Level level, const std::string& name, const Place& place);
  bool pool(const FoundPool& pool) override;
  bool container(const Place& place, const FoundContainer& container) override;
  bool object(const Place& place, const FoundObject& object) override;
  bool dkey(const Place& place, const FoundDkey& dkey) override;
  bool akey(const Place& place, const FoundAkey& akey) override;
  void version(const Place& place, const FoundVersion& found) override { value(place, found); }
  void extent(const Place& place, const FoundExtent& found) override { value(place, found); }
  void range_punch(const Place& place, const store::RangePunchRecord& found) override {
    punched(place, found);
  }
  void punch(const Place& place, const store::PunchRecord& found) override {
    const size_t level = place.dkey ? kDkeyLevel : kObjectLevel;
    if (level + 1 >= path_.size()) punched(place, found);
  }

  const Path path_;
  uint64_t counters_[kValueLevel + 1] = {};
  bool found_ = false;
};

}  // namespace varve::inspect
