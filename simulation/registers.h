// What the cluster's clients write: registers of several shapes, whose values show key and version and
// are checked to the last byte.
#pragma once

#include <vector>

#include "client/client.h"
#include "simulation/history.h"

namespace varve::simulation {

enum class Shape : uint8_t { kSingle, kArray, kPair };

// One register: an akey (two for kPair) under a dkey of an object.
struct Place {
  uint64_t number = 0;
  Shape shape = Shape::kSingle;
  ObjectId oid;
  std::string dkey;
  Register history;

  // Whether this version is a punch. Version 0, the absence of any, is one.
  bool is_punch(uint64_t version) const;
  uint64_t length(uint64_t version) const;
  Buffer value(uint64_t version, uint64_t part) const;
};

std::vector<Place> make_places(uint64_t count, uint64_t seed);

// The version whose value this is; kDataLoss (with the place of the first difference) if it is none's.
Result<uint64_t> version_of(const Place& place, ByteView value, uint64_t part);
// Nothing was found: the oldest punch that is at or above `begun`. kDataLoss if there is none.
Result<uint64_t> version_of_absence(const Place& place, uint64_t begun);

// Writes a version, or reads whichever is there. Errors of the session pass through.
Task<Result<void>> write_place(client::Session& session, const client::Object& object, const Place& place,
                               uint64_t version);
Task<Result<uint64_t>> read_place(client::Session& session, const client::Object& object, const Place& place,
                                  uint64_t begun);

}  // namespace varve::simulation
