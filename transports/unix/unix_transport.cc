#include "transports/unix/unix_transport.h"

#include <string_view>
#include <utility>

#include "transport/unix_socket.h"
#include "transports/unix/socket_stream.h"

namespace sidecall {
namespace {

class UnixListener final : public Listener {
 public:
  explicit UnixListener(std::unique_ptr<UnixSocketListener> socket) : socket_(std::move(socket)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    auto fd = socket_->Accept();
    if (!fd.ok()) return fd.status();
    if (!fd->valid()) return nullptr;
    auto peer = UnixPeerIdentity(fd->get());
    if (!peer.ok()) return peer.status();
    auto process = UnixPeerProcess(fd->get(), *peer);
    if (!process.ok()) return process.status();
    return std::make_unique<ByteStreamConnection>(std::make_unique<SocketStream>(*std::move(fd)),
                                                  *std::move(peer), *std::move(process));
  }
  int descriptor() const override { return socket_->descriptor(); }

 private:
  std::unique_ptr<UnixSocketListener> socket_;
};

class UnixTransport final : public Transport {
 public:
  using MakeAddress = absl::StatusOr<UnixSocketAddress> (*)(const std::string&);
  UnixTransport(std::string_view scheme, MakeAddress make_address, bool has_path)
      : scheme_(scheme), make_address_(make_address), has_path_(has_path) {}

  std::string_view scheme() const override { return scheme_; }
  std::string AddressIn(const std::string& directory, const std::string& name) const override {
    const std::string prefix = std::string(scheme_) + ":";
    return has_path_ ? prefix + directory + "/" + name + "." + std::string(scheme_)
                     : prefix + "sidecall-" + name;
  }
  // An abstract name has no mode that would keep others away.
  bool by_default() const override { return has_path_; }

  absl::StatusOr<std::unique_ptr<Connection>> Connect(const Address& address, int64_t deadline_nanos,
                                                      int cancel_descriptor) const override {
    auto where = Resolve(address);
    if (!where.ok()) return where.status();
    auto fd = ConnectUnixSocket(address, *where, deadline_nanos, cancel_descriptor);
    if (!fd.ok()) return fd.status();
    auto peer = UnixPeerIdentity(fd->get());
    if (!peer.ok()) return peer.status();
    auto process = UnixPeerProcess(fd->get(), *peer);
    if (!process.ok()) return process.status();
    return std::make_unique<ByteStreamConnection>(std::make_unique<SocketStream>(*std::move(fd)),
                                                  *std::move(peer), *std::move(process));
  }

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address) const override {
    auto where = Resolve(address);
    if (!where.ok()) return where.status();
    auto socket = UnixSocketListener::Listen(address, *where);
    if (!socket.ok()) return socket.status();
    return std::make_unique<UnixListener>(*std::move(socket));
  }

 private:
  absl::StatusOr<UnixSocketAddress> Resolve(const Address& address) const {
    absl::Status options = address.CheckOptions(kAdoptOption);
    if (!options.ok()) return options;
    return make_address_(address.rest);
  }

  std::string_view scheme_;
  MakeAddress make_address_;
  bool has_path_;
};

}  // namespace

std::unique_ptr<const Transport> MakeUnixTransport() {
  return std::make_unique<UnixTransport>("unix", &UnixSocketAddress::FromPath, true);
}

std::unique_ptr<const Transport> MakeUnixAbstractTransport() {
  return std::make_unique<UnixTransport>("unix-abstract", &UnixSocketAddress::FromAbstractName, false);
}

}  // namespace sidecall
