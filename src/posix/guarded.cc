#include "posix/guarded.h"

#include "posix/layout.h"

namespace varve::posix {
namespace {

constexpr std::string_view kValueKey = "v", kGenerationPrefix = "g:";
constexpr std::byte kOne{1};

std::string generation_key(uint64_t generation) {
  return std::string(kGenerationPrefix) + std::string(as_text(bytes_of(generation)));
}

}  // namespace

Task<Result<Guarded>> read_guarded(client::Session& session, const client::Object& object,
                                   ByteView dkey) {
  Buffer room(256);
  for (;;) {
    const MutableByteView view = room;
    client::IoDescriptor descriptor;
    descriptor.akey = as_bytes(kValueKey);
    descriptor.into = Scatter(&view, 1);
    Result<void> fetched = co_await session.fetch(object, dkey, 0, only(descriptor));
    if (fetched.code() == Code::kNonexistent) co_return Guarded{};
    if (!fetched && fetched.code() != Code::kRecordTooBig) co_return std::move(fetched.error());
    const uint64_t length = descriptor.record_size;
    if (length == 0) co_return Guarded{};
    Guarded found;
    if (length < sizeof found.generation || length > 2 * kGiB)
      co_return Error(Code::kBadFormat, "a guarded value is damaged: its length is wrong");
    if (!fetched || length > room.size()) {
      room.resize(length);
      continue;
    }
    std::memcpy(&found.generation, room.data(), sizeof found.generation);
    if (found.generation == 0)
      co_return Error(Code::kBadFormat, "a guarded value is damaged: it has no generation");
    found.value.assign(room.begin() + sizeof found.generation,
                       room.begin() + static_cast<ptrdiff_t>(length));
    co_return found;
  }
}

Task<Result<bool>> replace_guarded(client::Session& session, const client::Object& object,
                                   ByteView dkey, Guarded& seen, Buffer value,
                                   std::vector<client::IoDescriptor> together) {
  // Random: a generation that was there before a truncation must not come again.
  uint64_t generation = 0;
  while (generation == 0 || generation == seen.generation)
    generation = session.executor().random().next();
  Buffer stored(sizeof generation + value.size());
  std::memcpy(stored.data(), &generation, sizeof generation);
  std::copy(value.begin(), value.end(), stored.begin() + sizeof generation);
  const std::string old_key = generation_key(seen.generation), new_key = generation_key(generation);
  const ByteView nothing, one(&kOne, 1), stored_view = stored;
  together.push_back(single_value(kValueKey, stored_view));
  if (seen.generation == 0) together.back().conditions = store::kCondAkeyInsert;
  together.push_back(single_value(new_key, one));
  if (seen.generation != 0) {
    together.push_back(single_value(old_key, nothing));
    together.back().conditions = store::kCondAkeyUpdate;
  }
  Result<Epoch> updated = co_await session.update(object, dkey, store::kCondPerAkey, together);
  const bool refused = updated.code() == Code::kExists || updated.code() == Code::kNonexistent;
  if (!updated && !refused) co_return std::move(updated.error());
  if (refused) {
    // It may be our own doing, whose answer was lost on its way.
    VARVE_CO_TRY(const Guarded now, co_await read_guarded(session, object, dkey));
    if (now.generation != generation) co_return false;
  }
  seen = {generation, std::move(value)};
  co_return true;
}

}  // namespace varve::posix
