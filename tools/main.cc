// sidecall: looks into the registry.
#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <string>

#include "commands.h"

namespace {

constexpr int kUsage = 2;
constexpr int kFirstOfStatus = 64;

int Report(const absl::Status& status) {
  if (status.ok()) return 0;
  std::cerr << "sidecall: " << status.ToString(absl::StatusToStringMode::kWithNoExtraData) << std::endl;
  return kFirstOfStatus + static_cast<int>(status.code());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Looks into the registry of Sidecall's servers (docs/registry.md).");
  absl::Status status;

  std::string service;
  bool no_legend = false;
  CLI::App* list = app.add_subcommand("list", "The services that live servers serve; or the servers of one");
  list->add_option("SERVICE", service, "As hello.Greeter");
  list->add_flag("--no-legend", no_legend, "Without the heads of the columns");
  list->callback([&] { status = sidecall::tools::List(service, !no_legend); });

  CLI::App* clean = app.add_subcommand("clean", "Remove what dead servers have left");
  clean->callback([&] { status = sidecall::tools::Clean(); });

  try {
    app.parse(argc, argv);
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
