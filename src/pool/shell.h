// What the pool and the container service share: one turn at a time for what changes something, the
// first results of operations, and how a message becomes a call and its result a reply.
#pragma once

#include "base/log.h"
#include "consensus/key_value.h"
#include "consensus/operations.h"
#include "pool/decision.h"
#include "pool/targets.h"
#include "rpc/rpc.h"
#include "runtime/wait.h"
#include "security/names.h"

namespace varve::pool {

// Who asks, and until when.
struct Caller {
  uint32_t uid = 0xfffffffe, gid = 0xfffffffe;  // of nobody, where the transport cannot tell
  Instant deadline;
  bool known = false;  // the transport tells who it is
};

// call(target) -> Task<Result<T>> on each target side by side; all results, in order.
template <class T, class Call>
Task<std::vector<Result<T>>> on_each(uint32_t targets, const Call& call) {
  std::vector<Task<Result<T>>> tasks;
  for (uint32_t target = 0; target < targets; ++target) tasks.push_back(call(target));
  co_return co_await when_all(std::move(tasks));
}
// The first error, naming its target; success if all succeeded.
inline Result<void> all_of(std::vector<Result<void>>& results) {
  for (size_t target = 0; target < results.size(); ++target)
    if (!results[target].ok())
      return std::move(results[target].error()).with("target " + std::to_string(target));
  return {};
}

class Shell {
 public:
  // All outlive the shell. `names` also say who is an administrator.
  Shell(consensus::KeyValue& store, Executor& executor, security::Names& names, Targets& targets)
      : store(store), executor(executor), operations(store), names(names), targets(targets) {}

  Context context(const Caller& caller) {
    const uint64_t high = executor.random().next();
    Context context{executor.clock().wall_ns(), Uuid::from_random(high, executor.random().next()), caller.uid,
                    caller.gid};
    context.trusted = !caller.known || names.is_administrator(caller.uid);
    // Further groups matter only where a list is asked.
    if (context.trusted) context.who = {names.user(caller.uid), {names.group(caller.gid)}};
    else context.who = names.identity(caller.uid, caller.gid);
    return context;
  }
  // kTimedOut if the caller's deadline passes first. Only one holds the turn.
  Task<Result<void>> take_turn(Caller caller) {
    const bool got = co_await turn.acquire(1, caller.deadline);
    if (!got)
      co_return Error(Code::kTimedOut, "the service was busy with an earlier operation until the deadline; try again");
    co_return Result<void>();
  }
  // Commits the batch together with the operation's result. In the caller's turn.
  Task<Result<void>> commit(Batch batch, OperationId operation, uint16_t kind, Buffer reply) {
    operations.record(batch, operation.client, operation.sequence, kind, executor.clock().wall_ns(), reply);
    auto committed = co_await commit(std::move(batch));
    if (committed.ok()) operations.recorded();
    co_return committed;
  }
  // Without an operation's result. When it ends, every target refuses the container handles that it closes.
  Task<Result<void>> commit(Batch batch) {
    const std::vector<Uuid> closed = closed_handles(batch);
    VARVE_CO_CHECK(co_await store.commit(std::move(batch)));
    if (closed.empty()) co_return Result<void>();
    const auto one = [&](uint32_t target) { return targets.close_handles(target, closed); };
    auto results = co_await on_each<void>(targets.count(), one);
    co_return all_of(results);
  }

  // A whole operation that needs no target: the turn, the first result if it is resent, decide(), commit.
  // decide: () -> Result<std::pair<Batch, Buffer>>, called in the turn.
  template <class Decide>
  Task<Result<Buffer>> change(Caller caller, OperationId operation, uint16_t kind, Decide decide) {
    VARVE_CO_CHECK(co_await take_turn(caller));
    Turn held(turn);
    VARVE_CO_TRY(const Buffer* first, operations.find(operation.client, operation.sequence, kind));
    if (first) co_return *first;
    auto decided = decide();
    if (!decided.ok()) co_return std::move(decided.error());
    Buffer reply = std::move(decided->second);
    VARVE_CO_CHECK(co_await commit(std::move(decided->first), operation, kind, reply));
    co_return std::move(reply);
  }

  // Gives the turn back.
  struct Turn {
    explicit Turn(Semaphore& turn) : turn(turn) {}
    Turn(const Turn&) = delete;
    ~Turn() { turn.release(); }
    Semaphore& turn;
  };

  consensus::KeyValue& store;
  Executor& executor;
  consensus::Operations operations;
  security::Names& names;
  Targets& targets;
  Semaphore turn{1};
};

template <class Service, class Message>
Task<void> answer(Service& service, Task<Result<Buffer>> (Service::*method)(Message, Caller), rpc::Request& request) {
  auto message = decode<Message>(request.body());
  if (!message.ok()) {
    request.fail(message.error());
    co_return;
  }
  Caller caller;
  caller.deadline = request.deadline();
  if (request.identity().known) {
    caller.known = true;
    caller.uid = request.identity().uid;
    caller.gid = request.identity().gid;
  }
  auto result = co_await (service.*method)(std::move(*message), caller);
  if (!result.ok()) request.fail(result.error());
  else if (result->size() > rpc::kBodyBytesMax)
    request.fail(Error(Code::kOverflow, "the answer has " + std::to_string(result->size()) +
                                            " bytes and does not fit a message; ask for less at a time"));
  else request.reply_now(*result);
}

// Has `method` answer requests of this opcode. The service outlives the node.
template <class Service, class Message>
void serve(rpc::Node& node, rpc::Opcode opcode, Service& service,
           Task<Result<Buffer>> (Service::*method)(Message, Caller)) {
  node.handle(opcode, [&service, method](rpc::Request& request) { return answer(service, method, request); });
}

}  // namespace varve::pool
