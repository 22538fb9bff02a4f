#include "file_printer.h"

#include <algorithm>

#include "service_printer.h"
#include "stub_printer.h"

namespace sidecall::codegen {
namespace {

bool IsDeprecated(const Method& method) {
  return method.deprecated;
}

// Whether the source would warn about itself.
bool UsesDeprecated(const File& file) {
  return std::any_of(file.services.begin(), file.services.end(), [](const Service& service) {
    return service.deprecated || std::any_of(service.methods.begin(), service.methods.end(), IsDeprecated);
  });
}

void PrintServiceClass(const Service& service, Printer& printer) {
  PrintComments(service.comments, printer);
  printer.Print("class $attribute$$name$ final {\n public:\n", "attribute",
                service.deprecated ? "[[deprecated]] " : "", "name", service.name);
  printer.Indent();
  printer.Print("static constexpr ::std::string_view kServiceName = \"$full_name$\";\n\n", "full_name",
                service.full_name);
  PrintStubDeclaration(service, printer);
  printer.Print(
      "\nstatic ::std::unique_ptr<Stub> NewStub(::std::shared_ptr<::sidecall::Channel> channel);\n\n");
  PrintServiceDeclaration(service, printer);
  printer.Outdent();
  printer.Print("};\n");
}

void PrintHeaderBody(const File& file, Printer& printer) {
  printer.Print(
      "#include <memory>\n"
      "#include <string_view>\n"
      "\n"
      "#include \"absl/status/status.h\"\n"
      "#include \"absl/status/statusor.h\"\n"
      "#include \"$messages$\"\n"
      "#include \"sidecall/sidecall.h\"\n"
      "\n",
      "messages", file.message_include);
  PrintNamespacesOpen(file, printer);
  for (const Service& service : file.services) {
    if (&service != &file.services.front()) printer.Print("\n");
    PrintServiceClass(service, printer);
  }
  PrintNamespacesClose(file, printer);
}

}  // namespace

void PrintHeader(const File& file, Printer& printer) {
  PrintBanner(file, printer);
  if (!file.comments.detached.empty() || !file.comments.attached.empty()) printer.Print("\n");
  PrintComments(file.comments, printer);
  if (!file.comments.attached.empty()) printer.Print("\n");
  printer.Print("#ifndef $guard$\n#define $guard$\n\n", "guard", file.include_guard);
  if (file.services.empty()) {
    // Build rules name both outputs of every .proto, whether it declares a service or not.
    printer.Print("// The .proto file declares no service.\n#include \"$messages$\"\n", "messages",
                  file.message_include);
  } else {
    PrintHeaderBody(file, printer);
  }
  printer.Print("\n#endif  // $guard$\n", "guard", file.include_guard);
}

void PrintSource(const File& file, Printer& printer) {
  PrintBanner(file, printer);
  if (UsesDeprecated(file)) {
    // Ahead of the includes: handlers are templates, and compilers place the warning there.
    printer.Print(
        "\n"
        "// Deprecated services and methods are still served.\n"
        "#pragma GCC diagnostic ignored \"-Wdeprecated-declarations\"\n"
        "\n");
  }
  printer.Print("#include \"$header$\"\n", "header", file.header_include);
  if (file.services.empty()) return;
  printer.Print(
      "\n"
      "#include <utility>\n"
      "\n"
      "#include \"sidecall/internal/handler.h\"\n"
      "#include \"sidecall/internal/method.h\"\n"
      "#include \"sidecall/internal/stub.h\"\n"
      "\n");
  PrintNamespacesOpen(file, printer);
  for (const Service& service : file.services) {
    if (&service != &file.services.front()) printer.Print("\n");
    PrintMethodObjects(service, printer);
    PrintStubDefinitions(service, printer);
    PrintServiceDefinitions(service, printer);
  }
  PrintNamespacesClose(file, printer);
}

}  // namespace sidecall::codegen
