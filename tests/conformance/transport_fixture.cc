#include "tests/conformance/transport_fixture.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <vector>

namespace sidecall {
namespace {

std::string UniqueName(const std::string& prefix) {
  static std::atomic<int> count{0};
  return prefix + "sidecall-test-" + std::to_string(getpid()) + "-" + std::to_string(++count);
}

constexpr std::array kTransports = {
    TransportUnderTest{"shm", true, [](const std::string& dir) { return "shm:" + dir + "/s"; }},
    TransportUnderTest{"unix", true, [](const std::string& dir) { return "unix:" + dir + "/s"; }},
    TransportUnderTest{"unix-abstract", true,
                       [](const std::string& /*dir*/) { return UniqueName("unix-abstract:"); }},
    TransportUnderTest{"pipe", true, [](const std::string& dir) { return "pipe:" + dir + "/s"; }},
    TransportUnderTest{"mqueue", true, [](const std::string& /*dir*/) { return UniqueName("mqueue:/"); },
                       true},
    TransportUnderTest{"mqueue_signal", true,
                       [](const std::string& /*dir*/) { return UniqueName("mqueue:/") + "?wakeup=signal"; },
                       true},
    TransportUnderTest{"exec", true, nullptr, false, false},
    TransportUnderTest{"fd", true, nullptr, false, false},
    TransportUnderTest{"inproc", false, [](const std::string& /*dir*/) { return UniqueName("inproc:"); }},
};

// A registered transport with other options, under a name of its own.
class Variant final : public Transport {
 public:
  Variant(std::string_view name, const Transport& transport) : name_(name), transport_(transport) {}
  std::string_view scheme() const override { return name_; }
  std::string AddressIn(const std::string& directory, const std::string& name) const override {
    return transport_.AddressIn(directory, name);
  }
  bool by_default() const override { return transport_.by_default(); }
  absl::StatusOr<std::unique_ptr<Connection>> Connect(const Address& address, int64_t deadline_nanos,
                                                      int cancel_descriptor) const override {
    return transport_.Connect(address, deadline_nanos, cancel_descriptor);
  }
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address) const override {
    return transport_.Listen(address);
  }

 private:
  const std::string_view name_;
  const Transport& transport_;
};

}  // namespace

const TransportUnderTest* FindTransportUnderTest(std::string_view scheme) {
  const auto* found = std::find_if(kTransports.begin(), kTransports.end(),
                                   [&](const TransportUnderTest& one) { return one.scheme == scheme; });
  return found == kTransports.end() ? nullptr : found;
}

std::unique_ptr<Connection> AwaitConnection(Listener& listener) {
  const int64_t deadline = TestDeadline();
  while (MonotonicNanos() < deadline) {
    auto accepted = listener.Accept();
    // An error concerns one peer only: one that has left again, as who looks whether the address is live
    // does.
    EXPECT_FALSE(absl::IsResourceExhausted(accepted.status())) << accepted.status();
    if (!accepted.ok()) continue;
    if (*accepted != nullptr) return *std::move(accepted);
    pollfd item{.fd = listener.descriptor(), .events = POLLIN, .revents = 0};
    poll(&item, 1, static_cast<int>((deadline - MonotonicNanos()) / 1'000'000));
  }
  return nullptr;
}

void TransportTest::SetUp() {
  const TransportUnderTest* known = FindTransportUnderTest(transport().scheme());
  ASSERT_NE(known, nullptr)
      << "transport '" << transport().scheme()
      << "' is registered, but transport_fixture.cc makes no address for it. Add its line";
  auto address = Address::Parse(known->address(dir_.path()));
  ASSERT_TRUE(address.ok()) << address.status();
  address_ = *address;
}

std::unique_ptr<Listener> TransportTest::Listen() {
  auto listener = transport().Listen(address_);
  EXPECT_TRUE(listener.ok()) << listener.status();
  return listener.ok() ? *std::move(listener) : nullptr;
}

void TransportTest::Connect() {
  if (listener_ == nullptr) listener_ = Listen();
  ASSERT_NE(listener_, nullptr);
  auto connecting =
      std::async(std::launch::async, [this] { return transport().Connect(address_, TestDeadline(), -1); });
  auto accepted = AwaitConnection(*listener_);
  auto connected = connecting.get();
  ASSERT_TRUE(connected.ok()) << connected.status();
  ASSERT_NE(accepted, nullptr);
  client_ = std::make_unique<End>(*std::move(connected));
  server_ = std::make_unique<End>(std::move(accepted));
}

std::string NameOfTransport(const testing::TestParamInfo<const Transport*>& info) {
  std::string name(info.param->scheme());
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

std::vector<const Transport*> TransportsToTest() {
  std::vector<const Transport*> all;
  for (const auto& transport : AllTransports()) {
    const TransportUnderTest* known = FindTransportUnderTest(transport->scheme());
    if (known != nullptr && !known->has_addresses) continue;
    all.push_back(transport.get());
    if (transport->scheme() != "mqueue") continue;
    static const Variant woken_by_signals("mqueue_signal", *transport);
    all.push_back(&woken_by_signals);
  }
  return all;
}

std::vector<const Transport*> TransportsAcrossProcesses() {
  std::vector<const Transport*> all = TransportsToTest();
  std::erase_if(all, [](const Transport* transport) {
    const TransportUnderTest* known = FindTransportUnderTest(transport->scheme());
    return known != nullptr && !known->crosses_processes;
  });
  return all;
}

}  // namespace sidecall
