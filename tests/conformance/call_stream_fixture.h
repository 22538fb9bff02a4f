// What the tests of streaming calls share.
#ifndef SIDECALL_TESTS_CONFORMANCE_CALL_STREAM_FIXTURE_H_
#define SIDECALL_TESTS_CONFORMANCE_CALL_STREAM_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>

#include "call_fixture.h"
#include "call_payload.h"

namespace conformance {

class StreamTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }
};

inline EchoMessage MessageOf(int64_t number, size_t size = 0) {
  EchoMessage message;
  message.set_number(number);
  if (size > 0) *message.mutable_payload() = RandomPayload(size, static_cast<uint64_t>(number));
  return message;
}

inline testing::AssertionResult IsMessage(const EchoMessage& message, int64_t number, size_t size = 0) {
  if (message.number() != number) return testing::AssertionFailure() << "number " << message.number();
  if (message.payload() != MessageOf(number, size).payload()) {
    return testing::AssertionFailure() << "a payload of " << message.payload().size() << " other bytes";
  }
  return testing::AssertionSuccess();
}

}  // namespace conformance

#endif  // SIDECALL_TESTS_CONFORMANCE_CALL_STREAM_FIXTURE_H_
