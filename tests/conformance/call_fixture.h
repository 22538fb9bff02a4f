// CallTest: a ServerTest (call_setup.h) whose server serves the test services, and the calls that most tests
// make of them.
#ifndef SIDECALL_TESTS_CONFORMANCE_CALL_FIXTURE_H_
#define SIDECALL_TESTS_CONFORMANCE_CALL_FIXTURE_H_

#include <gtest/gtest.h>

#include <string>

#include "call_setup.h"
#include "testing.sidecall.h"

namespace conformance {

class CallTest : public ServerTest {
 protected:
  TestService::Stub NewStub(const sidecall::ChannelOptions& options = {}) const {
    return TestService::Stub(NewChannel(options));
  }
};

// Echo of `number` works.
testing::AssertionResult Echoes(const TestService::Stub& stub, int64_t number);
// Echo of `size` random bytes works, and the very same come back.
testing::AssertionResult EchoesPayload(const TestService::Stub& stub, size_t size, uint64_t seed);
// Sleep at `gate`, from beginning to end.
absl::Status CallSleep(const TestService::Stub& stub, const std::string& gate);

}  // namespace conformance

#endif  // SIDECALL_TESTS_CONFORMANCE_CALL_FIXTURE_H_
