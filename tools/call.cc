#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "commands.h"
#include "generic_stub.h"
#include "reflected_types.h"
#include "sidecall/channel.h"
#include "sidecall/client_context.h"
#include "sidecall/options.pb.h"

namespace sidecall::tools {
namespace {

using google::protobuf::Message;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

// Of a reply: who calls by hand has the memory.
constexpr size_t kLargestMessage = 256u << 20;

std::string ReadJson(const std::string& data) {
  std::string json = data;
  if (data == "@") json.assign(std::istreambuf_iterator<char>(std::cin), {});
  return absl::StripAsciiWhitespace(json).empty() ? "{}" : json;
}

// What the method's options in its .proto say, as generated stubs know it.
internal::MethodTraits TraitsOf(const MethodDescriptor& method) {
  constexpr int64_t kMostSeconds = INT64_MAX / 1'000'000'000 - 1;
  internal::MethodTraits traits;
  const MethodOptions& options = method.options().GetExtension(sidecall::method);
  traits.idempotent = options.idempotent() || method.options().idempotency_level() !=
                                                  google::protobuf::MethodOptions::IDEMPOTENCY_UNKNOWN;
  const auto& timeout = options.default_timeout();
  if (timeout.seconds() >= 0 && timeout.seconds() <= kMostSeconds && timeout.nanos() >= 0 &&
      timeout.nanos() < 1'000'000'000) {
    traits.default_timeout_nanos = timeout.seconds() * 1'000'000'000 + timeout.nanos();
  }
  return traits;
}

absl::Status FromJson(const std::string& json, Message& request) {
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &request);
  if (parsed.ok()) return absl::OkStatus();
  std::string why(parsed.message());
  if (why.starts_with(": ")) why.erase(0, 2);  // Of the message itself, it names no field.
  const google::protobuf::Descriptor& type = *request.GetDescriptor();
  return absl::InvalidArgumentError(absl::StrCat("-d is no ", type.full_name(), ": ", why,
                                                 "\nWhat it may be:\n",
                                                 absl::StripAsciiWhitespace(type.DebugString())));
}

// protobuf indents by one column, grpcurl by two.
absl::StatusOr<std::string> ToJson(const Message& reply, bool emit_defaults) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = emit_defaults;
  std::string json;
  const auto printed = google::protobuf::util::MessageToJsonString(reply, &json, options);
  if (!printed.ok()) {
    return absl::DataLossError(
        absl::StrCat("the reply is a ", reply.GetDescriptor()->full_name(),
                     ", and cannot be shown as JSON: ", std::string(printed.message())));
  }
  std::string indented;
  for (const auto line : absl::StrSplit(json, '\n', absl::SkipEmpty())) {
    const size_t depth = std::min(line.find_first_not_of(' '), line.size());
    absl::StrAppend(&indented, std::string(depth, ' '), line, "\n");
  }
  return indented;
}

absl::Status Streams(const MethodDescriptor& method) {
  const char* who = !method.client_streaming()   ? "its server sends"
                    : !method.server_streaming() ? "its client sends"
                                                 : "both its ends send";
  return absl::UnimplementedError(
      absl::StrCat(method.full_name(), " is no unary method: ", who,
                   " a stream of messages, and sidecall call makes unary calls only"));
}

std::shared_ptr<Channel> ChannelOf(const CallRequest& asked) {
  ChannelOptions options;
  options.max_receive_message_bytes = kLargestMessage;
  return CreateChannel(asked.target.empty() ? "sidecall:" + asked.method.service : asked.target, options);
}

class Caller {
 public:
  explicit Caller(const CallRequest& asked)
      : asked_(asked), channel_(ChannelOf(asked)), types_(channel_, asked.deadline), stub_(channel_) {}

  absl::Status Call() {
    const ServiceDescriptor* service = types_.pool().FindServiceByName(asked_.method.service);
    if (!types_.status().ok()) return types_.status();
    if (service == nullptr) return UnknownService();
    const MethodDescriptor* method = service->FindMethodByName(asked_.method.method);
    if (method == nullptr) return Unknown();
    if (method->client_streaming() || method->server_streaming()) return Streams(*method);
    return CallUnary(*method);
  }

 private:
  absl::Status CallUnary(const MethodDescriptor& method) {
    google::protobuf::DynamicMessageFactory factory(&types_.pool());
    const std::unique_ptr<Message> request(factory.GetPrototype(method.input_type())->New());
    const std::unique_ptr<Message> reply(factory.GetPrototype(method.output_type())->New());
    absl::Status status = FromJson(ReadJson(asked_.data), *request);
    if (!types_.status().ok()) return types_.status();
    if (!status.ok()) return status;
    ClientContext context;
    Prepare(context);
    status = stub_.CallUnary(asked_.method.full_name(), TraitsOf(method), context, *request, *reply);
    if (!status.ok()) return status;
    const auto json = ToJson(*reply, asked_.emit_defaults);
    if (!json.ok()) return json.status();
    std::fputs(json->c_str(), stdout);
    return absl::OkStatus();
  }

  absl::Status UnknownService() {
    const auto services = types_.ListServices();
    if (!services.ok()) return services.status();
    // Not called in vain: it has the method, perhaps, and a handler that makes something of that.
    if (std::find(services->begin(), services->end(), asked_.method.service) == services->end())
      return Unknown();
    return absl::FailedPreconditionError(
        absl::StrCat("the server has ", asked_.method.service, ", ", kNotReflected));
  }

  // Of a method that the server does not have: it says itself what comes nearest.
  absl::Status Unknown() {
    ClientContext context;
    Prepare(context);
    return stub_.CallInVain(asked_.method.full_name(), context);
  }

  void Prepare(ClientContext& context) const {
    if (asked_.deadline != absl::InfiniteFuture()) context.set_deadline(asked_.deadline);
    for (const auto& [key, value] : asked_.headers) context.AddMetadata(key, value);
  }

  const CallRequest& asked_;
  const std::shared_ptr<Channel> channel_;
  ReflectedTypes types_;
  const GenericStub stub_;
};

}  // namespace

absl::Status Call(const CallRequest& request) {
  return Caller(request).Call();
}

}  // namespace sidecall::tools
