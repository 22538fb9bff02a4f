#include "plugin.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "sidecall/child_address.h"
#include "sidecall/sidecall.h"
#include "sidecall/spawn_child.h"

namespace exec_test {
namespace {

// What nobody ends by itself is ended all the same.
constexpr unsigned kLifeSeconds = 120;

std::string Descriptors() {
  std::set<std::string> links;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string link = std::filesystem::read_symlink(entry.path(), gone).string();
    if (!gone && link.find("/proc/") != 0) links.insert(entry.path().filename().string() + "=" + link);
  }
  return absl::StrJoin(links, "\n");
}

int Serve(bool stubborn) {
  if (stubborn) signal(SIGTERM, SIG_IGN);
  const auto parent = sidecall::ParentAddress();
  if (!parent.ok()) return 4;
  PluginImpl plugin;
  auto server = sidecall::ServerBuilder().AddAddress(*parent).RegisterService(&plugin).BuildAndStart();
  if (!server.ok()) {
    std::fprintf(stderr, "plugin: %s\n", server.status().ToString().c_str());
    return 5;
  }
  sidecall::WaitForParent();
  while (stubborn) pause();
  return 0;
}

int CallParent() {
  const auto parent = sidecall::ParentAddress();
  if (!parent.ok()) return 4;
  const Plugin::Stub stub(sidecall::CreateChannel(*parent));
  Message reply;
  do {
    sidecall::ClientContext context;
    context.set_timeout(absl::Seconds(30));
    Message request;
    request.set_text("called by the child");
    request.set_number(getpid());
    if (!stub.Echo(&context, request, &reply).ok()) return 6;
  } while (reply.number() != 0);
  sidecall::WaitForParent();
  return 0;
}

int WriteGreeting(const std::string& line) {
  (void)!write(4, line.data(), line.size());
  sidecall::WaitForParent();
  for (;;) pause();
}

[[noreturn]] void FloodErrors() {
  fcntl(STDERR_FILENO, F_SETPIPE_SZ, 1 << 20);  // More than a reader empties before this is run again.
  std::string lines;
  for (int i = 0; i < 10'000; i++) lines += "again\n";
  for (;;) (void)!write(STDERR_FILENO, lines.data(), lines.size());
}

int DieAndLeaveThePipes(const std::string& file) {
  if (std::filesystem::exists(file)) return CallParent();
  const std::unique_ptr<FILE, int (*)(FILE*)> made(std::fopen(file.c_str(), "w"), std::fclose);
  if (made == nullptr) return 8;
  if (fork() != 0) return 3;
  char byte = 0;
  (void)!read(3, &byte, 1);  // Until the parent hangs up.
  _exit(0);
}

// Calls its parent until that hangs up, then once more, when the pipes' numbers are those of others, and
// writes to `file` how that ended.
int CallParentOnceMore(const std::string& file) {
  const auto parent = sidecall::ParentAddress();
  if (!parent.ok()) return 4;
  const Plugin::Stub stub(sidecall::CreateChannel(*parent));
  const auto echo = [&stub] {
    sidecall::ClientContext context;
    context.set_timeout(absl::Seconds(30));
    Message request;
    request.set_number(getpid());
    Message reply;
    return stub.Echo(&context, request, &reply);
  };
  if (!echo().ok()) return 6;
  sidecall::WaitForParent();
  const absl::Status ended = echo();
  std::array<int, 2> others{-1, -1};
  if (pipe(others.data()) != 0) return 9;
  const absl::Status again = echo();
  const bool open = fcntl(others[0], F_GETFD) >= 0 && fcntl(others[1], F_GETFD) >= 0;
  const std::unique_ptr<FILE, int (*)(FILE*)> result(std::fopen(file.c_str(), "w"), std::fclose);
  if (result == nullptr) return 8;
  std::fprintf(result.get(), "%s %s %s", absl::StatusCodeToString(ended.code()).c_str(),
               absl::StatusCodeToString(again.code()).c_str(), open ? "open" : "closed");
  return 0;
}

// Greets once `file` is there, and notes that it was started in another beside it.
int ServeLate(const std::string& file) {
  const std::unique_ptr<FILE, int (*)(FILE*)> starts(std::fopen((file + ".starts").c_str(), "a"),
                                                     std::fclose);
  if (starts == nullptr) return 8;
  std::fputc('x', starts.get());
  std::fflush(starts.get());
  while (!std::filesystem::exists(file)) poll(nullptr, 0, 1);
  return Serve(false);
}

// `dies`: with its parent; "held" is "no", where a process that it has forked has the pipes still, and lives
// until its stdin ends.
int Host(const std::string& dies) {
  sidecall::ChildOptions options;
  options.dies_with_parent = dies == "yes";
  const auto channel = sidecall::SpawnChild(Program(), RoleArguments("serve"), options);
  const Plugin::Stub stub(channel);
  sidecall::ClientContext context;
  Message request;
  request.set_text("pid");
  Message reply;
  if (!stub.Tell(&context, request, &reply).ok()) return 7;
  std::printf("%s\n", reply.text().c_str());
  std::fflush(stdout);
  if (dies == "held" && fork() == 0) {
    char byte = 0;
    (void)!read(STDIN_FILENO, &byte, 1);
    _exit(0);
  }
  for (;;) pause();
}

}  // namespace

absl::Status PluginImpl::Echo(sidecall::ServerContext*, const Message* request, Message* reply) {
  *reply = *request;
  return absl::OkStatus();
}

absl::Status PluginImpl::Tell(sidecall::ServerContext* context, const Message* request, Message* reply) {
  if (request->text() == "descriptors") reply->set_text(Descriptors());
  if (request->text() == "environment")
    reply->set_text(getenv("SIDECALL_PARENT") != nullptr ? "there" : "gone");
  if (request->text() == "pid") reply->set_text(std::to_string(getpid()));
  if (request->text() == "peer") reply->set_text(context->peer().ToString());
  return absl::OkStatus();
}

absl::Status PluginImpl::End(sidecall::ServerContext*, const Ending* request, Message*) {
  if (request->signal() == 0) _exit(request->status());
  signal(request->signal(), SIG_DFL);
  raise(request->signal());
  for (;;) pause();
}

absl::Status PluginImpl::WriteError(sidecall::ServerContext*, const Message* request, Message*) {
  (void)!write(STDERR_FILENO, request->text().data(), request->text().size());
  return absl::OkStatus();
}

absl::Status PluginImpl::Count(sidecall::ServerContext*, const Message* request,
                               sidecall::ServerWriter<Message>* writer) {
  Message message;
  for (int64_t i = 0; i < request->number(); i++) {
    message.set_number(i);
    if (!writer->Write(message)) return absl::CancelledError("nobody reads");
  }
  return absl::OkStatus();
}

std::string Program() {
  return std::filesystem::read_symlink("/proc/self/exe").string();
}

std::vector<std::string> RoleArguments(const std::string& role, const std::string& argument) {
  return {"--role", role, argument};
}

int RunRole(const std::string& role, const std::string& argument) {
  alarm(kLifeSeconds);
  if (role == "serve") return Serve(false);
  if (role == "stubborn") return Serve(true);
  if (role == "call") return CallParent();
  if (role == "flood") {
    std::thread(FloodErrors).detach();
    return Serve(false);
  }
  if (role == "orphan") return DieAndLeaveThePipes(argument);
  if (role == "call once more") return CallParentOnceMore(argument);
  if (role == "late") return ServeLate(argument);
  if (role == "exit") return 3;
  if (role == "closed") {
    close(3);
    close(4);
  }
  if (role == "babble") return WriteGreeting("hello, world\n");
  if (role == "other version") return WriteGreeting("sidecall-child 999 0123456789abcdef\n");
  if (role == "other cookie") return WriteGreeting("sidecall-child 1 0123456789abcdef\n");
  if (role == "host") return Host(argument);
  if (role == "by hand") {
    std::printf("%s\n", sidecall::ParentAddress().status().ToString().c_str());
    return 0;
  }
  for (;;) pause();  // "silent"
}

}  // namespace exec_test
