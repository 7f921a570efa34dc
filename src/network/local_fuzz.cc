// A peer that writes anything at all into its side of the shared memory, while our side sends,
// receives and drops bulk data. Nothing may crash, hang, or stay under way after closing.
#include <sys/socket.h>

#include <cstdlib>

#include "base/coding.h"
#include "network/local_bulk.h"
#include "runtime/executor.h"

namespace varve::network::local {
namespace {

class FuzzHost final : public Host, public Receiver {
 public:
  Receiver& receiver() override { return *this; }
  void heat(LocalConnection& connection) override { connection.warm(); }
  void retire(LocalConnection&) override { retired = true; }
  void on_accepted(std::shared_ptr<Connection>) override {}
  void on_message(Connection&, ByteView message, std::unique_ptr<IncomingBulk> bulk) override {
    for (const std::byte byte : message) sum += static_cast<uint64_t>(byte);
    if (bulk) bulks.push_back(std::move(bulk));
  }
  void on_closed(Connection&, const Error&) override {}
  std::vector<std::unique_ptr<IncomingBulk>> bulks;
  volatile uint64_t sum = 0;
  bool retired = false;
};

struct Room {
  Buffer memory;
  MutableByteView view;
};

Task<void> receive(std::unique_ptr<IncomingBulk> bulk, uint64_t& under_way) {
  auto room = std::make_unique<Room>();
  room->memory.resize(bulk->size());
  room->view = room->memory;
  const Result<void> got = co_await bulk->receive({&room->view, 1}, kNever);
  (void)got.ok();
  --under_way;
}
Task<void> send(std::shared_ptr<LocalConnection> connection, ByteView data, uint64_t& under_way) {
  const Result<void> sent = co_await connection->send_with_bulk(Buffer(16), {&data, 1}, kNever);
  (void)sent.ok();
  --under_way;
}

void fuzz(Decoder input) {
  static const Buffer data(1 * kMiB);
  Executor executor(machine_clock(), 1);
  FuzzHost host;
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets) != 0) abort();
  const Descriptor peer(sockets[1]);
  auto made = Region::create();
  if (!made.ok()) abort();
  Region theirs = std::move(*Region::map(made->second));
  auto connection = std::make_shared<LocalConnection>(
      host, Region::Side::kEngine, std::move(made->first), Descriptor(sockets[0]), "local://fuzz");
  RingWriter writer(theirs.control(0), theirs.ring(0));
  uint64_t under_way = 0;
  while (input.ok() && !connection->closed()) {
    switch (input.get<uint8_t>() % 12) {
      case 0:
      case 1:
      case 2: {  // a well-formed record with any contents
        const auto kind = static_cast<Kind>(input.get<uint8_t>() % 9);
        const auto slot = input.get<uint8_t>();
        const auto length = static_cast<uint32_t>(input.get<uint16_t>());
        const uint64_t argument =
            input.get<uint8_t>() % 2 ? input.get<uint64_t>() : input.get<uint16_t>();
        const Buffer payload(kind == Kind::kMessage ? length : 0);
        if (writer.space_for(payload.size()) == RingWriter::Space::kFree)
          writer.write(kind, slot, length, argument, payload);
        break;
      }
      case 3: {  // anything anywhere in the ring
        const uint64_t at = input.get<uint32_t>() % (kRingBytes - 8);
        const auto word = input.get<uint64_t>();
        std::memcpy(theirs.ring(0) + at, &word, sizeof word);
        break;
      }
      case 4:
        theirs.control(1)->consumed = input.get<uint64_t>();
        break;
      case 5:
        theirs.control(0)->reader_asleep = input.get<uint8_t>();
        break;
      case 6:
        theirs.control(1)->writer_blocked = input.get<uint8_t>();
        break;
      case 7:
        ++under_way;
        executor.spawn(send(
            connection, ByteView(data).first(1 + input.get<uint32_t>() % data.size()), under_way));
        break;
      case 8:
        connection->send(Buffer(1 + input.get<uint16_t>()));
        break;
      case 9:
        if (host.bulks.empty()) break;
        if (host.bulks.back()->size() <= 8 * kMiB) {
          ++under_way;
          executor.spawn(receive(std::move(host.bulks.back()), under_way));
        }
        host.bulks.pop_back();
        break;
      case 10:
        if (connection->cool()) connection->warm();
        break;
      case 11: {
        const char bell = 1;
        (void)::send(peer.get(), &bell, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        connection->on_socket();
        break;
      }
    }
    connection->poll();
    executor.step();
  }
  connection->close();
  executor.step();
  if (under_way != 0 || !host.retired) abort();
  host.bulks.clear();
  connection->finish();
}

}  // namespace
}  // namespace varve::network::local

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  varve::network::local::fuzz(varve::Decoder({reinterpret_cast<const std::byte*>(bytes), size}));
  return 0;
}
