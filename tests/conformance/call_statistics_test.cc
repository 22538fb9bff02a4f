// Statistics: what both sides count of calls with known ends and sizes, exactly; and that nothing stays in
// flight.
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "call_fixture.h"
#include "call_statistics.h"
#include "call_stream_fixture.h"

namespace conformance {
namespace {

using sidecall::CallSide;

const std::string kService = "conformance.TestService/";

// What was counted between two moments, by field of StatisticsReply, without fields that are 0.
std::string Difference(const StatisticsReply& before, const StatisticsReply& after) {
  std::string text;
  const auto add = [&text](const std::string& name, int64_t from, int64_t to) {
    if (from != to) text += (text.empty() ? "" : ", ") + name + " " + std::to_string(to - from);
  };
  add("started", before.started(), after.started());
  for (int i = 0; i < after.ended_size(); i++) {
    add(absl::StatusCodeToString(static_cast<absl::StatusCode>(i)), before.ended(i), after.ended(i));
  }
  add("in flight", before.in_flight(), after.in_flight());
  add("bytes sent", before.bytes_sent(), after.bytes_sent());
  add("bytes received", before.bytes_received(), after.bytes_received());
  add("messages sent", before.messages_sent(), after.messages_sent());
  add("messages received", before.messages_received(), after.messages_received());
  for (int i = 0; i < after.refused_size(); i++) {
    add("refused " + absl::StatusCodeToString(static_cast<absl::StatusCode>(i)), before.refused(i),
        after.refused(i));
  }
  return text;
}

class StatisticsTest : public CallTest {
 protected:
  void SetUp() override {
    StartServer();
    stub_ = std::make_unique<TestService::Stub>(NewChannel());
  }
  const TestService::Stub& stub() const { return *stub_; }

  StatisticsReply Client(const std::string& method) const { return StatisticsOf(CallSide::kClient, method); }
  StatisticsReply Server(const std::string& method) const {
    PatientContext context;
    StatisticsRequest request;
    request.set_method(method);
    StatisticsReply reply;
    const absl::Status status = stub_->Statistics(&context, request, &reply);
    EXPECT_TRUE(status.ok()) << status;
    return reply;
  }
  // What `calls` adds to the counts of `method`, on each side.
  struct Added {
    std::string client;
    std::string server;
  };
  Added AddedBy(const std::string& method, const std::function<void()>& calls) const {
    const StatisticsReply client = Client(method);
    const StatisticsReply server = Server(method);
    calls();
    return {Difference(client, Client(method)), Difference(server, Server(method))};
  }
  // The server's count comes to be so many: a handler that nobody waits for ends a little later.
  testing::AssertionResult ServerComesToHaveInFlight(const std::string& method, int64_t count) const {
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    while (Server(method).in_flight() != count) {
      if (std::chrono::steady_clock::now() > limit) {
        return testing::AssertionFailure() << Server(method).in_flight() << " in flight";
      }
      std::this_thread::yield();
    }
    return testing::AssertionSuccess();
  }

 private:
  std::unique_ptr<TestService::Stub> stub_;
};
SIDECALL_OVER_ALL_TRANSPORTS(StatisticsTest);

// Of several clients of one server.
class SharedStatisticsTest : public StatisticsTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(SharedStatisticsTest, SharesAServer);

class StatisticsOfDeathTest : public StatisticsTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(StatisticsOfDeathTest, InTwoProcesses);

// -- Calls of each kind
// ---------------------------------------------------------------------------------------------------------

TEST_P(StatisticsTest, UnaryCalls) {
  size_t bytes = 0;
  const Added added = AddedBy(kService + "Echo", [&] {
    for (const size_t size : {0u, 1u, 100u, 5'000u, 200'000u}) {
      EchoMessage request = MessageOf(7, size);
      bytes += request.ByteSizeLong();
      PatientContext context;
      EchoMessage reply;
      ASSERT_TRUE(stub().Echo(&context, request, &reply).ok());
    }
  });
  const std::string expected =
      "started 5, OK 5, bytes sent " + std::to_string(bytes) + ", bytes received " + std::to_string(bytes);
  EXPECT_EQ(added.client, expected);
  EXPECT_EQ(added.server, expected);
}

TEST_P(StatisticsTest, EachStatus) {
  size_t bytes = 0;
  const Added added = AddedBy(kService + "Fail", [&] {
    for (const int code : {5, 5, 5, 13, 13, 16}) {
      FailRequest request;
      request.set_code(code);
      bytes += request.ByteSizeLong();
      PatientContext context;
      EchoMessage reply;
      EXPECT_EQ(static_cast<int>(stub().Fail(&context, request, &reply).code()), code);
    }
  });
  const std::string ends = "started 6, NOT_FOUND 3, INTERNAL 2, UNAUTHENTICATED 1";
  EXPECT_EQ(added.client, ends + ", bytes sent " + std::to_string(bytes));
  EXPECT_EQ(added.server, ends + ", bytes received " + std::to_string(bytes));
}

TEST_P(StatisticsTest, ClientStreams) {
  size_t sent = 0;
  size_t received = 0;
  const Added added = AddedBy(kService + "ClientStream", [&] {
    PatientContext context;
    StreamSummary summary;
    const auto writer = stub().ClientStream(&context, &summary);
    for (int i = 0; i < 20; i++) {
      const EchoMessage message = MessageOf(i, static_cast<size_t>(i) * 100);
      sent += message.ByteSizeLong();
      EXPECT_TRUE(writer->Write(message));
    }
    EXPECT_TRUE(writer->Finish().ok());
    received = summary.ByteSizeLong();
  });
  EXPECT_EQ(added.client, "started 1, OK 1, bytes sent " + std::to_string(sent) + ", bytes received " +
                              std::to_string(received) + ", messages sent 20");
  EXPECT_EQ(added.server, "started 1, OK 1, bytes sent " + std::to_string(received) + ", bytes received " +
                              std::to_string(sent) + ", messages received 20");
}

TEST_P(StatisticsTest, ServerStreams) {
  size_t sent = 0;
  size_t received = 0;
  const Added added = AddedBy(kService + "ServerStream", [&] {
    for (const bool hint : {false, true}) {
      PatientContext context;
      context.AddMetadata("code", "9");
      StreamRequest request;
      request.set_count(30);
      request.set_size(50);
      request.set_hint(hint);
      sent += request.ByteSizeLong();
      const auto reader = stub().ServerStream(&context, request);
      for (EchoMessage message; reader->Read(&message);) received += message.ByteSizeLong();
      EXPECT_TRUE(HasCode(reader->Finish(), absl::StatusCode::kFailedPrecondition));
    }
  });
  const std::string ends = "started 2, FAILED_PRECONDITION 2, bytes sent ";
  EXPECT_EQ(added.client, ends + std::to_string(sent) + ", bytes received " + std::to_string(received) +
                              ", messages received 60");
  EXPECT_EQ(added.server, ends + std::to_string(received) + ", bytes received " + std::to_string(sent) +
                              ", messages sent 60");
}

TEST_P(StatisticsTest, MessagesThatFinishDropsWereNotRead) {
  size_t sent = 0;
  EchoMessage message;
  const Added added = AddedBy(kService + "ServerStream", [&] {
    PatientContext context;
    StreamRequest request;
    request.set_count(3);
    request.set_size(50);
    request.set_hint(true);
    sent = request.ByteSizeLong();
    const auto reader = stub().ServerStream(&context, request);
    EXPECT_TRUE(reader->Read(&message));
    EXPECT_TRUE(reader->Finish().ok());
  });
  EXPECT_EQ(added.client, "started 1, OK 1, bytes sent " + std::to_string(sent) + ", bytes received " +
                              std::to_string(message.ByteSizeLong()) + ", messages received 1");
}

TEST_P(StatisticsTest, BidirectionalStreams) {
  size_t bytes = 0;
  const Added added = AddedBy(kService + "BidirectionalStream", [&] {
    PatientContext context;
    const auto stream = stub().BidirectionalStream(&context);
    for (int i = 0; i < 10; i++) {
      EchoMessage message = MessageOf(i, 10);
      bytes += message.ByteSizeLong();
      EXPECT_TRUE(stream->Write(message));
      EXPECT_TRUE(stream->Read(&message));
    }
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
  });
  const std::string expected = "started 1, OK 1, bytes sent " + std::to_string(bytes) + ", bytes received " +
                               std::to_string(bytes) + ", messages sent 10, messages received 10";
  EXPECT_EQ(added.client, expected);
  EXPECT_EQ(added.server, expected);
}

TEST_P(StatisticsTest, ManyThreadsAndCalls) {
  const int calls = Scaled(2000);
  constexpr int kThreads = 4;
  const Added added = AddedBy(kService + "Empty", [&] {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; i++) {
      threads.emplace_back([&] {
        for (int call = 0; call < calls; call++) {
          PatientContext context;
          EmptyMessage reply;
          EXPECT_TRUE(stub().Empty(&context, EmptyMessage(), &reply).ok());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  const std::string count = std::to_string(calls * kThreads);
  EXPECT_EQ(added.client, "started " + count + ", OK " + count);
  EXPECT_EQ(added.server, "started " + count + ", OK " + count);
  EXPECT_GT(Client(kService + "Empty").latencies(), 0);
  EXPECT_GT(Server(kService + "Empty").latencies(), 0);
}

// -- Ends of other kinds
// ---------------------------------------------------------------------------------------------------------

TEST_P(StatisticsTest, InFlightUntilCancelled) {
  const std::string method = kService + "Sleep";
  const StatisticsReply client = Client(method);
  const StatisticsReply before = Server(method);
  PatientContext context;
  SleepRequest request;
  request.set_gate("never");
  auto sleeps = std::async(std::launch::async, [&] {
    EchoMessage reply;
    return stub().Sleep(&context, request, &reply);
  });
  ASSERT_TRUE(server().AwaitArrivals("never", 1));
  EXPECT_EQ(Difference(client, Client(method)), "started 1, in flight 1");
  EXPECT_EQ(Difference(before, Server(method)), "started 1, in flight 1");
  context.TryCancel();
  EXPECT_TRUE(HasCode(sleeps.get(), absl::StatusCode::kCancelled));
  const std::string bytes = std::to_string(request.ByteSizeLong());
  EXPECT_EQ(Difference(client, Client(method)), "started 1, CANCELLED 1, bytes sent " + bytes);
  EXPECT_TRUE(ServerComesToHaveInFlight(method, before.in_flight()));
  EXPECT_EQ(Difference(before, Server(method)), "started 1, CANCELLED 1, bytes received " + bytes);
}

TEST_P(StatisticsTest, InFlightUntilTheDeadline) {
  const std::string method = kService + "Sleep";
  const StatisticsReply before = Server(method);
  const StatisticsReply client = Client(method);
  sidecall::ClientContext context;
  context.set_timeout(absl::Milliseconds(100));
  SleepRequest request;
  request.set_gate("nobody opens it");
  EchoMessage reply;
  EXPECT_TRUE(HasCode(stub().Sleep(&context, request, &reply), absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(Client(method).in_flight(), client.in_flight());
  EXPECT_EQ(Client(method).ended(4) - client.ended(4), 1);
  EXPECT_TRUE(ServerComesToHaveInFlight(method, before.in_flight()));
}

TEST_P(StatisticsTest, StreamThatIsDropped) {
  const std::string method = kService + "BidirectionalStream";
  const StatisticsReply before = Server(method);
  const StatisticsReply client = Client(method);
  {
    PatientContext context;
    // Its cancel may overtake its start, which the server then refuses: not the case in question here.
    context.AddMetadata("gate", "dropped");
    const auto stream = stub().BidirectionalStream(&context);
    EXPECT_TRUE(stream->Write(EchoMessage()));
    ASSERT_TRUE(server().AwaitArrivals("dropped", 1));
  }
  EXPECT_EQ(Difference(client, Client(method)), "started 1, CANCELLED 1, messages sent 1");
  EXPECT_TRUE(ServerComesToHaveInFlight(method, before.in_flight()));
}

TEST_P(StatisticsOfDeathTest, NothingStaysInFlight) {
  ExpectRemains();
  const std::string method = kService + "Sleep";
  const StatisticsReply client = Client(method);
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; i++) {
    callers.emplace_back(
        [&] { EXPECT_TRUE(HasCode(CallSleep(stub(), "death"), absl::StatusCode::kUnavailable)); });
  }
  PatientContext context;
  context.AddMetadata("gate", "death");
  const auto stream = stub().BidirectionalStream(&context);
  ASSERT_TRUE(server().AwaitArrivals("death", 4));
  EXPECT_EQ(Client(method).in_flight() - client.in_flight(), 3);
  EXPECT_EQ(Client(kService + "BidirectionalStream").in_flight(), 1);
  server().Kill();
  for (std::thread& caller : callers) caller.join();
  EXPECT_TRUE(HasCode(stream->Finish(), absl::StatusCode::kUnavailable));
  EXPECT_EQ(Client(method).in_flight(), client.in_flight());
  EXPECT_EQ(Client(method).ended(14) - client.ended(14), 3);
  EXPECT_EQ(Client(kService + "BidirectionalStream").in_flight(), 0);
}

TEST_P(SharedStatisticsTest, CallsThatNoMethodSees) {
  const UnservedService::Stub unserved(NewChannel());
  const Added added = AddedBy("conformance.UnservedService/Echo", [&] {
    PatientContext context;
    EchoMessage reply;
    EXPECT_TRUE(HasCode(unserved.Echo(&context, MessageOf(1), &reply), absl::StatusCode::kUnimplemented));
  });
  const std::string bytes = std::to_string(MessageOf(1).ByteSizeLong());
  const std::string refused = other_process() ? "" : ", refused UNIMPLEMENTED 1";
  EXPECT_EQ(added.client, "started 1, UNIMPLEMENTED 1, bytes sent " + bytes + refused);
  EXPECT_EQ(added.server, "refused UNIMPLEMENTED 1");
}

TEST_P(StatisticsTest, ChannelsThatCannotBeUsed) {
  for (const std::string target : {"inproc:nobody listens here", "carrier-pigeon:coop"}) {
    const StatisticsReply before = Client(kService + "Echo");
    const TestService::Stub nobody(sidecall::CreateChannel(target));
    EXPECT_FALSE(Echoes(nobody, 1));
    EXPECT_EQ(Client(kService + "Echo").started() - before.started(), 1);
    EXPECT_EQ(Client(kService + "Echo").in_flight(), before.in_flight());
    const bool tried = target.starts_with("inproc");
    EXPECT_EQ(Client("").connections_failed() - before.connections_failed(), tried ? 1 : 0);
  }
}

// -- Connections
// ---------------------------------------------------------------------------------------------------------

TEST_P(SharedStatisticsTest, Connections) {
  const StatisticsReply before = Server("");
  const StatisticsReply client = Client("");
  {
    const auto channel = NewChannel();
    EXPECT_TRUE(Echoes(TestService::Stub(channel), 1));
    const StatisticsReply now = Server("");
    EXPECT_EQ(now.connections_open() - before.connections_open(), 1);
    EXPECT_EQ(now.connections_opened() - before.connections_opened(), 1);
    EXPECT_EQ(Client("").connections_open() - client.connections_open(), 1);
  }
  EXPECT_EQ(Client("").connections_open(), client.connections_open());
  EXPECT_EQ(Client("").connections_opened() - client.connections_opened(), 1);
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (Server("").connections_open() != before.connections_open()) {
    ASSERT_LT(std::chrono::steady_clock::now(), limit);
    std::this_thread::yield();
  }
}

}  // namespace
}  // namespace conformance
