// What the store must agree with where transactions are about: docs/internals/mvcc.md over the
// reference model. A prepared transaction is a list of operations that may come true; a reader is
// right if what it is told holds in every world that can still be.
#pragma once

#include "store/reference_model.h"

namespace varve::simulation {

using namespace varve::store;

// What was read since the store was opened: exactly, where the store has a table of fixed size.
class ModelReads {
 public:
  void clear(uint64_t low_water) {
    reads_.clear();
    low_water_ = newest_ = low_water;
  }
  // `reader` null: nobody's transaction.
  void note(const ModelPlace& place, uint64_t epoch, TransactionId reader);
  // May have been noted: an answer was given only in part, or is not known.
  void note_perhaps(uint64_t epoch) { newest_ = std::max(newest_, epoch); }
  // Somebody's read forbids the write; `perhaps`: the table may think so.
  bool forbids(const ModelPlace& place, uint64_t epoch, TransactionId writer) const;
  bool perhaps(uint64_t epoch) const { return epoch <= newest_; }

 private:
  struct Read {
    ModelPlace place;
    uint64_t epoch;
    TransactionId reader;
  };
  std::vector<Read> reads_;
  uint64_t low_water_ = 0, newest_ = 0;
};

class TransactionModel {
 public:
  // What the store may answer; the first is what is expected where nothing is by chance.
  std::vector<Code> acceptable(const ModelOperation& operation, const ModelReads& reads) const;
  // Takes place: the store has said so.
  Code apply(const ModelOperation& operation);
  // Notes what the operation has read, the store having answered `code`.
  static void note_reads(const ModelOperation& operation, Code code, ModelReads& reads);

  // All that a reader at `epoch` may have to reckon with, its own operations always done. One: it
  // must get an answer.
  std::vector<ReferenceModel> worlds(uint64_t epoch, TransactionId reader = {}) const;
  // What was committed at epochs in (above, until] at a place; and whether others have prepared
  // something there, at those epochs.
  bool committed_in(const ModelPlace& place, uint64_t above, uint64_t until) const;
  bool prepared_in(const ModelPlace& place, uint64_t above, uint64_t until,
                   TransactionId reader) const;
  const ReferenceModel& committed() const { return committed_; }
  // Undecided ones, with their epochs.
  std::map<TransactionId, uint64_t> prepared() const;
  const std::map<TransactionId, TransactionState>& decided() const { return decided_; }
  TransactionState status(TransactionId id) const;

 private:
  struct Prepared {
    uint64_t epoch = 0;
    uint16_t requests = 0;
    std::vector<ModelOperation> operations;
    std::vector<ModelPlace> places;  // that they have written
  };
  static std::vector<ModelPlace> named(const ModelOperation& operation);
  static bool looks_at_dkey(const ModelOperation& operation);
  std::vector<Code> acceptable_decision(const ModelOperation& operation) const;
  std::vector<Code> acceptable_write(const ModelOperation& operation,
                                     const ModelReads& reads) const;
  void prepare(const ModelOperation& operation);

  ReferenceModel committed_;
  std::map<TransactionId, Prepared> prepared_;
  std::map<TransactionId, TransactionState> decided_;
};

}  // namespace varve::simulation
