// Load that is meant to harm: signals, slow readers, calls begun and cancelled, shutdowns.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fault_fixture.h"
#include "fault_roles.h"
#include "frame_peer.h"
#include "process_figures.h"

namespace fault {
namespace {

using conformance::HasCode;

// SIGUSR1 without end, at every thread of the client and of the server in turn.
class SignalStorm {
 public:
  SignalStorm(pid_t server, const std::vector<pid_t>& clients_threads)
      : thread_([this, server, clients_threads] {
          const pid_t own = gettid();
          while (!stop_.load()) {
            for (const pid_t thread : ThreadsOf(server)) {
              if (thread != own) Hit(server, thread);
            }
            for (const pid_t thread : clients_threads) Hit(getpid(), thread);
          }
        }) {}
  ~SignalStorm() {
    stop_.store(true);
    thread_.join();
  }
  SignalStorm(const SignalStorm&) = delete;
  SignalStorm& operator=(const SignalStorm&) = delete;
  uint64_t hits() const { return hits_.load(); }

 private:
  void Hit(pid_t process, pid_t thread) {
    if (syscall(SYS_tgkill, process, thread, SIGUSR1) == 0) hits_.fetch_add(1);
  }

  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> hits_{0};
  std::thread thread_;
};

TEST_P(FaultTest, Row39_SignalStorm) {
  LetSignalsInterrupt();
  Begin();
  const TestService::Stub stub = NewStub();
  const int calls = Scaled(3000);
  constexpr int kThreads = 3;
  std::vector<pid_t> ids(kThreads + 1);
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  const auto await_go = [&](int thread) {
    ids[static_cast<size_t>(thread)] = gettid();
    ready.fetch_add(1);
    ready.notify_all();
    go.wait(false);
  };
  for (int thread = 0; thread < kThreads; thread++) {
    threads.emplace_back([&, thread] {
      await_go(thread);
      for (int call = 0; call < calls; call++) {
        const absl::Status status = Echo(stub, thread * 1'000'000 + call);
        EXPECT_TRUE(status.ok()) << status;
      }
      // Connecting is interrupted as well.
      for (int call = 0; call < 20; call++) {
        const absl::Status status = Echo(NewStub(), call);
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  threads.emplace_back([&] {
    await_go(kThreads);
    const absl::Status status = Call([&] {
      PatientContext context;
      const auto stream = stub.BidirectionalStream(&context);
      EchoMessage message;
      for (int i = 0; i < calls; i++) {
        message.set_number(i);
        EXPECT_TRUE(stream->Write(message));
        EXPECT_TRUE(stream->Read(&message));
        EXPECT_EQ(message.number(), i);
      }
      EXPECT_TRUE(stream->WritesDone());
      EXPECT_FALSE(stream->Read(&message));
      return stream->Finish();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
  for (int seen = ready.load(); seen <= kThreads; seen = ready.load()) ready.wait(seen);
  {
    const SignalStorm storm(server_pid(), ids);
    go.store(true);
    go.notify_all();
    for (std::thread& thread : threads) thread.join();
    EXPECT_GT(storm.hits(), 100u);
  }
  EXPECT_EQ(Handlers().entered(), static_cast<uint64_t>(kThreads * (calls + 20) + 1))
      << "none lost, none doubled";
}

TEST_P(FaultTest, Row43_SlowStreamReader) {
  Begin();
  const uint64_t held = MemoryOf(server_pid(), "RssAnon");
  const TestService::Stub stub = NewStub();
  conformance::StreamRequest request;
  request.set_count(1'000'000);
  request.set_size(1000);
  constexpr int kStreams = 4;
  std::vector<std::unique_ptr<PatientContext>> contexts;
  std::vector<std::unique_ptr<sidecall::ClientReader<EchoMessage>>> readers;
  EchoMessage message;
  for (int i = 0; i < kStreams; i++) {
    contexts.push_back(std::make_unique<PatientContext>());
    request.set_name("slow" + std::to_string(i));
    readers.push_back(stub.ServerStream(contexts.back().get(), request));
    EXPECT_TRUE(readers.back()->Read(&message));
  }
  // Each is written as far as its window, and no further, however long others are served.
  for (int i = 0; i < kStreams; i++) {
    conformance::StreamRequest name;
    name.set_name("slow" + std::to_string(i));
    uint64_t written = 0;
    for (int same = 0; same < 200; same++) {
      PatientContext context;
      conformance::StreamSummary summary;
      ASSERT_TRUE(good().Progress(&context, name, &summary).ok());
      if (summary.messages() != written) same = 0;
      written = summary.messages();
      ASSERT_LT(written, 2000u) << "a window is 256 KiB";
    }
  }
  for (int call = 0; call < 100; call++) EXPECT_TRUE(GoodCall());
  for (int call = 0; call < 100; call++) EXPECT_TRUE(Echo(stub, call).ok()) << "on the very connection";
  if (!kSanitized) {
    EXPECT_LT(MemoryOf(server_pid(), "RssAnon"), held + (16u << 20));
  }
  for (int i = 0; i < kStreams; i++) {
    contexts[static_cast<size_t>(i)]->TryCancel();
    EXPECT_TRUE(HasCode(readers[static_cast<size_t>(i)]->Finish(), absl::StatusCode::kCancelled));
  }
}

// As fast as they can be begun: more than the server ends at the same time.
TEST_P(FaultTest, Row44_StartAndCancel) {
  sidecall::ServerOptions options;
  options.max_calls_per_connection = 64;
  Begin(options);
  const TestService::Stub stub = NewStub();
  const int calls = Scaled(100'000);
  int cancelled = 0;
  for (int call = 0; call < calls; call++) {
    const absl::Status status = Call([&] {
      sidecall::ClientContext context;
      context.set_timeout(absl::FromChrono(kPatience));
      const auto stream = stub.BidirectionalStream(&context);
      context.TryCancel();
      return stream->Finish();
    });
    if (absl::IsCancelled(status)) cancelled++;
    // One that finds no free index is refused, here or there: cancelled calls count until their handler has
    // ended.
    EXPECT_TRUE(absl::IsCancelled(status) || absl::IsResourceExhausted(status)) << status;
    if (call % 1000 == 0) {
      EXPECT_TRUE(GoodCall());
    }
  }
  EXPECT_GT(cancelled, calls / 100);
  EXPECT_LE(Handlers().most_at_once(), kHandlerThreads);
}

// However a call meets the shutdown, it ends.
TEST_P(FaultTest, Row60_ShutdownWithCallsInFlight) {
  Begin();
  // A thousand where nothing but the shutdown takes its time.
  const int rounds = Scaled(InTwoProcesses(GetParam()) ? 200 : 1000);
  const TestService::Stub stub = NewStub();
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  const auto may_end = [](const absl::Status& status) {
    return status.ok() || absl::IsUnavailable(status) || absl::IsCancelled(status);
  };
  threads.emplace_back([&] {
    while (!stop.load()) {
      const absl::Status status = Echo(stub, 7);
      EXPECT_TRUE(may_end(status)) << status;
    }
  });
  threads.emplace_back([&] {
    while (!stop.load()) {
      const absl::Status status = Sleep(stub, "never");
      EXPECT_TRUE(may_end(status)) << status;
    }
  });
  threads.emplace_back([&] {
    while (!stop.load()) {
      const absl::Status status = Call([&] {
        PatientContext context;
        const auto stream = stub.BidirectionalStream(&context);
        EchoMessage message;
        while (stream->Write(message) && stream->Read(&message)) {
        }
        return stream->Finish();
      });
      EXPECT_TRUE(may_end(status)) << status;
    }
  });
  for (int round = 0; round < rounds; round++) {
    ASSERT_TRUE(Echo(NewStub(), round).ok());
    server().BeginShutdown(absl::Milliseconds(round % 2));
    ASSERT_TRUE(server().AwaitShutdown());
    if (round + 1 == rounds) stop.store(true);
    ASSERT_NO_FATAL_FAILURE(RestartServer());
  }
  // Those that found the last server are let go.
  server().OpenGate("never");
  for (std::thread& thread : threads) {
    if (&thread == &threads.back()) {
      server().BeginShutdown(absl::ZeroDuration());
      EXPECT_TRUE(server().AwaitShutdown());
    }
    thread.join();
  }
  RestartServer();
}

}  // namespace
}  // namespace fault
