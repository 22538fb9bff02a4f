// The hot path's promise (design: "no system call, no heap allocation in the runtime's own code, no thread
// hand-off"), counted over 100,000 calls in a row, between two processes over shm, with a deadline set and
// default options.
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>

#include "hot_path.sidecall.h"
#include "syscall_counter.h"

namespace {

constexpr int kCallsPerWindow = 100'000;
// A window in which a thread was preempted holds sleeps and wake-ups: the machine's doing. One without is
// asked for.
constexpr int kMostWindows = 500;

// In memory shared by the test and its two child processes.
struct Shared {
  SyscallWindow window;
  std::atomic<uint64_t> client_allocations{0};
  std::atomic<uint64_t> server_allocations{0};
  std::atomic<uint64_t> served_by_another{
      0};  // calls in the window that another thread than the first served
  std::atomic<uint64_t> least_syscalls{UINT64_MAX};
  std::atomic<uint64_t> least_allocations{UINT64_MAX};
  std::atomic<uint64_t> least_hand_offs{UINT64_MAX};
};
Shared* shared = nullptr;

std::atomic<uint64_t>* allocations = nullptr;  // of this process; null while they do not count

void CountAllocation() {
  if (allocations != nullptr) allocations->fetch_add(1, std::memory_order_relaxed);
}

class CounterImpl final : public hot_path::Counter::Service {
 public:
  absl::Status Increment(sidecall::ServerContext* /*context*/, const hot_path::Number* request,
                         hot_path::Number* reply) override {
    static thread_local const pid_t thread = gettid();
    if (request->value() < 0) {
      // Opens a window.
      shared->window.server_thread.store(thread);
      shared->served_by_another.store(0);
      allocations = &shared->server_allocations;
    } else if (shared->window.server_thread.load(std::memory_order_relaxed) != thread) {
      shared->served_by_another.fetch_add(1);
    }
    reply->set_value(request->value() + 1);
    return absl::OkStatus();
  }
};

void Serve(const std::string& address, const std::function<void()>& ready) {
  // Most users' processes have some, and each call's context says whose process answered. Without the
  // privilege the test's own are as good.
  constexpr std::array<gid_t, 3> kGroups = {10, 20, 30};
  (void)!setgroups(kGroups.size(), kGroups.data());
  CounterImpl service;
  auto server = sidecall::ServerBuilder().AddAddress(address).RegisterService(&service).BuildAndStart();
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.status().ToString().c_str());
    return;
  }
  ready();
  (*server)->Wait();
}

bool Call(const hot_path::Counter::Stub& stub, int64_t value, hot_path::Number& reply) {
  hot_path::Number request;
  request.set_value(value);
  sidecall::ClientContext context;
  context.set_timeout(absl::Seconds(30));
  return stub.Increment(&context, request, &reply).ok() && reply.value() == value + 1;
}

void Lower(std::atomic<uint64_t>& least, uint64_t value) {
  if (value < least.load()) least.store(value);
}

// One window: opened by a call that is not in it, so that the server's side is open too.
bool RunWindow(const hot_path::Counter::Stub& stub) {
  hot_path::Number reply;
  if (!Call(stub, -1, reply)) return false;
  shared->client_allocations.store(0);
  shared->server_allocations.store(0);
  shared->window.client_thread.store(gettid());
  shared->window.count.store(0);
  allocations = &shared->client_allocations;
  bool all_ok = true;
  for (int i = 0; i < kCallsPerWindow; i++) all_ok = Call(stub, i, reply) && all_ok;
  allocations = nullptr;
  const uint64_t syscalls = shared->window.count.load();
  const uint64_t hand_offs = shared->served_by_another.load();
  shared->window.client_thread.store(0);
  Lower(shared->least_syscalls, syscalls);
  Lower(shared->least_hand_offs, hand_offs);
  Lower(shared->least_allocations, shared->client_allocations.load() + shared->server_allocations.load());
  return all_ok;
}

bool FoundCleanWindow() {
  return shared->least_syscalls.load() == 0 && shared->least_hand_offs.load() == 0 &&
         shared->least_allocations.load() == 0;
}

int CallManyTimes(const std::string& address) {
  hot_path::Counter::Stub stub(sidecall::CreateChannel(address));
  for (int window = 0; window < kMostWindows && !FoundCleanWindow(); window++) {
    if (!RunWindow(stub)) return 1;
  }
  return 0;
}

TEST(HotPath, NoSystemCallNoAllocationNoHandOff) {
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  shared = new (memory) Shared;
  std::string directory = std::filesystem::temp_directory_path() / "sidecall-hot-path-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  const std::string address = "shm:" + directory + "/socket";
  const int status = RunCounted(
      shared->window, [&](const std::function<void()>& ready) { Serve(address, ready); },
      [&] { return CallManyTimes(address); }, 280);
  std::filesystem::remove_all(directory);
  if (status == kMayNotTrace) GTEST_SKIP() << "ptrace is refused here: system calls cannot be counted";
  EXPECT_EQ(status, 0) << "the client failed or did not end";
  EXPECT_EQ(shared->least_syscalls.load(), 0u) << "system calls, of 100,000 calls (entry and exit counted)";
  EXPECT_EQ(shared->least_allocations.load(), 0u);
  EXPECT_EQ(shared->least_hand_offs.load(), 0u);
  std::printf("of %d calls: %lu system calls, %lu allocations, %lu hand-offs\n", kCallsPerWindow,
              shared->least_syscalls.load(), shared->least_allocations.load(),
              shared->least_hand_offs.load());
  munmap(memory, sizeof(Shared));
}

}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Every allocation of this program, the libraries' included.
void* operator new(size_t size) {
  CountAllocation();
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t /*size*/) noexcept {
  std::free(memory);
}
#endif
