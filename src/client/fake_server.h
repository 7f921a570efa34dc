// A server for tests of the client: objects in a map, and faults on demand. Not a model of the real
// one.
#pragma once

#include <map>
#include <set>
#include <string>

#include "client/client.h"
#include "rpc/rpc.h"

namespace varve::client {

class FakeServer {
 public:
  FakeServer(Executor& executor, std::unique_ptr<rpc::Node> node,
             std::vector<std::string> addresses);

  // What the next requests of an opcode meet, first in first out.
  enum class Fault {
    kSilence,    // never answered
    kLostReply,  // executed, but never answered
    kStale,      // refused with kStale; the map's version rises
    kDamaged,    // fetches: a wrong byte in the data
    kShutdown,   // refused with kShutdown
  };
  void next(rpc::Opcode opcode, Fault fault) { faults_[opcode].push_back(fault); }
  uint64_t requests(rpc::Opcode opcode) const {
    const auto found = requests_.find(opcode);
    return found == requests_.end() ? 0 : found->second;
  }

  struct Value {
    object::ValueKind kind = object::ValueKind::kSingle;
    Buffer single;
    uint32_t record_size = 1;
    std::map<uint64_t, Buffer> records;  // arrays
  };
  using Key = std::pair<std::string, std::string>;  // dkey, akey
  std::map<ObjectId, std::map<Key, Value>> objects;

 private:
  Task<void> handle(rpc::Opcode opcode, rpc::Request& request);
  Task<void> serve(rpc::Opcode opcode, rpc::Request& request);
  Task<void> update(rpc::Request& request, bool answer);
  Task<void> fetch(rpc::Request& request, bool damage);
  void punch(rpc::Request& request, bool answer);
  void list(rpc::Request& request);

  Executor& executor_;
  placement::PoolMap map_;
  std::map<rpc::Opcode, std::vector<Fault>> faults_;
  std::map<rpc::Opcode, uint64_t> requests_;
  uint64_t epoch_ = 1000;
  std::unique_ptr<rpc::Node> node_;
};

}  // namespace varve::client
