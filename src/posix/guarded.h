// A value under a dkey of its own that clients change by comparing: each change names the generation
// that it saw, as an akey that must be there, and replaces it. Other records of the same dkey may be
// written in the same update. Nobody waits for anybody; who was late sees false and looks again.
#pragma once

#include "client/client.h"

namespace varve::posix {

struct Guarded {
  uint64_t generation = 0;  // 0: there is nothing
  Buffer value;
};

Task<Result<Guarded>> read_guarded(client::Session& session, const client::Object& object,
                                   ByteView dkey);
// Stores `value`, and `together`, if what is there is still `seen`, which then is the new one. False:
// it is not, and nothing was stored.
Task<Result<bool>> replace_guarded(client::Session& session, const client::Object& object,
                                   ByteView dkey, Guarded& seen, Buffer value,
                                   std::vector<client::IoDescriptor> together = {});

}  // namespace varve::posix
