#include "service_printer.h"

#include "absl/strings/str_cat.h"

namespace sidecall::codegen {
namespace {

// A parameter, named in declarations; definitions, which use none, leave its name in a comment.
std::string Parameter(const std::string& type, const char* name, bool named) {
  return named ? absl::StrCat(type, " ", name) : absl::StrCat(type, " /*", name, "*/");
}

std::vector<std::string> ParametersOf(const Method& method, bool named) {
  const std::string context = Parameter("::sidecall::ServerContext*", "context", named);
  const std::string request = Parameter(absl::StrCat("const ", method.request, "*"), "request", named);
  const std::string reply = Parameter(absl::StrCat(method.reply, "*"), "reply", named);
  switch (method.kind) {
    case MethodKind::kUnary:
      return {context, request, reply};
    case MethodKind::kClientStreaming:
      return {context,
              Parameter(absl::StrCat("::sidecall::ServerReader<", method.request, ">*"), "reader", named),
              reply};
    case MethodKind::kServerStreaming:
      return {context, request,
              Parameter(absl::StrCat("::sidecall::ServerWriter<", method.reply, ">*"), "writer", named)};
    case MethodKind::kBidirectionalStreaming:
      return {context, Parameter(absl::StrCat("::sidecall::ServerReaderWriter<", method.reply, ", ",
                                              method.request, ">*"),
                                 "stream", named)};
  }
  return {};
}

const char* KindName(MethodKind kind) {
  switch (kind) {
    case MethodKind::kUnary:
      return "kUnary";
    case MethodKind::kClientStreaming:
      return "kClientStreaming";
    case MethodKind::kServerStreaming:
      return "kServerStreaming";
    case MethodKind::kBidirectionalStreaming:
      return "kBidirectionalStreaming";
  }
  return "";
}

const char* HandlerName(MethodKind kind) {
  switch (kind) {
    case MethodKind::kUnary:
      return "HandleUnary";
    case MethodKind::kClientStreaming:
      return "HandleClientStreaming";
    case MethodKind::kServerStreaming:
      return "HandleServerStreaming";
    case MethodKind::kBidirectionalStreaming:
      return "HandleBidirectionalStreaming";
  }
  return "";
}

// The last argument of a method's constructor, where its option says anything.
std::string TraitsOf(const Method& method) {
  if (!method.idempotent && method.default_timeout_nanos == 0) return "";
  return absl::StrCat(
      ",\n    ::sidecall::internal::MethodTraits{.idempotent = ", method.idempotent ? "true" : "false",
      ", .default_timeout_nanos = ", method.default_timeout_nanos, "}");
}

// The same of a service's, always.
std::string TraitsOf(const Service& service) {
  return absl::StrCat("::sidecall::internal::ServiceTraits{.schema_hash = 0x",
                      absl::Hex(service.schema_hash, absl::kZeroPad16), ", .transports = \"",
                      service.transports, "\"}");
}

std::string HandlerOf(const Service& service, const Method& method) {
  const std::string type = absl::StrCat(service.scope, "::", service.name, "::Service");
  return absl::StrCat("&::sidecall::internal::", HandlerName(method.kind), "<", type, ", ", method.request,
                      ", ", method.reply, ", &", type, "::", method.name, ">");
}

}  // namespace

void PrintServiceDeclaration(const Service& service, Printer& printer) {
  printer.Print(
      "// Serves the service: derive from it, and override its methods. One that is not overridden answers\n"
      "// UNIMPLEMENTED. Methods are called from many threads at once.\n"
      "class Service : public ::sidecall::Service {\n"
      " public:\n");
  printer.Indent();
  printer.Print("Service();\n");
  for (const Method& method : service.methods) {
    printer.Print("\n");
    PrintComments(method.comments, printer);
    const char* attribute = method.deprecated ? "[[deprecated]] " : "";
    PrintCall(absl::StrCat(attribute, "virtual ::absl::Status ", method.name),
              ParametersOf(method, /*named=*/true), ";", printer);
  }
  printer.Outdent();
  printer.Print("};\n");
}

void PrintMethodObjects(const Service& service, Printer& printer) {
  if (service.methods.empty()) return;
  printer.Print("namespace {\nnamespace $table$ {\n\n", "table", service.table_name);
  for (const Method& method : service.methods) {
    printer.Print(
        "constinit const ::sidecall::internal::Method $name$(\n"
        "    \"$full_name$\", ::sidecall::internal::MethodKind::$kind$$traits$);\n",
        "name", method.name, "full_name", method.full_name, "kind", KindName(method.kind), "traits",
        TraitsOf(method));
  }
  printer.Print("\n}  // namespace $table$\n}  // namespace\n\n", "table", service.table_name);
}

void PrintServiceDefinitions(const Service& service, Printer& printer) {
  printer.Print("\n");
  if (service.methods.empty()) {
    printer.Print(
        "$name$::Service::Service()\n"
        "    : ::sidecall::Service($scope$::$name$::kServiceName, {},\n"
        "                          $traits$) {}\n",
        "name", service.name, "scope", service.scope, "traits", TraitsOf(service));
    return;
  }
  printer.Print("namespace {\n\nconstexpr ::sidecall::Service::MethodEntry $entries$[] = {\n", "entries",
                service.entries_name);
  for (const Method& method : service.methods) {
    printer.Print("    {&$table$::$name$,\n     $handler$},\n", "table", service.table_name, "name",
                  method.name, "handler", HandlerOf(service, method));
  }
  printer.Print("};\n\n}  // namespace\n\n");
  printer.Print(
      "$name$::Service::Service()\n"
      "    : ::sidecall::Service($scope$::$name$::kServiceName, $scope$::$entries$,\n"
      "                          $traits$) {}\n",
      "name", service.name, "scope", service.scope, "entries", service.entries_name, "traits",
      TraitsOf(service));
  for (const Method& method : service.methods) {
    printer.Print("\n");
    PrintCall(absl::StrCat("::absl::Status ", service.name, "::Service::", method.name),
              ParametersOf(method, /*named=*/false), " {", printer);
    printer.Print(
        "  return ::absl::UnimplementedError(\n"
        "      \"$full_name$ is not implemented: the server's class does not override $function$.\");\n"
        "}\n",
        "full_name", method.full_name, "function", method.name);
  }
}

}  // namespace sidecall::codegen
