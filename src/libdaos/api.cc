// daos_api.h: transactions (snapshots to read from; no others yet), times of epochs, lists of
// ranks.
#include "daos_api.h"

#include <charconv>
#include <cstring>

#include "libdaos/convert.h"
#include "libdaos/transactions.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {

Result<Epoch> read_epoch(daos_handle_t transaction) {
  if (daos_handle_is_inval(transaction)) return kEpochMax;
  const auto found = find<Transaction>(Kind::kTransaction, transaction);
  if (!found) return Error(Code::kNoHandle, "the transaction handle is closed or was never opened");
  return found->snapshot;
}

Result<void> check_writable(daos_handle_t transaction) {
  if (daos_handle_is_inval(transaction)) return {};
  VARVE_TRY(const Epoch epoch, read_epoch(transaction));
  return Error(Code::kNoPermission, "the transaction reads snapshot " +
                                        std::to_string(epoch.value) +
                                        "; nothing can be written in it");
}

}  // namespace varve::libdaos

int daos_tx_open_snap(daos_handle_t coh, daos_epoch_t epoch, daos_handle_t* th, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!th || epoch == 0) return code(Code::kInvalid);
  return run(ev, [container = *container, epoch, th](client::Session&) -> Task<int> {
    *th = register_handle(Kind::kTransaction,
                          std::make_shared<Transaction>(Transaction{container, {epoch}}));
    co_return 0;
  });
}

int daos_tx_close(daos_handle_t th, daos_event_t* ev) {
  if (!close_handle(Kind::kTransaction, th)) return code(Code::kNoHandle);
  return run(ev, [](client::Session&) -> Task<int> { co_return 0; });
}

int daos_tx_hdl2epoch(daos_handle_t th, daos_epoch_t* epoch) {
  if (!epoch || daos_handle_is_inval(th)) return code(Code::kInvalid);
  const Result<Epoch> read = read_epoch(th);
  if (!read) return failure(read.error());
  *epoch = read->value;
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
