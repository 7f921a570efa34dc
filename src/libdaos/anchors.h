// Parts of listings, and listings from a key on: for the C libraries' anchors.
#pragma once

#include "libdaos/convert.h"

namespace varve::libdaos {

// How many parts a listing of the object's dkeys is cut into where `wanted` were asked for (0: as
// many as there are groups).
uint32_t listing_parts(const client::Object& object, uint32_t wanted);
// anchors[i] lists part i of them: whatever is written meanwhile, the parts stay disjoint and
// together are the whole. Whole groups; where there are more parts than groups, ranges of a group's
// keys: of hashes, or between the lowest and the highest key that are there now.
Task<Result<void>> split_listing(client::Session& session, const client::Object& object,
                                 std::span<daos_anchor_t> anchors);
// Only what the anchor's part of a listing of dkeys spans.
void bound_groups(client::Object& object, const daos_anchor_t& anchor);
// An anchor from which a listing begins with the dkey (no akey given), or with the akey under it.
// kNonexistent if it is not there.
Task<Result<daos_anchor_t>> anchor_at(client::Session& session, const client::Object& object,
                                      ByteView dkey, ByteView akey);

}  // namespace varve::libdaos
