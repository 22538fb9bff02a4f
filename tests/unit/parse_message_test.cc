// ParseMessage takes and refuses the same bytes as protobuf's own ParseFromArray, and makes the same of them,
// whatever lies behind. SerializeMessage writes what protobuf's own does, and nothing behind it.
#include "sidecall/internal/parse_message.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/wrappers.pb.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sidecall/internal/serialize_message.h"

namespace sidecall::internal {
namespace {

using google::protobuf::MessageLite;

// As it may lie behind: nothing, what continues a varint, what reads as a field, what ends a group.
constexpr char kBehind[] = {'\0', '\xff', '\x08', '\x0a', '\x0c', '\x01'};

class ParseMessageTest : public testing::Test {
 protected:
  // Missing fields and strings of no UTF-8 are told on stderr, once for each of the many below.
  google::protobuf::LogSilencer silence_;
};

std::string BytesOf(const MessageLite& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream output(&stream);
  output.SetSerializationDeterministic(true);  // Maps have an order then.
  EXPECT_TRUE(message.SerializePartialToCodedStream(&output));
  output.Trim();
  return bytes;
}

void ExpectSame(const MessageLite& type, const std::string& bytes) {
  const std::unique_ptr<MessageLite> expected(type.New());
  const bool parses = expected->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  for (const char behind : kBehind) {
    const std::string memory = bytes + std::string(kReadableBehindMessage, behind);
    const std::unique_ptr<MessageLite> message(type.New());
    ASSERT_EQ(ParseMessage(*message, memory.data(), bytes.size()), parses) << testing::PrintToString(bytes);
    if (parses) {
      ASSERT_EQ(BytesOf(*message), BytesOf(*expected));
    } else {
      ASSERT_EQ(message->ByteSizeLong(), 0u) << "what was refused leaves nothing";
    }
  }
}

void ExpectSerializesSame(const MessageLite& message) {
  const std::string expected = message.SerializePartialAsString();
  const std::string behind(64, '\x5a');
  std::string memory = std::string(expected.size(), '\0') + behind;
  const size_t size = message.ByteSizeLong();
  ASSERT_EQ(size, expected.size());
  SerializeMessage(message, reinterpret_cast<uint8_t*>(memory.data()), size);
  EXPECT_EQ(memory, expected + behind);
}

// The message's own bytes, cut off at each place, and with each byte changed to what upsets a parser most.
void ExpectSameForAllLike(const MessageLite& message) {
  ASSERT_NO_FATAL_FAILURE(ExpectSerializesSame(message));
  const std::string bytes = message.SerializePartialAsString();
  ASSERT_LT(bytes.size(), 2000u);
  for (size_t length = 0; length <= bytes.size(); length++) {
    ASSERT_NO_FATAL_FAILURE(ExpectSame(message, bytes.substr(0, length)));
  }
  for (size_t i = 0; i < bytes.size(); i++) {
    for (const int change : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ change);
      ASSERT_NO_FATAL_FAILURE(ExpectSame(message, changed));
    }
  }
}

TEST_F(ParseMessageTest, StringsOfAllLengths) {
  for (size_t size = 0; size < 40; size++) {
    google::protobuf::BytesValue message;
    message.set_value(std::string(size, 'x'));
    ASSERT_NO_FATAL_FAILURE(ExpectSameForAllLike(message));
  }
  google::protobuf::StringValue text;
  text.set_value("a\xc3\xa4");
  ExpectSameForAllLike(text);
}

TEST_F(ParseMessageTest, Varints) {
  for (int bits = 0; bits <= 64; bits++) {
    google::protobuf::UInt64Value message;
    message.set_value(bits == 0 ? 0 : UINT64_MAX >> (64 - bits));
    ASSERT_NO_FATAL_FAILURE(ExpectSameForAllLike(message));
  }
}

TEST_F(ParseMessageTest, MapsAndMessagesWithinMessages) {
  google::protobuf::Struct message;
  // As text: what the header of Map has inline does not fit the library where only one of them is
  // instrumented.
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(R"(
    fields { key: "number" value { number_value: 2.5 } }
    fields { key: "list" value { list_value {
      values { string_value: "a string that is longer than what lies behind" }
      values { bool_value: true } } } })",
                                                            &message));
  ExpectSameForAllLike(message);
}

// Of proto2: what is packed, what is not known, and what is required.
TEST_F(ParseMessageTest, Proto2) {
  google::protobuf::FileDescriptorProto file;
  google::protobuf::StringValue::descriptor()->file()->CopyTo(&file);
  file.mutable_message_type()->DeleteSubrange(1, file.message_type_size() - 1);
  auto* location = file.mutable_source_code_info()->add_location();
  for (int i = 0; i < 20; i++) location->add_path(i * 1000);
  file.mutable_options()->GetReflection()->MutableUnknownFields(file.mutable_options())->AddFixed32(99999, 7);
  file.GetReflection()->MutableUnknownFields(&file)->AddGroup(5000)->AddVarint(1, 300);
  auto* option = file.mutable_options()->add_uninterpreted_option();
  option->add_name()->set_name_part("half of what it must have");
  ASSERT_FALSE(file.IsInitialized());
  ExpectSameForAllLike(file);
  option->mutable_name(0)->set_is_extension(false);
  ASSERT_TRUE(file.IsInitialized());
  ExpectSameForAllLike(file);
}

TEST_F(ParseMessageTest, LargeMessagesSerialize) {
  for (const size_t size : {100u, 4096u, 1u << 20}) {
    google::protobuf::BytesValue message;
    message.set_value(std::string(size, 'x'));
    ExpectSerializesSame(message);
  }
}

TEST_F(ParseMessageTest, WhatTheMessageHeldIsGone) {
  google::protobuf::UInt64Value message;
  message.set_value(7);
  const std::string nothing(kReadableBehindMessage, '\xff');
  EXPECT_TRUE(ParseMessage(message, nothing.data(), 0));
  EXPECT_EQ(message.value(), 0u);
}

TEST_F(ParseMessageTest, MoreThanProtobufTakes) {
  google::protobuf::UInt64Value message;
  EXPECT_FALSE(ParseMessage(message, nullptr, size_t{INT32_MAX}));
}

}  // namespace
}  // namespace sidecall::internal
