// Reflection: what a server tells of its services, over a stub, to clients that ask well and to hostile ones.
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "call_fixture.h"
#include "call_gates.h"
#include "call_named_fixture.h"
#include "call_test_service.h"
#include "sidecall/reflection.sidecall.h"

namespace conformance {
namespace {

using sidecall_reflection::ServerReflection;
using Request = sidecall_reflection::ServerReflectionRequest;
using Response = sidecall_reflection::ServerReflectionResponse;

constexpr int kNotFound = 5;
constexpr size_t kMebibyte = 1u << 20;

// One stream, and what it answers.
class Conversation {
 public:
  explicit Conversation(const std::shared_ptr<sidecall::Channel>& channel)
      : stream_(ServerReflection::Stub(channel).ServerReflectionInfo(&context_)) {}

  Response Ask(const Request& request) {
    Response response;
    EXPECT_TRUE(stream_->Write(request));
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  Response AskForSymbol(const std::string& symbol) {
    Request request;
    request.set_file_containing_symbol(symbol);
    return Ask(request);
  }
  std::vector<std::string> List() {
    Request request;
    request.set_list_services("*");
    const Response response = Ask(request);
    std::vector<std::string> names;
    for (const auto& service : response.list_services_response().service()) names.push_back(service.name());
    return names;
  }
  absl::Status Finish() {
    stream_->WritesDone();
    return stream_->Finish();
  }
  bool Read() {
    Response response;
    return stream_->Read(&response);
  }

 private:
  PatientContext context_;
  std::unique_ptr<sidecall::ClientReaderWriter<Request, Response>> stream_;
};

// The names of the files of an answer.
std::vector<std::string> FilesOf(const Response& response) {
  std::vector<std::string> names;
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    EXPECT_TRUE(file.ParseFromString(bytes));
    names.push_back(file.name());
  }
  return names;
}

class ReflectionTest : public CallTest {
 protected:
  // A server of this process that serves `service`, too.
  absl::StatusOr<std::unique_ptr<sidecall::Server>> Build(const sidecall::ServerOptions& options,
                                                          sidecall::Service* service = nullptr) {
    sidecall::ServerBuilder builder;
    builder.RegisterService(&service_).AddAddress(address()).SetOptions(options);
    if (service != nullptr) builder.RegisterService(service);
    return builder.BuildAndStart();
  }

 private:
  Gates gates_;
  TestServiceImpl service_{"inproc:unused", gates_};
};
SIDECALL_OVER_TRANSPORTS_WHERE(ReflectionTest, SharesAServer);

// What is no matter of the transport, and takes its time.
class ReflectionLimitsTest : public CallTest {};
bool AreTriedOnce(const Setup& setup) {
  return InOneProcess(setup) && setup.scheme == "unix";
}
SIDECALL_OVER_TRANSPORTS_WHERE(ReflectionLimitsTest, AreTriedOnce);

class NamedReflectionTest : public NamedTest {};

TEST_P(ReflectionTest, ListsTheServersServicesAndItself) {
  StartServer();
  Conversation conversation(NewChannel());
  const std::vector<std::string> expected = {"conformance.TestService", "conformance.other.OptionsService",
                                             "conformance.other.TestService",
                                             "sidecall_reflection.ServerReflection"};
  EXPECT_EQ(conversation.List(), expected);
  EXPECT_TRUE(conversation.Finish().ok());
}

TEST_P(ReflectionTest, OneStreamAnswersManyQuestions) {
  StartServer();
  Conversation conversation(NewChannel());
  for (const char* symbol : {"conformance.TestService", "conformance.TestService.Echo",
                             "conformance.MetadataReply.Entry", "conformance.EchoMessage.payload"}) {
    const Response response = conversation.AskForSymbol(symbol);
    EXPECT_EQ(FilesOf(response), std::vector<std::string>{"testing.proto"}) << symbol;
    EXPECT_EQ(response.original_request().file_containing_symbol(), symbol);
  }
  const Response unknown = conversation.AskForSymbol("conformance.Nothing");
  EXPECT_EQ(unknown.error_response().error_code(), kNotFound);
  EXPECT_EQ(unknown.error_response().error_message(), "this server knows no symbol conformance.Nothing");
  EXPECT_EQ(FilesOf(conversation.AskForSymbol("conformance.EchoMessage")),
            std::vector<std::string>{"testing.proto"})
      << "the stream goes on after an error";
  EXPECT_TRUE(conversation.Finish().ok());
}

TEST_P(ReflectionTest, NamesOfAMebibyteAreAnsweredShortly) {
  StartServer();
  Conversation conversation(NewChannel());
  const std::string name = "conformance." + std::string(kMebibyte, 'x');
  std::vector<Request> requests(5);
  requests[0].set_file_by_filename(name);
  requests[1].set_file_containing_symbol(name);
  requests[2].mutable_file_containing_extension()->set_containing_type(name);
  requests[3].set_all_extension_numbers_of_type(name);
  requests[4].set_file_containing_symbol("conformance.TestService");
  requests[4].set_host(name);
  for (const Request& request : requests) {
    const Response response = conversation.Ask(request);
    EXPECT_FALSE(response.has_original_request());
    if (request.host().empty()) {
      EXPECT_EQ(response.error_response().error_code(), kNotFound);
      EXPECT_LT(response.ByteSizeLong(), 1000u);
    } else {
      EXPECT_EQ(FilesOf(response), std::vector<std::string>{"testing.proto"});
    }
  }
  EXPECT_TRUE(conversation.Finish().ok());
  EXPECT_TRUE(Echoes(NewStub(), 1));
}

TEST_P(ReflectionTest, CanBeTurnedOff) {
  sidecall::ServerOptions options;
  options.reflection = false;
  const auto server = Build(options);
  ASSERT_TRUE(server.ok()) << server.status();
  const absl::Status status = Conversation(NewChannel()).Finish();
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kUnimplemented));
  EXPECT_TRUE(Says(status, "this server has no service sidecall_reflection.ServerReflection"));
}

TEST_P(ReflectionTest, AServiceOfThatNameIsKept) {
  class Own final : public ServerReflection::Service {
   public:
    absl::Status ServerReflectionInfo(sidecall::ServerContext* /*context*/,
                                      sidecall::ServerReaderWriter<Response, Request>* /*stream*/) override {
      return absl::AlreadyExistsError("the user's own");
    }
  } own;
  const auto server = Build({}, &own);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(Says(Conversation(NewChannel()).Finish(), "the user's own"));
}

TEST_P(ReflectionLimitsTest, FewStreamsAtOnce) {
  constexpr int kMost = 8;
  StartServer();
  const auto channel = NewChannel();
  std::vector<std::unique_ptr<Conversation>> open;
  for (int i = 0; i < kMost; i++) {
    open.push_back(std::make_unique<Conversation>(channel));
    EXPECT_EQ(open.back()->List().size(), 4u);
  }
  EXPECT_TRUE(HasCode(Conversation(channel).Finish(), absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(open.back()->Finish().ok());
  Conversation next(channel);
  EXPECT_EQ(next.List().size(), 4u) << "there is room for one";
  EXPECT_TRUE(next.Finish().ok());
}

TEST_P(ReflectionLimitsTest, AnIdleStreamGivesItsThreadBack) {
  StartServer();
  const auto began = std::chrono::steady_clock::now();
  Conversation idle(NewChannel());
  EXPECT_EQ(idle.List().size(), 4u);
  EXPECT_FALSE(idle.Read()) << "until the server ends it";
  EXPECT_TRUE(HasCode(idle.Finish(), absl::StatusCode::kDeadlineExceeded));
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_GE(took, std::chrono::seconds(9));
  EXPECT_LT(took, kPatience) << "the client's own deadline ended it";
}

TEST_F(NamedReflectionTest, IsFoundByTheNamesOfServicesAlone) {
  auto server = StartServer();
  Conversation conversation(sidecall::CreateChannel(kTarget));
  EXPECT_EQ(conversation.List().size(), 4u);
  EXPECT_TRUE(conversation.Finish().ok());
  const auto channel = sidecall::CreateChannel("sidecall:sidecall_reflection.ServerReflection");
  EXPECT_TRUE(Says(Conversation(channel).Finish(), "none is registered"));
}

}  // namespace
}  // namespace conformance
