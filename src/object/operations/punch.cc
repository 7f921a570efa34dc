#include "object/service.h"

namespace varve::object {

Result<block::Lsn> Service::punch_one(const PunchRequest& request, size_t dkey) {
  VARVE_TRY(store::Container * container, find(request.target, Access::kWrite));
  store::Punch punch;
  punch.scope = static_cast<store::Punch::Scope>(request.scope);
  punch.oid = request.target.oid;
  punch.conditions = request.conditions;
  if (request.scope != PunchScope::kObject) punch.dkey = request.dkeys[dkey];
  if (request.scope == PunchScope::kAkeys) punch.akeys = request.akeys;
  VARVE_TRY(punch.epoch, epoch_for(request.target));
  VARVE_TRY(const block::Lsn lsn, store_.punch(*container, punch));
  note_change();
  if (request.scope == PunchScope::kObject) recent_object_punch_ = std::max(recent_object_punch_, lsn);
  else note_write(request.target.oid, punch.dkey, lsn);
  return lsn;
}

Task<Result<void>> Service::punch_all(const PunchRequest& request) {
  const bool whole = request.scope == PunchScope::kObject;
  const bool akeys = request.scope == PunchScope::kAkeys;
  if (static_cast<uint8_t>(request.scope) > static_cast<uint8_t>(PunchScope::kAkeys) ||
      (!whole && request.dkeys.empty()) || (akeys && (request.dkeys.size() != 1 || request.akeys.empty())))
    co_return Error(Code::kInvalid, "a punch does not say what to punch; name dkeys, or one dkey and akeys");
  block::Lsn last;
  for (size_t dkey = 0; dkey < (whole ? 1 : request.dkeys.size()); ++dkey) {
    VARVE_CO_CHECK(co_await prepare_transaction(store::kSmallTransactionBytes + 8 * kKeyBytesMax));
    VARVE_CO_TRY(last, punch_one(request, dkey));
  }
  co_return co_await wait_until_durable(last);
}

Task<void> Service::punch(rpc::Request& request) {
  ++counters_.punches;
  auto message = decode<PunchRequest>(request.body());
  if (!message.ok()) {
    fail(request, message.error());
    co_return;
  }
  auto result = co_await punch_all(*message);
  if (result.ok()) request.reply_now(encode(PunchReply{seen_at(kEpochMax)}));
  else fail(request, result.error());
}

}  // namespace varve::object
