#include "raw_meeting.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

#include "transport/connection_names.h"
#include "transports/pipe/fifo_names.h"

namespace fault {
namespace {

using conformance::AwaitReady;
using conformance::RawPeer;
using sidecall::MessageQueue;
using sidecall::UniqueFd;
using sidecall::UnixSocketAddress;

}  // namespace

RawFifos::RawFifos(const sidecall::Address& address)
    : path_(address.rest), name_(sidecall::NextConnectionName()) {
  auto lock = sidecall::MakeOwnedFifo(sidecall::ToServer(path_, name_));
  if (!lock.ok()) return;
  lock_ = *std::move(lock);
  const std::string to_client = sidecall::ToClient(path_, name_);
  if (mkfifo(to_client.c_str(), 0600) != 0) return;
  in_ = UniqueFd(open(to_client.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

bool RawFifos::SendRequest() const {
  const UniqueFd rendezvous(open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  const std::string request = std::string(sidecall::kFifoRequest) + name_ + "\n";
  return write(rendezvous.get(), request.data(), request.size()) == static_cast<ssize_t>(request.size());
}

bool RawFifos::AwaitWelcome() const {
  std::array<char, sidecall::kFifoWelcome.size()> welcome{};
  return AwaitReady(in_.get(), POLLIN) && read(in_.get(), welcome.data(), welcome.size()) > 0;
}

bool RawFifos::SendBytes(std::string_view bytes) const {
  return write(lock_->file(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
}

RawPeer RawFifos::TakeStream() {
  // The lock's descriptor is the FIFO's, but goes with the lock.
  UniqueFd out(fcntl(lock_->file(), F_DUPFD_CLOEXEC, 3));
  lock_.reset();
  return {std::move(in_), std::move(out)};
}

RawPeer MeetRaw(const sidecall::Address& address) {
  if (address.scheme != "pipe") return RawPeer(address.rest, address.scheme == "unix-abstract");
  RawFifos fifos(address);
  if (!fifos.made() || !fifos.SendRequest() || !fifos.AwaitWelcome()) return {UniqueFd(), UniqueFd()};
  return fifos.TakeStream();
}

RawServer::RawServer(const sidecall::Address& address) : path_(address.rest) {
  if (address.scheme != "pipe") {
    const auto where = address.scheme == "unix-abstract" ? UnixSocketAddress::FromAbstractName(path_)
                                                         : UnixSocketAddress::FromPath(path_);
    auto sockets = sidecall::UnixSocketListener::Listen(*where);
    if (sockets.ok()) sockets_ = *std::move(sockets);
    return;
  }
  auto owner = sidecall::MakeOwnedFile(sidecall::OwnerFileOf(path_));
  if (!owner.ok() || mkfifo(path_.c_str(), 0600) != 0) return;
  owner_ = *std::move(owner);
  fifo_ = UniqueFd(open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
}

RawServer::~RawServer() {
  if (owner_ == nullptr) return;
  unlink(path_.c_str());
  unlink(sidecall::OwnerFileOf(path_).c_str());
}

RawPeer RawServer::Accept() {
  if (sockets_ == nullptr) return AcceptFifos();
  auto client = AwaitReady(sockets_->descriptor(), POLLIN) ? sockets_->Accept() : UniqueFd();
  if (!client.ok()) return {UniqueFd(), UniqueFd()};
  UniqueFd out(fcntl(client->get(), F_DUPFD_CLOEXEC, 3));
  return {*std::move(client), std::move(out)};
}

RawPeer RawServer::AcceptFifos() {
  std::array<char, PIPE_BUF> request;
  const ssize_t size =
      AwaitReady(fifo_.get(), POLLIN) ? read(fifo_.get(), request.data(), request.size()) : ssize_t{0};
  std::string_view name(request.data(), static_cast<size_t>(std::max<ssize_t>(size, 0)));
  if (!name.starts_with(sidecall::kFifoRequest)) return {UniqueFd(), UniqueFd()};
  name.remove_prefix(sidecall::kFifoRequest.size());
  name = name.substr(0, name.find('\n'));
  UniqueFd in(open(sidecall::ToServer(path_, name).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  UniqueFd out(open(sidecall::ToClient(path_, name).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  sidecall::RemoveFifos(path_, name);
  RawPeer client(std::move(in), std::move(out));
  client.SendBytes(sidecall::kFifoWelcome);
  return client;
}

RawQueues::RawQueues(const sidecall::Address& address)
    : names_(*sidecall::QueueNames::Of(address)), name_(sidecall::NextConnectionName()) {
  auto lock = sidecall::MakeOwnedFifo(names_.LifeLine(name_));
  if (!lock.ok()) return;
  lock_ = *std::move(lock);
  life_line_ = UniqueFd(open(names_.LifeLine(name_).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  // Small ones, of which a user may have many.
  auto out = MessageQueue::Create(names_.ToServer(name_), O_WRONLY, 2, 2048);
  auto in = MessageQueue::Create(names_.ToClient(name_), O_RDONLY, 2, 2048);
  if (!in.ok() || !out.ok()) return;
  in_ = *std::move(in);
  out_ = *std::move(out);
}

bool RawQueues::SendRequest() const {
  auto listening = MessageQueue::Open(names_.listening, O_WRONLY);
  const std::string request = std::string(sidecall::kQueueRequest) + name_;
  return listening.ok() && listening->Send(request.data(), request.size(), 0) == 0;
}

bool RawQueues::AwaitWelcome() {
  std::array<char, 8192> welcome{};
  const bool welcomed =
      AwaitReady(in_.descriptor(), POLLIN) && in_.Receive(welcome.data(), welcome.size()) > 0;
  lock_.reset();  // Only the server's end of the life line is left.
  return welcomed;
}

bool RawQueues::SendMessage(std::string_view bytes) const {
  return out_.Send(bytes.data(), bytes.size(), 0) == 0;
}

bool RawQueues::HangsUp() {
  return AwaitReady(life_line_.get(), 0);
}

}  // namespace fault
