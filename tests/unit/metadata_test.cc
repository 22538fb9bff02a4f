// What may be sent as metadata.
#include "sidecall/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sidecall {
namespace {

absl::Status ValidateOne(std::string_view key, std::string_view value) {
  Metadata metadata;
  metadata.Add(key, value);
  return metadata.Validate();
}

TEST(Metadata, FindGivesTheFirst) {
  Metadata metadata;
  EXPECT_FALSE(metadata.Find("a").has_value());
  metadata.Add("a", "1");
  metadata.Add("b", "2");
  metadata.Add("a", "3");
  EXPECT_EQ(metadata.Find("a"), "1");
  EXPECT_EQ(metadata.Find("b"), "2");
  EXPECT_FALSE(metadata.Find("A").has_value());
  EXPECT_EQ(metadata.size(), 3u);
  metadata.clear();
  EXPECT_TRUE(metadata.empty());
}

TEST(Metadata, KeysAreLowerCaseNames) {
  EXPECT_TRUE(Metadata().Validate().ok());
  EXPECT_TRUE(ValidateOne("abcdefghijklmnopqrstuvwxyz0123456789-_.", "x").ok());
  for (int c = 0; c < 256; c++) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    const std::string key = std::string("k") + static_cast<char>(c);
    EXPECT_EQ(ValidateOne(key, "x").ok(), allowed) << c;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ValidateOne("", "x")));
  EXPECT_TRUE(absl::IsInvalidArgument(ValidateOne(std::string(65536, 'k'), "x")));
}

TEST(Metadata, ValuesArePrintableUnlessTheKeySaysBytes) {
  for (int c = 0; c < 256; c++) {
    const std::string value(1, static_cast<char>(c));
    EXPECT_EQ(ValidateOne("key", value).ok(), c >= 0x20 && c <= 0x7e) << c;
    EXPECT_TRUE(ValidateOne("key-bin", value).ok()) << c;
  }
  EXPECT_TRUE(ValidateOne("key", "").ok());
  EXPECT_FALSE(ValidateOne("key-binary", "\x01").ok());
}

TEST(Metadata, ErrorNamesTheKey) {
  const absl::Status refused = ValidateOne("bad key", "x");
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("'bad key'"));
}

TEST(Metadata, TotalSizeIsLimited) {
  EXPECT_TRUE(ValidateOne("k-bin", std::string((64u << 10) - 5 - 6, 'x')).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(ValidateOne("k-bin", std::string((64u << 10) - 4, 'x'))));
}

}  // namespace
}  // namespace sidecall
