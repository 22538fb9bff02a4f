// The sections of a frame's body: what is written is read back, and no length is trusted.
#include "core/frame_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/status_payloads.h"
#include "sidecall/status.h"

namespace sidecall {
namespace {

// Calls `decode` on each proper prefix of `bytes`, each in a block of just its size: a sanitizer sees a read
// past it.
void ForEachTruncation(const std::string& bytes,
                       const std::function<absl::Status(std::string_view)>& decode) {
  for (size_t size = 0; size < bytes.size(); size++) {
    auto block = std::make_unique<char[]>(size);
    if (size > 0) std::memcpy(block.get(), bytes.data(), size);
    EXPECT_TRUE(absl::IsDataLoss(decode({block.get(), size})))
        << "cut after " << size << " of " << bytes.size();
  }
}

std::vector<Metadata::Entry> Entries(const Metadata& metadata) {
  return {metadata.begin(), metadata.end()};
}

TEST(FrameCodec, MethodNameComesBackAndLeavesTheRest) {
  for (const std::string& name :
       {std::string("hello.Greeter/SayHello"), std::string(), std::string(65535, 'x')}) {
    std::string body;
    AppendMethodName(body, name);
    body += "rest";
    std::string_view left = body;
    std::string_view read;
    ASSERT_TRUE(TakeMethodName(left, read).ok());
    EXPECT_EQ(read, name);
    EXPECT_EQ(left, "rest");
  }
}

TEST(FrameCodec, TruncatedMethodNameIsAnError) {
  std::string body;
  AppendMethodName(body, "hello.Greeter/SayHello");
  ForEachTruncation(body, [](std::string_view cut) {
    std::string_view name;
    return TakeMethodName(cut, name);
  });
}

TEST(FrameCodec, MetadataComesBackInOrderWithDuplicates) {
  Metadata metadata;
  metadata.Add("tenant", "7");
  metadata.Add("trace-bin", std::string_view("\0\xff\n", 3));
  metadata.Add("tenant", "");
  std::string body;
  AppendMetadata(body, metadata);
  body += "rest";
  std::string_view left = body;
  Metadata read;
  ASSERT_TRUE(TakeMetadata(left, read).ok());
  EXPECT_EQ(Entries(read), Entries(metadata));
  EXPECT_EQ(left, "rest");
}

TEST(FrameCodec, EmptyMetadataIsASizeOfZero) {
  std::string body;
  AppendMetadata(body, {});
  EXPECT_EQ(body, std::string(4, '\0'));
  std::string_view left = body;
  Metadata read;
  ASSERT_TRUE(TakeMetadata(left, read).ok());
  EXPECT_TRUE(read.empty());
}

TEST(FrameCodec, TruncatedMetadataIsAnError) {
  Metadata metadata;
  metadata.Add("key", "value");
  metadata.Add("other", "more");
  std::string body;
  AppendMetadata(body, metadata);
  ForEachTruncation(body, [](std::string_view cut) {
    Metadata read;
    return TakeMetadata(cut, read);
  });
}

// The section's size is right, its entries are not: they must not reach into what follows the section.
TEST(FrameCodec, MetadataEntryThatLeavesItsSectionIsAnError) {
  Metadata metadata;
  metadata.Add("key", "value");
  std::string whole;
  AppendMetadata(whole, metadata);
  const std::string entries = whole.substr(4);
  for (uint32_t size = 1; size < entries.size(); size++) {
    std::string body(reinterpret_cast<const char*>(&size), sizeof size);
    body += entries + "what follows the section";
    std::string_view left = body;
    Metadata read;
    EXPECT_TRUE(absl::IsDataLoss(TakeMetadata(left, read))) << size;
  }
}

// All of it is there; a call may not carry as much.
TEST(FrameCodec, MetadataBeyondTheLimitIsRefused) {
  Metadata metadata;
  while (metadata.size() < 30'000) metadata.Add("", "");
  std::string body;
  AppendMetadata(body, metadata);
  std::string_view left = body;
  Metadata read;
  EXPECT_TRUE(absl::IsResourceExhausted(TakeMetadata(left, read)));
  EXPECT_TRUE(read.empty());
}

TEST(FrameCodec, HugeLengthsAreErrors) {
  const std::string ones(64, '\xff');
  std::string_view left = ones;
  std::string_view name;
  EXPECT_TRUE(absl::IsDataLoss(TakeMethodName(left, name)));
  left = ones;
  Metadata metadata;
  EXPECT_TRUE(absl::IsDataLoss(TakeMetadata(left, metadata)));
  left = ones;
  absl::Status status;
  EXPECT_TRUE(absl::IsDataLoss(TakeStatus(left, 0, status, metadata)));
}

TEST(FrameCodec, StatusComesBackWithAllThatIsBesideIt) {
  for (uint32_t code = 1; code <= 16; code++) {
    for (const bool not_sent : {false, true}) {
      absl::Status status = StatusWithDetails(static_cast<absl::StatusCode>(code), "gone: \xf0\x9f\x98\x80\n",
                                              std::string("\0\x01", 2));
      if (not_sent) MarkNotSent(status);
      Metadata trailing;
      trailing.Add("spent", "3");
      std::string body;
      AppendStatus(body, status, trailing);
      body += "rest";
      std::string_view left = body;
      absl::Status read;
      Metadata read_trailing;
      ASSERT_TRUE(TakeStatus(left, code, read, read_trailing).ok());
      EXPECT_EQ(read, status);
      EXPECT_EQ(IsNotSent(read), not_sent);
      EXPECT_EQ(StatusDetails(read), std::string("\0\x01", 2));
      EXPECT_EQ(Entries(read_trailing), Entries(trailing));
      EXPECT_EQ(left, "rest");
    }
  }
}

TEST(FrameCodec, OkStatusCarriesTrailingMetadataOnly) {
  Metadata trailing;
  trailing.Add("spent", "3");
  std::string body;
  AppendStatus(body, absl::OkStatus(), trailing);
  std::string_view left = body;
  absl::Status read = absl::UnknownError("");
  Metadata read_trailing;
  ASSERT_TRUE(TakeStatus(left, 0, read, read_trailing).ok());
  EXPECT_TRUE(read.ok());
  EXPECT_EQ(Entries(read_trailing), Entries(trailing));
  EXPECT_TRUE(left.empty());
}

TEST(FrameCodec, TruncatedStatusIsAnError) {
  Metadata trailing;
  trailing.Add("spent", "3");
  std::string body;
  AppendStatus(body, StatusWithDetails(absl::StatusCode::kNotFound, "no such name", "details"), trailing);
  ForEachTruncation(body, [](std::string_view cut) {
    absl::Status status;
    Metadata read;
    return TakeStatus(cut, 5, status, read);
  });
}

TEST(FrameCodec, NumbersThatAreNoStatusCodeBecomeUnknown) {
  EXPECT_TRUE(StatusOfCode(0).ok());
  for (uint32_t code = 1; code <= 16; code++) {
    EXPECT_EQ(static_cast<uint32_t>(StatusOfCode(code).code()), code);
  }
  for (const uint32_t code : {17u, 255u, 0x80000000u, 0xffffffffu}) {
    EXPECT_TRUE(absl::IsUnknown(StatusOfCode(code))) << code;
    EXPECT_THAT(std::string(StatusOfCode(code).message()), testing::HasSubstr(std::to_string(code)));
  }
}

Hello SampleHello() {
  Hello hello;
  hello.oldest_version = 1;
  hello.newest_version = 3;
  hello.features = 0xa5a5a5a5;
  hello.clock_id = 0x0102030405060708;
  hello.clock_now = 0x1112131415161718;
  hello.max_message = 0x2122232425262728;
  hello.max_calls = 0x31323334;
  hello.max_method_ids = 0x41424344;
  hello.max_metadata = 0x51525354;
  hello.initial_window = 0x61626364;
  return hello;
}

TEST(FrameCodec, HelloComesBack) {
  const Hello hello = SampleHello();
  auto read = DecodeHello(EncodeHello(hello));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->oldest_version, hello.oldest_version);
  EXPECT_EQ(read->newest_version, hello.newest_version);
  EXPECT_EQ(read->features, hello.features);
  EXPECT_EQ(read->clock_id, hello.clock_id);
  EXPECT_EQ(read->clock_now, hello.clock_now);
  EXPECT_EQ(read->max_message, hello.max_message);
  EXPECT_EQ(read->max_calls, hello.max_calls);
  EXPECT_EQ(read->max_method_ids, hello.max_method_ids);
  EXPECT_EQ(read->max_metadata, hello.max_metadata);
  EXPECT_EQ(read->initial_window, hello.initial_window);
}

TEST(FrameCodec, FieldsThatLaterVersionsAppendToHelloAreSkipped) {
  auto read = DecodeHello(EncodeHello(SampleHello()) + "of a later version");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->initial_window, SampleHello().initial_window);
}

TEST(FrameCodec, TruncatedHelloIsAnError) {
  ForEachTruncation(EncodeHello(SampleHello()),
                    [](std::string_view cut) { return DecodeHello(cut).status(); });
}

TEST(FrameCodec, WhatBeginsWithAnotherMagicIsNoHello) {
  std::string body = EncodeHello(SampleHello());
  body[0] ^= 1;
  EXPECT_TRUE(absl::IsDataLoss(DecodeHello(body).status()));
}

}  // namespace
}  // namespace sidecall
