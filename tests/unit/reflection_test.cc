// What the reflection service answers, and that its bytes are those of gRPC's server reflection.
#include "core/reflection.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sidecall/options.pb.h"

namespace sidecall {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using sidecall_reflection::ServerReflectionRequest;
using sidecall_reflection::ServerReflectionResponse;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kInvalidArgument = 3;
constexpr int kNotFound = 5;

class Named final : public Service {
 public:
  explicit Named(std::string_view name) : Service(name, {}) {}
};

class ReflectionServiceTest : public testing::Test {
 protected:
  // What is never used is not linked.
  ReflectionServiceTest() { EXPECT_NE(ServiceOptions::descriptor(), nullptr); }

  static std::vector<std::string> FilesOf(const ServerReflectionResponse& response) {
    std::vector<std::string> names;
    for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      google::protobuf::FileDescriptorProto file;
      EXPECT_TRUE(file.ParseFromString(bytes));
      names.push_back(file.name());
    }
    return names;
  }
  ServerReflectionResponse AnswerSymbol(const std::string& symbol) const {
    ServerReflectionRequest request;
    request.set_file_containing_symbol(symbol);
    return service_.Answer(request);
  }
  ServerReflectionResponse AnswerExtension(const std::string& type, int32_t number) const {
    ServerReflectionRequest request;
    request.mutable_file_containing_extension()->set_containing_type(type);
    request.mutable_file_containing_extension()->set_extension_number(number);
    return service_.Answer(request);
  }
  static void ExpectError(const ServerReflectionResponse& response, int code, const std::string& message) {
    EXPECT_EQ(response.error_response().error_code(), code);
    EXPECT_THAT(response.error_response().error_message(), HasSubstr(message));
  }

  Named second_{"b.Second"};
  Named first_{"a.First"};
  ReflectionService service_{{&second_, &first_}, 8};
};

TEST_F(ReflectionServiceTest, ListsWhatIsServedSorted) {
  ServerReflectionRequest request;
  request.set_list_services("");
  std::vector<std::string> names;
  const auto response = service_.Answer(request);
  for (const auto& service : response.list_services_response().service()) names.push_back(service.name());
  EXPECT_THAT(names, ElementsAre("a.First", "b.Second", "sidecall_reflection.ServerReflection"));
}

TEST_F(ReflectionServiceTest, AFileComesBeforeAllThatItImports) {
  ServerReflectionRequest request;
  request.set_file_by_filename("sidecall/options.proto");
  request.set_host("somewhere");
  const auto response = service_.Answer(request);
  EXPECT_THAT(FilesOf(response), ElementsAre("sidecall/options.proto", "google/protobuf/descriptor.proto",
                                             "google/protobuf/duration.proto"));
  EXPECT_EQ(response.valid_host(), "somewhere");
  EXPECT_EQ(response.original_request().SerializeAsString(), request.SerializeAsString());
}

TEST_F(ReflectionServiceTest, SymbolsOfEveryKind) {
  for (const char* symbol :
       {"sidecall_reflection.ServerReflection", "sidecall_reflection.ServerReflection.ServerReflectionInfo",
        "sidecall_reflection.ErrorResponse", "sidecall_reflection.ErrorResponse.error_code",
        "sidecall_reflection.ServerReflectionRequest.message_request"}) {
    EXPECT_THAT(FilesOf(AnswerSymbol(symbol)), ElementsAre("sidecall/reflection.proto")) << symbol;
  }
  for (const char* symbol :
       {"sidecall.ServiceOptions.Transport", "sidecall.ServiceOptions.SHM", "sidecall.method"}) {
    EXPECT_THAT(FilesOf(AnswerSymbol(symbol)), Contains("sidecall/options.proto")) << symbol;
  }
}

TEST_F(ReflectionServiceTest, Extensions) {
  EXPECT_THAT(FilesOf(AnswerExtension("google.protobuf.MethodOptions", 51077)),
              Contains("sidecall/options.proto"));
  ServerReflectionRequest request;
  request.set_all_extension_numbers_of_type("google.protobuf.MethodOptions");
  const auto response = service_.Answer(request);
  EXPECT_EQ(response.all_extension_numbers_response().base_type_name(), "google.protobuf.MethodOptions");
  EXPECT_THAT(response.all_extension_numbers_response().extension_number(), Contains(51077));
}

TEST_F(ReflectionServiceTest, WhatIsUnknownIsNamed) {
  ServerReflectionRequest request;
  request.set_file_by_filename("nothing.proto");
  ExpectError(service_.Answer(request), kNotFound, "this server knows no file nothing.proto");
  request.set_all_extension_numbers_of_type("no.Type");
  ExpectError(service_.Answer(request), kNotFound, "no message no.Type");
  ExpectError(AnswerSymbol("a.First"), kNotFound, "no symbol a.First");
  ExpectError(AnswerExtension("no.Type", 1), kNotFound, "no message no.Type");
  ExpectError(AnswerExtension("google.protobuf.MethodOptions", 7), kNotFound,
              "no extension 7 of google.protobuf.MethodOptions");
  ExpectError(service_.Answer({}), kInvalidArgument, "asks for nothing");
}

TEST_F(ReflectionServiceTest, HostileNames) {
  const std::string names[] = {"",
                               ".",
                               "..",
                               "a..b",
                               std::string("\0", 1),
                               std::string(1024, '.'),
                               std::string(1025, 'a'),
                               std::string(1u << 20, '\x01'),
                               "google.protobuf."};
  for (const std::string& name : names) {
    ServerReflectionRequest request;
    request.set_file_by_filename(name);
    std::vector<ServerReflectionResponse> responses = {service_.Answer(request), AnswerSymbol(name),
                                                       AnswerExtension(name, -1)};
    request.set_all_extension_numbers_of_type(name);
    responses.push_back(service_.Answer(request));
    for (const auto& response : responses) {
      EXPECT_EQ(response.error_response().error_code(), kNotFound) << name.size();
      EXPECT_LT(response.ByteSizeLong(), 3000u);
      for (const char c : response.error_response().error_message()) ASSERT_TRUE(c >= 0x20 && c <= 0x7e);
    }
  }
  EXPECT_EQ(AnswerExtension("google.protobuf.MethodOptions", -1).error_response().error_code(), kNotFound);
}

// -- The wire: bytes written by hand from gRPC's reflection.proto

template <typename Message>
Message Parsed(const std::string& bytes) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(bytes));
  EXPECT_EQ(message.SerializeAsString(), bytes);
  EXPECT_TRUE(message.GetReflection()->GetUnknownFields(message).empty());
  return message;
}

TEST(ReflectionWire, Requests) {
  const auto request = [](const std::string& bytes) { return Parsed<ServerReflectionRequest>(bytes); };
  EXPECT_EQ(request("\x0a\x01h").host(), "h");
  EXPECT_EQ(request("\x1a\x01"
                    "f")
                .file_by_filename(),
            "f");
  EXPECT_EQ(request("\x22\x01s").file_containing_symbol(), "s");
  const auto extension = request("\x2a\x05\x0a\x01t\x10\x07").file_containing_extension();
  EXPECT_EQ(extension.containing_type(), "t");
  EXPECT_EQ(extension.extension_number(), 7);
  EXPECT_EQ(request("\x32\x01t").all_extension_numbers_of_type(), "t");
  EXPECT_EQ(request("\x3a\x01*").list_services(), "*");
}

TEST(ReflectionWire, Responses) {
  const auto response = [](const std::string& bytes) { return Parsed<ServerReflectionResponse>(bytes); };
  EXPECT_EQ(response("\x0a\x01h").valid_host(), "h");
  EXPECT_EQ(response("\x12\x03\x0a\x01h").original_request().host(), "h");
  EXPECT_THAT(response("\x22\x06\x0a\x01"
                       "a\x0a\x01"
                       "b")
                  .file_descriptor_response()
                  .file_descriptor_proto(),
              ElementsAre("a", "b"));
  const auto numbers = response("\x2a\x07\x0a\x01t\x12\x02\x05\x07").all_extension_numbers_response();
  EXPECT_EQ(numbers.base_type_name(), "t");
  EXPECT_THAT(numbers.extension_number(), ElementsAre(5, 7));
  EXPECT_EQ(response("\x32\x05\x0a\x03\x0a\x01s").list_services_response().service(0).name(), "s");
  const auto error = response("\x3a\x05\x08\x05\x12\x01m").error_response();
  EXPECT_EQ(error.error_code(), kNotFound);
  EXPECT_EQ(error.error_message(), "m");
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // for which gRPC's library is not built
void ExpectSameFields(const Descriptor& ours, const Descriptor& theirs) {
  EXPECT_EQ(ours.field_count(), theirs.field_count()) << ours.full_name();
  for (int i = 0; i < theirs.field_count(); i++) {
    const FieldDescriptor& their = *theirs.field(i);
    const FieldDescriptor* our = ours.FindFieldByNumber(their.number());
    ASSERT_NE(our, nullptr) << their.full_name();
    EXPECT_EQ(our->name(), their.name());
    EXPECT_EQ(our->type(), their.type()) << their.full_name();
    EXPECT_EQ(our->label(), their.label()) << their.full_name();
    EXPECT_EQ(our->is_packed(), their.is_packed()) << their.full_name();
    const auto* their_oneof = their.containing_oneof();
    const auto* our_oneof = our->containing_oneof();
    EXPECT_EQ(our_oneof == nullptr ? "" : our_oneof->name(),
              their_oneof == nullptr ? "" : their_oneof->name());
    const Descriptor* their_type = their.message_type();
    const Descriptor* our_type = our->message_type();
    EXPECT_EQ(our_type == nullptr ? "" : our_type->name(), their_type == nullptr ? "" : their_type->name());
  }
}

TEST(ReflectionWire, MessagesAreThoseOfGrpc) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  const auto* theirs = pool.FindServiceByName("grpc.reflection.v1alpha.ServerReflection");
  if (theirs == nullptr) GTEST_SKIP() << "gRPC's reflection is not linked: libgrpc++-dev is not installed";
  const auto& ours = *ServerReflectionRequest::descriptor()->file();
  ASSERT_EQ(ours.message_type_count(), theirs->file()->message_type_count());
  for (int i = 0; i < ours.message_type_count(); i++) {
    const Descriptor* their = theirs->file()->FindMessageTypeByName(ours.message_type(i)->name());
    ASSERT_NE(their, nullptr) << ours.message_type(i)->name();
    ExpectSameFields(*ours.message_type(i), *their);
  }
  const auto* service = ours.FindServiceByName("ServerReflection");
  ASSERT_NE(service, nullptr);
  ASSERT_EQ(service->method_count(), theirs->method_count());
  EXPECT_EQ(service->method(0)->name(), theirs->method(0)->name());
  EXPECT_EQ(service->method(0)->client_streaming(), theirs->method(0)->client_streaming());
  EXPECT_EQ(service->method(0)->server_streaming(), theirs->method(0)->server_streaming());
}
#endif

}  // namespace
}  // namespace sidecall
