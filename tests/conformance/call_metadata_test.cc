// Metadata: what may travel, how much, in which order, and what is refused.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "call_fixture.h"

namespace conformance {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

class MetadataTest : public CallTest {
 protected:
  void SetUp() override { StartServer(); }

  // Sends `entries`; the server tells what it saw.
  absl::Status Exchange(const Entries& entries, sidecall::ClientContext& context, Entries& seen) {
    for (const auto& [key, value] : entries) context.AddMetadata(key, value);
    MetadataReply reply;
    absl::Status status = NewStub().EchoMetadata(&context, FailRequest(), &reply);
    for (const MetadataReply::Entry& entry : reply.seen()) seen.emplace_back(entry.key(), entry.value());
    return status;
  }
  absl::Status StatusOf(const std::string& key, const std::string& value) {
    PatientContext context;
    Entries seen;
    return Exchange({{key, value}}, context, seen);
  }
};
SIDECALL_OVER_ALL_TRANSPORTS(MetadataTest);

TEST_P(MetadataTest, VariedValuesInOrderBothWays) {
  std::string every_byte;
  for (int byte = 0; byte < 256; byte++) every_byte += static_cast<char>(byte);
  const Entries trailing = {{"plain", "value"},
                            {"empty", ""},
                            {"empty-bin", ""},
                            {"same", "first"},
                            {"same", "second"},
                            {"bytes-bin", every_byte},
                            {"zero-bin", {"\0", 1}},
                            {"a.b_c-1", " with spaces ~"},
                            {"long-bin", std::string(20000, '\x80')}};
  const Entries initial = {{"initial-bin", every_byte}, {"initial-empty", ""}, {"initial-bin", "again"}};
  Entries sent = trailing;
  sent.insert(sent.end(), initial.begin(), initial.end());
  PatientContext context;
  Entries seen;
  const absl::Status status = Exchange(sent, context, seen);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(seen, sent);
  EXPECT_EQ(Entries(context.server_initial_metadata().begin(), context.server_initial_metadata().end()),
            initial);
  EXPECT_EQ(Entries(context.server_trailing_metadata().begin(), context.server_trailing_metadata().end()),
            trailing);
}

TEST_P(MetadataTest, ManyEntries) {
  Entries sent;
  for (int i = 0; i < 1000; i++) sent.emplace_back("key-" + std::to_string(i), std::to_string(i));
  PatientContext context;
  Entries seen;
  const absl::Status status = Exchange(sent, context, seen);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(seen, sent);
  EXPECT_EQ(context.server_trailing_metadata().size(), sent.size());
}

TEST_P(MetadataTest, NoneIsLeftFromTheCallBefore) {
  const TestService::Stub stub = NewStub();
  PatientContext first;
  first.AddMetadata("secret", "of the first");
  MetadataReply reply;
  ASSERT_TRUE(stub.EchoMetadata(&first, FailRequest(), &reply).ok());
  PatientContext second;
  ASSERT_TRUE(stub.EchoMetadata(&second, FailRequest(), &reply).ok());
  EXPECT_EQ(reply.seen_size(), 0);
  EXPECT_TRUE(second.server_trailing_metadata().empty());
}

TEST_P(MetadataTest, RefusedBeforeItIsSent) {
  const Entries refused = {{"Upper", "x"},     {"", "x"},
                           {"sp ace", "x"},    {"colon:", "x"},
                           {"text", "\x01"},   {"text", "\xc3\xa4"},
                           {"text", "line\n"}, {std::string(70000, 'k'), "x"}};
  for (const auto& [key, value] : refused) {
    const absl::Status status = StatusOf(key, value);
    EXPECT_TRUE(HasCode(status, absl::StatusCode::kInvalidArgument)) << key;
    EXPECT_TRUE(sidecall::IsNotSent(status));
  }
}

TEST_P(MetadataTest, Limit) {
  EXPECT_TRUE(StatusOf("big-bin", std::string(60000, 'v')).ok());
  EXPECT_TRUE(StatusOf("initial-bin", std::string(60000, 'v')).ok());
  EXPECT_TRUE(StatusOf("big-bin", std::string((64 << 10) - 13, 'v')).ok()) << "64 KiB with its key";
  const absl::Status status = StatusOf("big-bin", std::string((64 << 10) - 12, 'v'));
  EXPECT_TRUE(HasCode(status, absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(sidecall::IsNotSent(status));
  EXPECT_TRUE(Says(status, "65537")) << "the size";
  EXPECT_TRUE(Says(status, "65536")) << "the limit";
}

}  // namespace
}  // namespace conformance
