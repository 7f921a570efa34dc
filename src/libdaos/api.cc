// daos_api.h: transactions (those that read; no others yet), times of epochs, lists of
// ranks.
#include "daos_api.h"

#include <charconv>
#include <cstring>

#include "libdaos/convert.h"
#include "libdaos/not_implemented.h"
#include "libdaos/transactions.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {

Result<std::shared_ptr<Transaction>> transaction_of(daos_handle_t handle) {
  auto found = find<Transaction>(Kind::kTransaction, handle);
  if (!found) return Error(Code::kNoHandle, "the transaction handle is closed or was never opened");
  return found;
}

Result<Epoch> read_epoch(daos_handle_t transaction) {
  if (daos_handle_is_inval(transaction)) return kEpochMax;
  VARVE_TRY(const auto found, transaction_of(transaction));
  if (found->ended)
    return Error(Code::kNoPermission, "the transaction has ended: restart it, or open another");
  return Epoch{found->epoch};
}

Result<void> check_writable(daos_handle_t transaction) {
  if (daos_handle_is_inval(transaction)) return {};
  VARVE_TRY(const auto found, transaction_of(transaction));
  return Error(Code::kNoPermission,
               found->of_snapshot
                   ? "the transaction reads snapshot " + std::to_string(found->epoch) +
                         "; nothing can be written in it"
                   : "the transaction was opened for reading only; nothing can be written in it");
}

}  // namespace varve::libdaos

namespace {

// Of a transaction that only reads, commit and abort are one: its reads are over.
int end_transaction(daos_handle_t th, daos_event_t* ev) {
  const auto transaction = transaction_of(th);
  if (!transaction) return failure(transaction.error());
  return run(ev, [transaction = *transaction](client::Session&) -> Task<int> {
    transaction->ended = true;
    co_return 0;
  });
}

}  // namespace

// All reads of it see one epoch, for as long as it reads at least once a minute. Transactions that
// write are not there yet.
int daos_tx_open(daos_handle_t coh, daos_handle_t* th, uint64_t flags, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!th || (flags & ~uint64_t{DAOS_TF_RDONLY | DAOS_TF_ZERO_COPY})) return code(Code::kInvalid);
  if (!(flags & DAOS_TF_RDONLY)) return not_implemented("daos_tx_open without DAOS_TF_RDONLY");
  return run(ev, [container = *container, th](client::Session& session) -> Task<int> {
    const Result<Epoch> epoch = co_await session.hold_epoch(container);
    if (!epoch) co_return failure(epoch.error());
    *th = register_handle(Kind::kTransaction,
                          std::make_shared<Transaction>(container, *epoch, false));
    co_return 0;
  });
}

int daos_tx_open_snap(daos_handle_t coh, daos_epoch_t epoch, daos_handle_t* th, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!th || epoch == 0) return code(Code::kInvalid);
  return run(ev, [container = *container, epoch, th](client::Session&) -> Task<int> {
    *th = register_handle(Kind::kTransaction,
                          std::make_shared<Transaction>(container, Epoch{epoch}, true));
    co_return 0;
  });
}

int daos_tx_commit(daos_handle_t th, daos_event_t* ev) { return end_transaction(th, ev); }
int daos_tx_abort(daos_handle_t th, daos_event_t* ev) { return end_transaction(th, ev); }

// A transaction of a snapshot reads the same again; others see what is there by now.
int daos_tx_restart(daos_handle_t th, daos_event_t* ev) {
  const auto transaction = transaction_of(th);
  if (!transaction) return failure(transaction.error());
  return run(ev, [transaction = *transaction](client::Session& session) -> Task<int> {
    if (!transaction->of_snapshot) {
      const Result<Epoch> epoch = co_await session.hold_epoch(transaction->container);
      if (!epoch) co_return failure(epoch.error());
      transaction->epoch = epoch->value;
    }
    transaction->ended = false;
    co_return 0;
  });
}

int daos_tx_close(daos_handle_t th, daos_event_t* ev) {
  if (!close_handle(Kind::kTransaction, th)) return code(Code::kNoHandle);
  return run(ev, [](client::Session&) -> Task<int> { co_return 0; });
}

int daos_tx_hdl2epoch(daos_handle_t th, daos_epoch_t* epoch) {
  if (!epoch || daos_handle_is_inval(th)) return code(Code::kInvalid);
  const auto transaction = transaction_of(th);
  if (!transaction) return failure(transaction.error());
  *epoch = (*transaction)->epoch;
  return 0;
}

int daos_hlc2timespec(uint64_t hlc, struct timespec* ts) {
  if (!ts) return code(Code::kInvalid);
  ts->tv_sec = static_cast<time_t>(hlc / 1'000'000'000);
  ts->tv_nsec = static_cast<long>(hlc % 1'000'000'000);
  return 0;
}

int daos_hlc2timestamp(uint64_t hlc, time_t* ts) {
  if (!ts) return code(Code::kInvalid);
  *ts = static_cast<time_t>(hlc / 1'000'000'000);
  return 0;
}

d_rank_list_t* daos_rank_list_parse(const char* str, const char* sep) {
  if (!str || !sep || !*sep) return nullptr;
  std::vector<d_rank_t> ranks;
  std::string_view rest = str;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find_first_of(sep), rest.size());
    d_rank_t rank = 0;
    const auto [stop, error] = std::from_chars(rest.data(), rest.data() + end, rank);
    if (error != std::errc() || stop != rest.data() + end) return nullptr;
    ranks.push_back(rank);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  auto* list = static_cast<d_rank_list_t*>(calloc(1, sizeof(d_rank_list_t)));
  auto* values =
      static_cast<d_rank_t*>(calloc(std::max<size_t>(ranks.size(), 1), sizeof(d_rank_t)));
  if (!list || !values) {
    free(list);
    free(values);
    return nullptr;
  }
  std::copy(ranks.begin(), ranks.end(), values);
  *list = {values, static_cast<uint32_t>(ranks.size())};
  return list;
}
