#include "simulation/transaction_model.h"

#include <algorithm>

namespace varve::simulation {

using Kind = ModelOperation::Kind;

void ModelReads::note(const ModelPlace& place, uint64_t epoch, TransactionId reader) {
  reads_.push_back({place, epoch, reader});
  note_perhaps(epoch);
}

bool ModelReads::forbids(const ModelPlace& place, uint64_t epoch, TransactionId writer) const {
  if (!writer.is_null() && epoch <= low_water_) return true;
  return std::any_of(reads_.begin(), reads_.end(), [&](const Read& read) {
    // Two without a transaction do not mind each other.
    return read.epoch >= epoch && read.reader != writer && overlap(read.place, place);
  });
}

std::vector<ModelPlace> TransactionModel::named(const ModelOperation& operation) {
  if (operation.kind == Kind::kPunchObject) return {{operation.oid}};
  if (operation.kind == Kind::kPunchDkey) return {{operation.oid, operation.dkey}};
  std::vector<ModelPlace> places;
  for (const ModelAkeyUpdate& update : operation.akeys) {
    const ModelPlace akey{operation.oid, operation.dkey, update.akey};
    if (update.pieces.empty()) places.push_back(akey);
    for (const ModelPiece& piece : update.pieces) {
      places.push_back(akey);
      places.back().begin = piece.index;
      places.back().end = piece.index + piece.count;
    }
  }
  return places;
}

bool TransactionModel::looks_at_dkey(const ModelOperation& operation) {
  return operation.kind == Kind::kUpdate &&
         (operation.conditions & (kCondDkeyInsert | kCondDkeyUpdate));
}

bool TransactionModel::committed_in(const ModelPlace& place, uint64_t above,
                                    uint64_t until) const {
  const std::set<uint64_t> epochs = committed_.epochs_at(place);
  const auto first = epochs.upper_bound(above);
  return first != epochs.end() && *first <= until;
}

bool TransactionModel::prepared_in(const ModelPlace& place, uint64_t above, uint64_t until,
                                   TransactionId reader) const {
  for (const auto& [id, other] : prepared_) {
    if (id == reader || other.epoch <= above || other.epoch > until) continue;
    for (const ModelPlace& written : other.places)
      if (overlap(place, written)) return true;
  }
  return false;
}

std::vector<ReferenceModel> TransactionModel::worlds(uint64_t epoch, TransactionId reader) const {
  std::vector<ReferenceModel> all = {committed_};
  const auto come_true = [](ReferenceModel& world, const Prepared& transaction) {
    for (const ModelOperation& operation : transaction.operations) world.apply(operation);
  };
  for (const auto& [id, transaction] : prepared_) {
    if (transaction.operations.empty()) continue;
    if (id == reader) {
      for (ReferenceModel& world : all) come_true(world, transaction);
    } else if (transaction.epoch <= epoch) {
      const size_t count = all.size();
      for (size_t i = 0; i < count; ++i) {
        all.push_back(all[i]);
        come_true(all.back(), transaction);
      }
    }
  }
  return all;
}

std::map<TransactionId, uint64_t> TransactionModel::prepared() const {
  std::map<TransactionId, uint64_t> epochs;
  for (const auto& [id, transaction] : prepared_) epochs[id] = transaction.epoch;
  return epochs;
}

TransactionState TransactionModel::status(TransactionId id) const {
  if (prepared_.contains(id)) return TransactionState::kPrepared;
  const auto found = decided_.find(id);
  return found == decided_.end() ? TransactionState::kUnknown : found->second;
}

std::vector<Code> TransactionModel::acceptable_decision(const ModelOperation& operation) const {
  const TransactionState state = status(operation.transaction);
  switch (operation.kind) {
    case Kind::kCommit:
      if (state == TransactionState::kUnknown) return {Code::kNonexistent};
      return {state == TransactionState::kAborted ? Code::kCanceled : Code::kOk};
    case Kind::kAbort:
      return {state == TransactionState::kCommitted ? Code::kAlready : Code::kOk};
    default:
      return {state == TransactionState::kPrepared ? Code::kBusy : Code::kOk};
  }
}

std::vector<Code> TransactionModel::acceptable(const ModelOperation& operation,
                                               const ModelReads& reads) const {
  const TransactionId id = operation.transaction;
  if (operation.kind == Kind::kRollback) {
    if (!prepared_.empty()) return {Code::kInProgress};
    if (reads.perhaps(operation.epoch)) return {Code::kOk, Code::kTransactionRestart};
    return {Code::kOk};
  }
  if (operation.kind >= Kind::kCommit) return acceptable_decision(operation);
  if (status(id) == TransactionState::kAborted) return {Code::kTransactionRestart};
  const auto own = prepared_.find(id);
  if (own != prepared_.end() && own->second.epoch != operation.epoch) return {Code::kInvalid};
  if (status(id) == TransactionState::kCommitted) return {Code::kAlready, Code::kInvalid};
  return acceptable_write(operation, reads);
}

std::vector<Code> TransactionModel::acceptable_write(const ModelOperation& operation,
                                                     const ModelReads& reads) const {
  const TransactionId id = operation.transaction;
  const uint64_t epoch = operation.epoch;
  const std::vector<ModelPlace> places = named(operation);
  const uint64_t until = id.is_null() ? operation.uncertain_until : ~0ULL;
  for (const ModelPlace& place : places)
    if (prepared_in(place, 0, ~0ULL, id)) return {Code::kInProgress};
  for (const ModelPlace& place : places)
    if (committed_in(place, epoch - 1, until)) return {Code::kTransactionRestart};
  // Whether it may be done, and what it finds: the same in every world?
  const std::vector<ReferenceModel> all = worlds(epoch, id);
  for (const ReferenceModel& world : all)
    if (world.check(operation) != all[0].check(operation) ||
        world.footprint(operation) != all[0].footprint(operation))
      return {Code::kInProgress};
  std::vector<Code> codes;
  const auto also = [&](Code code) {
    codes.push_back(code);
    if (prepared_in({operation.oid}, 0, epoch, id)) codes.push_back(Code::kInProgress);
    return codes;
  };
  const ModelPlace dkey{operation.oid, operation.dkey};
  if (looks_at_dkey(operation)) {
    if (prepared_in(dkey, epoch, operation.uncertain_until, id)) return {Code::kInProgress};
    if (committed_in(dkey, epoch, operation.uncertain_until)) return also(Code::kTransactionRestart);
  }
  if (const Code code = all[0].check(operation); code != Code::kOk) return also(code);
  const bool writes =
      operation.kind == Kind::kUpdate || !all[0].footprint(operation).empty();
  if (writes) {
    for (const ModelPlace& place : places)
      if (reads.forbids(place, epoch, id)) return also(Code::kTransactionRestart);
  }
  ReferenceModel copy = committed_;
  also(id.is_null() ? copy.apply(operation) : Code::kOk);
  if (writes && reads.perhaps(epoch)) codes.push_back(Code::kTransactionRestart);
  return codes;
}

void TransactionModel::note_reads(const ModelOperation& operation, Code code, ModelReads& reads) {
  if (operation.kind >= Kind::kRollback) return;
  reads.note_perhaps(operation.epoch);
  if (code != Code::kOk && code != Code::kExists && code != Code::kNonexistent) return;
  const bool punches = std::any_of(
      operation.akeys.begin(), operation.akeys.end(), [](const ModelAkeyUpdate& update) {
        if (update.pieces.empty()) return update.value.empty();
        return std::any_of(update.pieces.begin(), update.pieces.end(),
                           [](const ModelPiece& piece) { return piece.bytes.empty(); });
      });
  if (operation.kind == Kind::kUpdate && operation.conditions == 0 && !punches) return;
  if (looks_at_dkey(operation))
    reads.note({operation.oid, operation.dkey}, operation.epoch, operation.transaction);
  for (ModelPlace place : named(operation)) {
    place.begin = 0;
    place.end = ~0ULL;
    reads.note(place, operation.epoch, operation.transaction);
  }
}

// Only what it finds to do is kept: it will not be asked again.
void TransactionModel::prepare(const ModelOperation& operation) {
  const ReferenceModel world = worlds(0, operation.transaction).front();
  Prepared& transaction = prepared_[operation.transaction];
  transaction.epoch = operation.epoch;
  const std::vector<ModelPlace> places = world.footprint(operation);
  ModelOperation kept = operation;
  kept.prepared_minor = transaction.requests++;
  kept.akeys.clear();
  for (ModelAkeyUpdate update : operation.akeys) {
    const auto finds = [&](const ModelPlace& place) {
      return std::find(places.begin(), places.end(), place) != places.end();
    };
    const ModelPlace akey{operation.oid, operation.dkey, update.akey};
    const bool whole = update.pieces.empty();
    std::erase_if(update.pieces, [&](const ModelPiece& piece) {
      return !finds({akey.oid, akey.dkey, akey.akey, piece.index, piece.index + piece.count});
    });
    if (whole ? finds(akey) : !update.pieces.empty()) kept.akeys.push_back(std::move(update));
  }
  if (places.empty()) return;
  transaction.operations.push_back(std::move(kept));
  transaction.places.insert(transaction.places.end(), places.begin(), places.end());
}

Code TransactionModel::apply(const ModelOperation& operation) {
  const TransactionId id = operation.transaction;
  if (operation.kind == Kind::kForget) {
    decided_.erase(id);
  } else if (operation.kind == Kind::kCommit || operation.kind == Kind::kAbort) {
    const auto found = prepared_.find(id);
    if (found == prepared_.end()) return Code::kOk;
    const bool commits = operation.kind == Kind::kCommit;
    if (commits)
      for (const ModelOperation& one : found->second.operations) committed_.apply(one);
    decided_[id] = commits ? TransactionState::kCommitted : TransactionState::kAborted;
    prepared_.erase(found);
  } else if (id.is_null()) {
    return committed_.apply(operation);
  } else {
    prepare(operation);
  }
  return Code::kOk;
}

}  // namespace varve::simulation
