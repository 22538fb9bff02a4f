#include "transports/shm/shm_transport.h"

#include <bit>
#include <utility>

#include "transport/unix_socket.h"
#include "transports/shm/segment.h"
#include "transports/shm/shm_connection.h"

namespace sidecall {
namespace {

class ShmListener final : public Listener {
 public:
  ShmListener(std::unique_ptr<UnixSocketListener> socket, uint64_t ring_bytes)
      : socket_(std::move(socket)), ring_bytes_(ring_bytes) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    auto fd = socket_->Accept();
    if (!fd.ok()) return fd.status();
    if (!fd->valid()) return nullptr;
    auto peer = UnixPeerIdentity(fd->get());
    if (!peer.ok()) return peer.status();
    auto process = UnixPeerProcess(fd->get(), *peer);
    if (!process.ok()) return process.status();
    auto segment = Segment::Create(ring_bytes_);
    if (!segment.ok()) return segment.status();
    absl::Status sent = segment->SendTo(fd->get());
    if (!sent.ok()) return sent;
    return std::make_unique<ShmConnection>(ShmConnection::Side::kServer, *std::move(fd), *std::move(segment),
                                           *std::move(peer), *std::move(process));
  }
  int descriptor() const override { return socket_->descriptor(); }

 private:
  std::unique_ptr<UnixSocketListener> socket_;
  const uint64_t ring_bytes_;
};

class ShmTransport final : public Transport {
 public:
  std::string_view scheme() const override { return "shm"; }
  std::string AddressIn(const std::string& directory, const std::string& name) const override {
    return "shm:" + directory + "/" + name + ".shm";
  }
  bool by_default() const override { return true; }

  absl::StatusOr<std::unique_ptr<Connection>> Connect(const Address& address, int64_t deadline_nanos,
                                                      int cancel_descriptor) const override {
    auto ring_bytes = RingBytes(address);
    if (!ring_bytes.ok()) return ring_bytes.status();
    auto where = UnixSocketAddress::FromPath(address.rest);
    if (!where.ok()) return where.status();
    auto fd = ConnectUnixSocket(address, *where, deadline_nanos, cancel_descriptor);
    if (!fd.ok()) return fd.status();
    auto peer = UnixPeerIdentity(fd->get());
    if (!peer.ok()) return peer.status();
    auto process = UnixPeerProcess(fd->get(), *peer);
    if (!process.ok()) return process.status();
    auto segment = Segment::ReceiveFrom(fd->get(), deadline_nanos, cancel_descriptor);
    if (!segment.ok()) return segment.status();
    return std::make_unique<ShmConnection>(ShmConnection::Side::kClient, *std::move(fd), *std::move(segment),
                                           *std::move(peer), *std::move(process));
  }

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address) const override {
    auto ring_bytes = RingBytes(address);
    if (!ring_bytes.ok()) return ring_bytes.status();
    auto where = UnixSocketAddress::FromPath(address.rest);
    if (!where.ok()) return where.status();
    auto socket = UnixSocketListener::Listen(address, *where);
    if (!socket.ok()) return socket.status();
    return std::make_unique<ShmListener>(*std::move(socket), *ring_bytes);
  }

 private:
  // The server's; a client may write it too, and takes what the server offers.
  static absl::StatusOr<uint64_t> RingBytes(const Address& address) {
    absl::Status options = address.CheckOptions("ring fd");
    if (!options.ok()) return options;
    auto bytes = address.SizeOption("ring", kDefaultRingBytes, kMinRingBytes, kMaxRingBytes);
    if (!bytes.ok()) return bytes;
    return std::bit_ceil(*bytes);
  }
};

}  // namespace

std::unique_ptr<const Transport> MakeShmTransport() {
  return std::make_unique<ShmTransport>();
}

}  // namespace sidecall
