// Handlers on threads of the user's own, and handlers that shut their server down.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "call_fixture.h"
#include "call_local_server.h"

namespace conformance {
namespace {

// So many threads that run tasks.
class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 0; i < threads; i++) threads_.emplace_back([this] { Run(); });
  }
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  void Add(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_one();
  }
  bool IsOwn(int64_t thread) {
    const std::lock_guard lock(mutex_);
    return std::find(ids_.begin(), ids_.end(), thread) != ids_.end();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    ids_.push_back(gettid());
    while (!stopping_) {
      if (tasks_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::vector<int64_t> ids_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

class ExecutorTest : public CallTest {
 protected:
  sidecall::ServerOptions OnPool() {
    sidecall::ServerOptions options;
    options.executor = [this](std::function<void()> task) { pool_.Add(std::move(task)); };
    return options;
  }
  Pool pool_{4};
};
SIDECALL_OVER_TRANSPORTS_WHERE(ExecutorTest, InOneProcess);

TEST_P(ExecutorTest, HandlersRunThere) {
  StartServer(OnPool());
  const TestService::Stub stub = NewStub();
  PatientContext context;
  WhoReply reply;
  ASSERT_TRUE(stub.WhoServes(&context, EmptyMessage(), &reply).ok());
  EXPECT_TRUE(pool_.IsOwn(reply.thread()));
  for (uint64_t i = 0; i < 100; i++) EXPECT_TRUE(EchoesPayload(stub, i * 1000, i));
}

TEST_P(ExecutorTest, ManyAtOnce) {
  StartServer(OnPool());
  const TestService::Stub stub = NewStub();
  std::vector<std::thread> callers;
  for (int thread = 0; thread < 8; thread++) {
    callers.emplace_back([&, thread] {
      for (uint64_t i = 0; i < 50; i++) EXPECT_TRUE(EchoesPayload(stub, 100 * thread, i));
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST_P(ExecutorTest, Streams) {
  StartServer(OnPool());
  const TestService::Stub stub = NewStub();
  PatientContext context;
  const auto stream = stub.BidirectionalStream(&context);
  EchoMessage message;
  for (int i = 0; i < 200; i++) {
    message.set_number(i);
    ASSERT_TRUE(stream->Write(message));
    ASSERT_TRUE(stream->Read(&message));
    EXPECT_EQ(message.number(), i);
  }
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_P(ExecutorTest, AHandlerCallsItsOwnServerAndWaits) {
  StartServer(OnPool());
  const TestService::Stub stub = NewStub();
  PatientContext context;
  CallSelfRequest request;
  request.set_depth(2);  // Three at once, of four threads.
  EchoMessage reply;
  EXPECT_TRUE(stub.CallSelf(&context, request, &reply).ok());
}

TEST_P(ExecutorTest, OneThatRunsTasksAtOnce) {
  sidecall::ServerOptions options;
  options.executor = [](const std::function<void()>& task) { task(); };
  StartServer(options);
  const TestService::Stub stub = NewStub();
  EXPECT_TRUE(Echoes(stub, 1));
  std::thread sleeper([&] { EXPECT_TRUE(CallSleep(stub, "gate").ok()); });
  EXPECT_TRUE(server().AwaitArrivals("gate", 1));
  EXPECT_TRUE(Echoes(stub, 2)) << "a slow handler holds up no other call here either";
  server().OpenGate("gate");
  sleeper.join();
}

TEST_P(ExecutorTest, OneThatThrows) {
  sidecall::ServerOptions options;
  options.executor = [](const std::function<void()>&) { throw std::runtime_error("full"); };
  StartServer(options);
  PatientContext context;
  EchoMessage reply;
  const absl::Status status = NewStub().Echo(&context, EchoMessage(), &reply);
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(sidecall::IsNotSent(status));
}

TEST_P(ExecutorTest, ShutdownWaitsForWhatIsQueued) {
  StartServer(OnPool());
  const TestService::Stub stub = NewStub();
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; i++) callers.emplace_back([&] { EXPECT_TRUE(CallSleep(stub, "gate").ok()); });
  EXPECT_TRUE(server().AwaitArrivals("gate", 4));
  server().BeginShutdown(absl::InfiniteDuration());
  server().OpenGate("gate");
  EXPECT_TRUE(server().AwaitShutdown());
  for (std::thread& caller : callers) caller.join();
}

// -- Shutdown by a handler
// -----------------------------------------------------------------------------------------------------

class Quitter final : public TestService::Service {
 public:
  std::unique_ptr<sidecall::Server> server;

 private:
  absl::Status Empty(sidecall::ServerContext*, const EmptyMessage*, EmptyMessage*) override {
    server->Shutdown();
    return absl::OkStatus();
  }
  // Ends by the second shutdown, or not within patience.
  absl::Status Echo(sidecall::ServerContext* context, const EchoMessage*, EchoMessage*) override {
    server->Shutdown();
    server->Shutdown(absl::ZeroDuration());
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    while (!context->IsCancelled() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    return absl::OkStatus();
  }
};

class ShutdownInAHandlerTest : public CallTest {
 protected:
  void Start(Quitter& quitter, const sidecall::ServerOptions& options = {}) {
    auto server = sidecall::ServerBuilder()
                      .AddAddress(address())
                      .RegisterService(&quitter)
                      .SetOptions(options)
                      .BuildAndStart();
    ASSERT_TRUE(server.ok()) << server.status();
    quitter.server = *std::move(server);
  }
  void Shutdown(const sidecall::ServerOptions& options) {
    Quitter quitter;
    Start(quitter, options);
    const TestService::Stub stub = NewStub();
    PatientContext context;
    EmptyMessage reply;
    EXPECT_TRUE(stub.Empty(&context, EmptyMessage(), &reply).ok())
        << "the handler's own call ends as it says";
    quitter.server->Wait();
    PatientContext late;
    EXPECT_TRUE(HasCode(stub.Empty(&late, EmptyMessage(), &reply), absl::StatusCode::kUnavailable));
    quitter.server.reset();
  }
};
SIDECALL_OVER_TRANSPORTS_WHERE(ShutdownInAHandlerTest, InOneProcess);

TEST_P(ShutdownInAHandlerTest, ReturnsAndGoesOn) {
  Shutdown({});
}

TEST_P(ShutdownInAHandlerTest, ASecondOneWithLessGraceCounts) {
  Quitter quitter;
  Start(quitter);
  PatientContext context;
  EchoMessage reply;
  EXPECT_TRUE(HasCode(NewStub().Echo(&context, EchoMessage(), &reply), absl::StatusCode::kCancelled));
  quitter.server->Wait();
  quitter.server.reset();
}

TEST_P(ShutdownInAHandlerTest, OnAnExecutorsThread) {
  Pool pool(1);
  sidecall::ServerOptions options;
  options.executor = [&pool](std::function<void()> task) { pool.Add(std::move(task)); };
  Shutdown(options);
}

}  // namespace
}  // namespace conformance
