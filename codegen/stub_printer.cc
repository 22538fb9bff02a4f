#include "stub_printer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sidecall::codegen {
namespace {

constexpr char kContext[] = "::sidecall::ClientContext* context";

// One function of a stub.
struct Function {
  std::string result;
  std::vector<std::string> parameters;
  std::string body;
};

// A stream: its parameters, and what its constructor takes behind channel, method and context.
Function Streaming(const Service& service, const Method& method, const std::string& type,
                   std::vector<std::string> parameters, const char* arguments) {
  return {absl::StrCat("::std::unique_ptr<", type, ">"), std::move(parameters),
          absl::StrCat("return ::std::make_unique<", type, ">(channel_, ", service.table_name,
                       "::", method.name, ", *context", arguments, ");")};
}

std::vector<Function> Unary(const Service& service, const Method& method) {
  const std::string target = absl::StrCat("*channel_, ", service.table_name, "::", method.name);
  const std::string request = absl::StrCat("const ", method.request, "& request");
  return {
      {"::absl::Status",
       {kContext, request, absl::StrCat(method.reply, "* reply")},
       absl::StrCat("return ::sidecall::internal::CallUnary(", target, ", context, request, reply);")},
      {absl::StrCat("::absl::StatusOr<", method.reply, ">"),
       {request},
       absl::StrCat("return ::sidecall::internal::CallUnary<", method.reply, ">(", target, ", request);")}};
}

std::vector<Function> FunctionsOf(const Service& service, const Method& method) {
  switch (method.kind) {
    case MethodKind::kUnary:
      return Unary(service, method);
    case MethodKind::kClientStreaming:
      return {Streaming(service, method, absl::StrCat("::sidecall::ClientWriter<", method.request, ">"),
                        {kContext, absl::StrCat(method.reply, "* reply")}, ", *reply")};
    case MethodKind::kServerStreaming:
      return {Streaming(service, method, absl::StrCat("::sidecall::ClientReader<", method.reply, ">"),
                        {kContext, absl::StrCat("const ", method.request, "& request")}, ", request")};
    case MethodKind::kBidirectionalStreaming:
      return {
          Streaming(service, method,
                    absl::StrCat("::sidecall::ClientReaderWriter<", method.request, ", ", method.reply, ">"),
                    {kContext}, "")};
  }
  return {};
}

// The function of Stub::Async, which begins the call.
Function Beginning(const Service& service, const Method& method) {
  return {
      "::sidecall::PendingCall",
      {kContext, absl::StrCat("const ", method.request, "& request"), absl::StrCat(method.reply, "* reply")},
      absl::StrCat("return ::sidecall::internal::StartUnary(channel_, burst_, ", service.table_name,
                   "::", method.name, ", context, request, reply);")};
}

// Whether a service has what Stub::Async has functions for.
bool HasAsync(const Service& service) {
  return std::any_of(service.methods.begin(), service.methods.end(),
                     [](const Method& method) { return method.kind == MethodKind::kUnary; });
}

void PrintDeclaration(const Method& method, const Function& function, Printer& printer) {
  const char* attribute = method.deprecated ? "[[deprecated]] " : "";
  PrintCall(absl::StrCat(attribute, function.result, " ", method.name), function.parameters, " const;",
            printer);
}

void PrintDefinition(const std::string& scope, const Method& method, const Function& function,
                     Printer& printer) {
  printer.Print("\n");
  PrintCall(absl::StrCat(function.result, " ", scope, "::", method.name), function.parameters, " const {",
            printer);
  printer.Print("  $body$\n}\n", "body", function.body);
}

// A class of its own, so that its functions can have the methods' names.
void PrintAsyncDeclaration(const Service& service, Printer& printer) {
  printer.Print(
      "\n"
      "// Begins calls without waiting for their replies (sidecall/pending_call.h). Must not outlive its "
      "stub.\n"
      "class Async final {\n"
      " public:\n");
  printer.Indent();
  bool first = true;
  for (const Method& method : service.methods) {
    if (method.kind != MethodKind::kUnary) continue;
    if (!std::exchange(first, false)) printer.Print("\n");
    PrintComments(method.comments, printer);
    PrintDeclaration(method, Beginning(service, method), printer);
  }
  printer.Outdent();
  printer.Print(
      "\n"
      " private:\n"
      "  friend class Stub;\n"
      "  Async(const ::std::shared_ptr<::sidecall::Channel>& channel, ::sidecall::Burst* burst)\n"
      "      : channel_(channel), burst_(burst) {}\n"
      "  const ::std::shared_ptr<::sidecall::Channel>& channel_;\n"
      "  ::sidecall::Burst* burst_;\n"
      "};\n"
      "Async async() const { return Async(channel_, nullptr); }\n"
      "// Calls that may leave together (sidecall/burst.h).\n"
      "Async async(::sidecall::Burst& burst) const { return Async(channel_, &burst); }\n");
}

}  // namespace

void PrintStubDeclaration(const Service& service, Printer& printer) {
  printer.Print(
      "// Calls the service over a channel. Safe to use from many threads at once.\n"
      "class Stub final {\n"
      " public:\n");
  printer.Indent();
  printer.Print("explicit Stub(::std::shared_ptr<::sidecall::Channel> channel);\n");
  for (const Method& method : service.methods) {
    printer.Print("\n");
    PrintComments(method.comments, printer);
    for (const Function& function : FunctionsOf(service, method)) PrintDeclaration(method, function, printer);
  }
  if (HasAsync(service)) PrintAsyncDeclaration(service, printer);
  printer.Outdent();
  printer.Print(
      "\n"
      " private:\n"
      "  ::std::shared_ptr<::sidecall::Channel> channel_;\n"
      "};\n");
}

void PrintStubDefinitions(const Service& service, Printer& printer) {
  printer.Print(
      "$service$::Stub::Stub(::std::shared_ptr<::sidecall::Channel> channel) : "
      "channel_(::std::move(channel)) {}\n"
      "\n"
      "::std::unique_ptr<$service$::Stub> $service$::NewStub(::std::shared_ptr<::sidecall::Channel> channel) "
      "{\n"
      "  return ::std::make_unique<Stub>(::std::move(channel));\n"
      "}\n",
      "service", service.name);
  for (const Method& method : service.methods) {
    for (const Function& function : FunctionsOf(service, method)) {
      PrintDefinition(absl::StrCat(service.name, "::Stub"), method, function, printer);
    }
  }
  for (const Method& method : service.methods) {
    if (method.kind != MethodKind::kUnary) continue;
    PrintDefinition(absl::StrCat(service.name, "::Stub::Async"), method, Beginning(service, method), printer);
  }
}

}  // namespace sidecall::codegen
