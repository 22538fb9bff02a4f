#include "core/acceptor.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <memory>
#include <vector>

#include "transport/event_loop.h"
#include "transport/unique_fd.h"

namespace sidecall {
namespace {

// At whose door somebody knocks so many times, and leaves again.
class KnockedAt final : public Listener {
 public:
  explicit KnockedAt(int knocks) : bell_(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)), knocks_(knocks) {}

  int knocks() const { return knocks_; }

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    if (knocks_ == 0) {
      eventfd_t rung = 0;
      (void)eventfd_read(bell_.get(), &rung);
      return nullptr;
    }
    knocks_--;
    return absl::UnavailableError("the client has left");
  }
  int descriptor() const override { return bell_.get(); }

 private:
  const UniqueFd bell_;
  int knocks_;
};

class AcceptorTest : public testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<EventLoop> events_ = GetParam() ? *MakeIoUringEventLoop() : *MakeEpollEventLoop();
  Acceptor acceptor_{*events_, [](std::unique_ptr<Connection>) {}};
};

TEST_P(AcceptorTest, WhoComesWithoutEndIsTakenInTurns) {
  constexpr int kKnocks = 1000;
  auto owned = std::make_unique<KnockedAt>(kKnocks);
  const KnockedAt& listener = *owned;
  ASSERT_TRUE(acceptor_.Add(std::move(owned)).ok());
  int turns = 0;
  for (; listener.knocks() > 0 && turns < kKnocks; turns++) {
    pollfd loop{.fd = events_->descriptor(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&loop, 1, 0), 1) << "nobody would look again, with " << listener.knocks() << " left";
    std::vector<EventLoop::Ready> ready;
    events_->Wait(0, ready);
    for (const EventLoop::Ready& report : ready) acceptor_.Accept(report.token);
    acceptor_.AcceptMore();
  }
  EXPECT_EQ(listener.knocks(), 0);
  EXPECT_GT(turns, 10);
}

INSTANTIATE_TEST_SUITE_P(Loops, AcceptorTest, testing::Bool());

}  // namespace
}  // namespace sidecall
