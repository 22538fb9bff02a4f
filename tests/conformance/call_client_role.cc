#include "call_client_role.h"

#include <grp.h>
#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "call_local_server.h"
#include "call_patience.h"
#include "testing.sidecall.h"

namespace conformance {
namespace {

// "54321", or "54321+44" with a supplementary group.
bool Become(const std::string& user) {
  const auto uid = static_cast<uid_t>(std::stoul(user));
  const size_t plus = user.find('+');
  const gid_t group = plus != std::string::npos ? static_cast<gid_t>(std::stoul(user.substr(plus + 1))) : 0;
  return setgroups(plus != std::string::npos ? 1 : 0, &group) == 0 && setresgid(uid, uid, uid) == 0 &&
         setresuid(uid, uid, uid) == 0;
}

int CallSleep(const std::string& address, const std::string& gate, LineSocket& test) {
  const TestService::Stub stub(sidecall::CreateChannel(address));
  PatientContext context;
  SleepRequest request;
  request.set_gate(gate);
  EchoMessage reply;
  test.Send(stub.Sleep(&context, request, &reply).ToString());
  return 0;
}

int CallIdentity(const std::string& address, LineSocket& test) {
  const TestService::Stub stub(sidecall::CreateChannel(address));
  while (!test.Receive().empty()) {
    PatientContext context;
    IdentityReply reply;
    const absl::Status status = stub.PeerIdentity(&context, EmptyMessage(), &reply);
    test.Send(status.ok()
                  ? absl::StrCat("uid ", reply.uid(), " gid ", reply.gid(), " pid ", reply.pid(),
                                 " server uid ", static_cast<int64_t>(context.peer().uid.value_or(-1)))
                  : status.ToString());
  }
  return 0;
}

int CallEcho(const std::string& address, bool serve, LineSocket& test) {
  absl::StatusOr<std::unique_ptr<LocalServer>> server;
  if (serve) server = LocalServer::Start({address}, {});
  const TestService::Stub stub(sidecall::CreateChannel(address));
  for (std::string line = test.Receive(); !line.empty(); line = test.Receive()) {
    PatientContext context;
    EchoMessage request;
    request.set_number(std::stoll(line));
    EchoMessage reply;
    const absl::Status status = stub.Echo(&context, request, &reply);
    test.Send(status.ok() ? std::to_string(reply.number()) : status.ToString());
  }
  return 0;
}

// Writes until it is killed, to a handler that reads until then and waits at `gate` before it ends.
int WriteStream(const std::string& address, const std::string& gate, LineSocket& test) {
  const TestService::Stub stub(sidecall::CreateChannel(address));
  PatientContext context;
  context.AddMetadata("end-gate", gate);
  context.AddMetadata("metadata-first", "");
  StreamSummary summary;
  const auto writer = stub.ClientStream(&context, &summary);
  writer->WaitForInitialMetadata();
  test.Send("streaming");
  EchoMessage message;
  message.set_payload(std::string(1000, 'x'));
  while (writer->Write(message)) {
  }
  return 0;
}

// Reads one message of many, and then no more until it is killed.
int ReadStream(const std::string& address, const std::string& gate, LineSocket& test) {
  const TestService::Stub stub(sidecall::CreateChannel(address));
  PatientContext context;
  context.AddMetadata("end-gate", gate);
  StreamRequest request;
  request.set_count(100000);
  request.set_size(1000);
  const auto reader = stub.ServerStream(&context, request);
  EchoMessage message;
  if (reader->Read(&message)) test.Send("streaming");
  test.Receive();
  return 0;
}

// Holds a bidirectional stream open until it is killed, having written `writes`: "none", "one", or the
// "last". Its handler waits at `gate` before it ends.
int HoldStream(const std::string& address, const std::string& gate, const std::string& writes,
               LineSocket& test) {
  const TestService::Stub stub(sidecall::CreateChannel(address));
  PatientContext context;
  context.AddMetadata("end-gate", gate);
  context.AddMetadata("metadata-first", "");
  const auto stream = stub.BidirectionalStream(&context);
  stream->WaitForInitialMetadata();
  EchoMessage message;
  if (writes == "none" || (stream->Write(message) && stream->Read(&message))) {
    if (writes == "last") stream->WritesDone();
    test.Send("streaming");
  }
  test.Receive();
  return 0;
}

}  // namespace

int RunClientRole(const std::vector<std::string>& arguments, LineSocket& test) {
  const std::string& role = arguments.at(0);
  if (role == "sleep") return CallSleep(arguments.at(1), arguments.at(2), test);
  if (role == "echo" || role == "echo-self") return CallEcho(arguments.at(1), role == "echo-self", test);
  if (role == "write-stream") return WriteStream(arguments.at(1), arguments.at(2), test);
  if (role == "read-stream") return ReadStream(arguments.at(1), arguments.at(2), test);
  if (role == "hold-stream") return HoldStream(arguments.at(1), arguments.at(2), arguments.at(3), test);
  if (!Become(arguments.at(1))) {
    test.Send("cannot become that user");
    return 1;
  }
  if (role == "identity") return CallIdentity(arguments.at(2), test);
  const auto server = LocalServer::Start({arguments.at(2)}, {});
  test.Send(server.status().ToString());
  return 0;
}

}  // namespace conformance
