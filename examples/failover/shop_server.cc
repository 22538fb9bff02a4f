#include "failover/shop_server.h"

#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "shop.sidecall.h"

namespace shop {
namespace {

class ShopImpl final : public Shop::Service {
 public:
  explicit ShopImpl(std::string name) : name_(std::move(name)) {}

 private:
  absl::Status Place(sidecall::ServerContext*, const Order*, Receipt* reply) override {
    reply->set_server(name_);
    return absl::OkStatus();
  }
  absl::Status Track(sidecall::ServerContext*, const Order*, Receipt* reply) override {
    reply->set_server(name_);
    return absl::OkStatus();
  }

  const std::string name_;
};

}  // namespace

absl::Status Serve(const std::string& name) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  ShopImpl shop(name);
  sidecall::PublishOptions options;
  options.instance = name;
  auto server = sidecall::ServerBuilder().RegisterService(&shop).Publish(options).BuildAndStart();
  if (!server.ok()) return server.status();
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->Shutdown(absl::Seconds(5));
  return absl::OkStatus();
}

absl::Status ShopServer::Start() {
  const std::string serve = "--serve=" + name_;
  const char* const arguments[] = {"failover", serve.c_str(), nullptr};
  const int error =
      posix_spawn(&pid_, "/proc/self/exe", nullptr, nullptr, const_cast<char* const*>(arguments), environ);
  if (error == 0) return absl::OkStatus();
  pid_ = -1;
  return absl::InternalError(absl::StrCat("start the server ", name_, ": ", std::strerror(error)));
}

absl::Status ShopServer::End(int signal) {
  if (pid_ < 0) return absl::OkStatus();
  kill(pid_, signal);
  int ended = 0;
  waitpid(std::exchange(pid_, -1), &ended, 0);
  const bool as_asked = signal == SIGKILL ? WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL
                                          : WIFEXITED(ended) && WEXITSTATUS(ended) == 0;
  if (as_asked) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("the server ", name_, " ended by itself: wait status ", ended));
}

}  // namespace shop
