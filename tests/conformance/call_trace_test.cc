// Trace context: carried on by calls on behalf of others, and what a hook is told and makes of it.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "call_fixture.h"
#include "call_trace_hook.h"

namespace conformance {
namespace {

constexpr char kTraceId[] = "0af7651916cd43dd8448eb211c80319c";
const std::string kRoot = std::string("00-") + kTraceId + "-b7ad6b7169203331-01";
constexpr char kState[] = "vendor=1,other=2";

class TraceTest : public CallTest {
 protected:
  void SetUp() override {
    StartServer();
    stub_ = std::make_unique<TestService::Stub>(NewChannel());
  }
  void TearDown() override {
    sidecall::SetTraceHook(nullptr);
    CallTest::TearDown();
  }
  const TestService::Stub& stub() const { return *stub_; }

  TraceReply Trace(int depth, const std::string& trace_parent, const std::string& trace_state) const {
    PatientContext context;
    if (!trace_parent.empty()) context.AddMetadata("traceparent", trace_parent);
    if (!trace_state.empty()) context.AddMetadata("tracestate", trace_state);
    TraceRequest request;
    request.set_depth(depth);
    TraceReply reply;
    const absl::Status status = stub().Trace(&context, request, &reply);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(reply.hops_size(), depth + 1);
    return reply;
  }

  // In this process, and in the server's.
  void SetHooks(bool on) const {
    PatientContext context;
    TraceHookRequest request;
    request.set_on(on);
    EmptyMessage reply;
    ASSERT_TRUE(stub().SetTraceHook(&context, request, &reply).ok());
    sidecall::SetTraceHook(on ? &hook() : nullptr);
    hook().Forget();
  }
  static RecordingHook& hook() { return RecordingHook::OfProcess(); }
  // Spans of this process that have ended, of one side.
  static std::vector<RecordingHook::Record> Spans(bool server) {
    EXPECT_TRUE(hook().AwaitEnds());
    std::vector<RecordingHook::Record> spans = hook().Records();
    std::erase_if(spans, [server](const auto& span) { return span.server != server; });
    return spans;
  }

 private:
  std::unique_ptr<TestService::Stub> stub_;
};
SIDECALL_OVER_ALL_TRANSPORTS(TraceTest);

class TraceInOneProcessTest : public TraceTest {};
SIDECALL_OVER_TRANSPORTS_WHERE(TraceInOneProcessTest, InOneProcess);

// -- Without a hook
// ---------------------------------------------------------------------------------------------------------

TEST_P(TraceTest, IsCarriedOn) {
  const TraceReply reply = Trace(2, kRoot, kState);
  for (const TraceReply::Hop& hop : reply.hops()) {
    EXPECT_EQ(hop.trace_parent(), kRoot);
    EXPECT_EQ(hop.trace_state(), kState);
  }
}

TEST_P(TraceTest, NothingComesOfNothing) {
  const TraceReply reply = Trace(2, "", "");
  for (const TraceReply::Hop& hop : reply.hops()) {
    EXPECT_EQ(hop.trace_parent(), "");
    EXPECT_EQ(hop.trace_state(), "");
  }
}

TEST_P(TraceTest, MalformedOnesGoNoFurther) {
  const TraceReply reply = Trace(1, "00-nonsense", kState);
  EXPECT_EQ(reply.hops(0).trace_parent(), "00-nonsense") << "metadata as any other";
  EXPECT_EQ(reply.hops(1).trace_parent(), "");
  EXPECT_EQ(reply.hops(1).trace_state(), "");
}

// -- With one
// ---------------------------------------------------------------------------------------------------------

TEST_P(TraceTest, EachHopHasAParentOfItsOwn) {
  SetHooks(true);
  const TraceReply reply = Trace(2, kRoot, kState);
  SetHooks(false);
  std::set<std::string> parents = {kRoot};
  for (const TraceReply::Hop& hop : reply.hops()) {
    EXPECT_EQ(hop.trace_parent().substr(3, 32), kTraceId);
    EXPECT_EQ(hop.trace_state(), kState);
    EXPECT_TRUE(parents.insert(hop.trace_parent()).second) << hop.trace_parent() << " again";
  }
}

TEST_P(TraceTest, HookBeginsATrace) {
  SetHooks(true);
  const TraceReply reply = Trace(1, "", "");
  SetHooks(false);
  EXPECT_TRUE(sidecall::ParseTraceParent(reply.hops(0).trace_parent()).ok());
  EXPECT_EQ(reply.hops(1).trace_parent().substr(3, 32), reply.hops(0).trace_parent().substr(3, 32));
  EXPECT_NE(reply.hops(1).trace_parent(), reply.hops(0).trace_parent());
}

TEST_P(TraceTest, ClientIsToldOfEachEnd) {
  sidecall::SetTraceHook(&hook());
  hook().Forget();
  EXPECT_TRUE(Echoes(stub(), 1));
  {
    PatientContext context;
    FailRequest request;
    request.set_code(9);
    request.set_message("as wished");
    EchoMessage reply;
    EXPECT_FALSE(stub().Fail(&context, request, &reply).ok());
  }
  {
    PatientContext context;
    const auto stream = stub().BidirectionalStream(&context);
    EXPECT_TRUE(stream->Write(EchoMessage()));
    stream->WritesDone();
    EchoMessage message;
    EXPECT_TRUE(stream->Read(&message));
    EXPECT_TRUE(stream->Finish().ok());
  }
  {
    PatientContext context;
    const auto stream = stub().BidirectionalStream(&context);  // Dropped.
  }
  EXPECT_FALSE(Echoes(TestService::Stub(sidecall::CreateChannel("inproc:nobody listens here")), 1));
  sidecall::SetTraceHook(nullptr);
  EXPECT_TRUE(Echoes(stub(), 2));
  const auto spans = Spans(false);
  ASSERT_EQ(spans.size(), 5u);
  EXPECT_EQ(spans[0].method, "conformance.TestService/Echo");
  EXPECT_TRUE(spans[0].end->ok());
  EXPECT_EQ(spans[0].began_on, std::this_thread::get_id());
  EXPECT_EQ(spans[0].ended_on, std::this_thread::get_id());
  EXPECT_TRUE(HasCode(*spans[1].end, absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(Says(*spans[1].end, "as wished"));
  EXPECT_EQ(spans[2].method, "conformance.TestService/BidirectionalStream");
  EXPECT_TRUE(spans[2].end->ok());
  EXPECT_TRUE(HasCode(*spans[3].end, absl::StatusCode::kCancelled));
  EXPECT_TRUE(HasCode(*spans[4].end, absl::StatusCode::kUnavailable));
}

TEST_P(TraceInOneProcessTest, ServerIsToldOfEachHandler) {
  SetHooks(true);
  {
    PatientContext context;
    context.AddMetadata("traceparent", kRoot);
    FailRequest request;
    request.set_code(9);
    request.set_message("as wished");
    EchoMessage reply;
    EXPECT_FALSE(stub().Fail(&context, request, &reply).ok());
  }
  {
    PatientContext context;
    StreamRequest request;
    request.set_count(3);
    const auto reader = stub().ServerStream(&context, request);
    for (EchoMessage message; reader->Read(&message);) {
    }
    EXPECT_TRUE(reader->Finish().ok());
  }
  {
    PatientContext context;
    LargeRequest request;
    request.set_size(5u << 20);  // More than the client takes: the server says so instead.
    EchoMessage reply;
    EXPECT_TRUE(HasCode(stub().ReturnLarge(&context, request, &reply), absl::StatusCode::kResourceExhausted));
  }
  sidecall::SetTraceHook(nullptr);
  const auto clients = Spans(false);
  const auto servers = Spans(true);
  ASSERT_EQ(clients.size(), 3u);
  ASSERT_EQ(servers.size(), 3u);
  EXPECT_EQ(clients[0].parent, kRoot);
  for (size_t i = 0; i < servers.size(); i++) {
    EXPECT_EQ(servers[i].method, clients[i].method);
    EXPECT_EQ(servers[i].parent, clients[i].trace_parent);
    EXPECT_EQ(servers[i].end->code(), clients[i].end->code());
    EXPECT_EQ(servers[i].began_on, servers[i].ended_on) << "the handler's thread";
  }
  EXPECT_TRUE(Says(*servers[0].end, "as wished"));
}

// -- A hook that misbehaves
// ---------------------------------------------------------------------------------------------------------

class BadHook final : public sidecall::TraceHook {
 public:
  explicit BadHook(bool throws) : throws_(throws) {}
  std::unique_ptr<sidecall::TraceSpan> StartClientCall(std::string_view, std::string_view) override {
    return Start();
  }
  std::unique_ptr<sidecall::TraceSpan> StartServerCall(std::string_view, std::string_view) override {
    return Start();
  }

 private:
  class Span final : public sidecall::TraceSpan {
    std::string TraceParentToSend() override { return "bad\nvalue"; }
    void End(const absl::Status& /*status*/) override { throw 42; }
  };
  std::unique_ptr<sidecall::TraceSpan> Start() const {
    if (throws_) throw std::runtime_error("no memory for spans");
    return std::make_unique<Span>();
  }
  const bool throws_;
};

TEST_P(TraceInOneProcessTest, HookThatMisbehavesFailsNoCall) {
  sidecall::SetMinLogLevel(sidecall::LogLevel::kOff);
  for (const bool throws : {false, true}) {
    // A server's thread may be about to leave it when the call has ended: it is kept.
    static BadHook hooks[] = {BadHook(false), BadHook(true)};
    sidecall::SetTraceHook(&hooks[throws ? 1 : 0]);
    EXPECT_EQ(Trace(1, kRoot, "").hops(1).trace_parent(), kRoot) << "as if there were none";
    sidecall::SetTraceHook(nullptr);
  }
  sidecall::SetMinLogLevel(sidecall::LogLevel::kWarning);
}

}  // namespace
}  // namespace conformance
