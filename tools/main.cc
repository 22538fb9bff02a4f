// sidecall: looks into the registry, and calls the services that it finds there.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "arguments.h"
#include "commands.h"

namespace {

using sidecall::tools::CallRequest;

constexpr int kUsage = 2;
constexpr int kFirstOfStatus = 64;

int Report(const absl::Status& status) {
  if (status.ok()) return 0;
  std::cerr << "sidecall: "
            << sidecall::tools::Printable(status.ToString(absl::StatusToStringMode::kWithNoExtraData))
            << std::endl;
  return kFirstOfStatus + static_cast<int>(status.code());
}

template <typename Value>
Value ValueOrUsage(absl::StatusOr<Value> value) {
  if (!value.ok()) throw CLI::ValidationError(std::string(value.status().message()), kUsage);
  return *std::move(value);
}

void AddList(CLI::App& app, absl::Status& status) {
  struct Options {
    std::string service;
    bool no_legend = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* list = app.add_subcommand("list", "The services that live servers serve; or the servers of one");
  list->add_option("SERVICE", options->service, "As hello.Greeter");
  list->add_flag("--no-legend", options->no_legend, "Without the heads of the columns");
  list->callback(
      [options, &status] { status = sidecall::tools::List(options->service, !options->no_legend); });
}

void AddDescribe(CLI::App& app, absl::Status& status) {
  const auto symbol = std::make_shared<std::string>();
  CLI::App* describe = app.add_subcommand(
      "describe", "The .proto source of a service, method or type; or of all live services");
  describe->add_option("SYMBOL", *symbol, "As hello.Greeter, hello.Greeter/SayHello or hello.HelloRequest");
  describe->callback([symbol, &status] { status = sidecall::tools::Describe(*symbol); });
}

void AddCall(CLI::App& app, absl::Status& status) {
  struct Options {
    std::vector<std::string> what;
    std::vector<std::string> headers;
    double max_seconds = 0;
    CallRequest request;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* call = app.add_subcommand("call", "Calls a unary method with JSON, and prints the reply as JSON");
  call->add_option(
          "METHOD", options->what,
          "package.Service/Method; before it a target, as unix:/path or sidecall:hello.Greeter@left, "
          "where it is not to be any server of the service")
      ->expected(1, 2)
      ->option_text("[TARGET] METHOD")
      ->required();
  call->add_option("-d,--d", options->request.data, "The request, as JSON; @: read it from stdin");
  call->add_option("-H,--H", options->headers, "'key: value', sent with the call; may be given again")
      ->allow_extra_args(false);
  call->add_option("--max-time", options->max_seconds, "Seconds until it ends with DEADLINE_EXCEEDED")
      ->check([](const std::string& text) {
        double seconds = 0;
        const bool valid = CLI::detail::lexical_cast(text, seconds) && seconds > 0;
        return valid ? "" : "'" + text + "' is no number of seconds above 0";
      });
  call->add_flag("--emit-defaults", options->request.emit_defaults,
                 "Print fields that have their default values, too");
  call->callback([options, &status] {
    CallRequest& request = options->request;
    if (options->max_seconds > 0) request.deadline = absl::Now() + absl::Seconds(options->max_seconds);
    request.method = ValueOrUsage(sidecall::tools::ParseMethodName(options->what.back()));
    if (options->what.size() > 1) request.target = options->what.front();
    for (const std::string& header : options->headers) {
      request.headers.push_back(ValueOrUsage(sidecall::tools::ParseHeader(header)));
    }
    status = sidecall::tools::Call(request);
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Looks into the registry of Sidecall's servers (docs/registry.md), and calls them.");
  app.name("sidecall");
  absl::Status status;
  AddList(app, status);
  AddDescribe(app, status);
  AddCall(app, status);
  CLI::App* clean = app.add_subcommand("clean", "Remove what dead servers have left");
  clean->callback([&] { status = sidecall::tools::Clean(); });

  std::vector<std::string> arguments = sidecall::tools::NormalArguments(argc, argv);
  std::reverse(arguments.begin(), arguments.end());  // As CLI11 takes them.
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  // Not CLI11's own requirement, which hides that a command is unknown.
  if (app.get_subcommands().empty()) {
    std::cerr << app.help();
    return kUsage;
  }
  return Report(status);
}
