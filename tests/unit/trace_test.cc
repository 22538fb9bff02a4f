#include "sidecall/trace.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "sidecall/client_context.h"
#include "sidecall/server_context.h"

namespace sidecall {
namespace {

const std::string kGood = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

std::string With(size_t at, std::string_view text) {
  return std::string(kGood).replace(at, text.size(), text);
}

TEST(TraceParentTest, ParsesAndFormats) {
  const auto parsed = ParseTraceParent(kGood);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->trace_id[0], 0x0a);
  EXPECT_EQ(parsed->trace_id[15], 0x9c);
  EXPECT_EQ(parsed->parent_id[0], 0xb7);
  EXPECT_EQ(parsed->parent_id[7], 0x31);
  EXPECT_TRUE(parsed->sampled());
  EXPECT_EQ(FormatTraceParent(*parsed), kGood);
  EXPECT_FALSE(ParseTraceParent(With(53, "00"))->sampled());
  EXPECT_EQ(FormatTraceParent(*ParseTraceParent(With(53, "f2"))), With(53, "f2"));
}

TEST(TraceParentTest, Malformed) {
  for (const std::string& text : {
           std::string(),
           kGood.substr(0, 54),
           kGood + "0",
           kGood + "-00",
           With(0, "ff"),
           With(0, "0g"),
           With(2, "_"),
           With(35, "_"),
           With(52, "_"),
           With(3, "0AF7"),
           With(10, "g"),
           With(40, " "),
           With(53, "0x"),
           With(3, std::string(32, '0')),
           With(36, std::string(16, '0')),
           With(7, std::string_view("\0", 1)),
       }) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseTraceParent(text).status())) << text;
  }
}

TEST(TraceParentTest, EachCharacterCounts) {
  for (size_t at = 0; at < kGood.size(); at++) {
    EXPECT_FALSE(ParseTraceParent(With(at, "x")).ok()) << at;
  }
}

TEST(TraceParentTest, LaterVersions) {
  EXPECT_TRUE(ParseTraceParent(With(0, "01")).ok());
  EXPECT_TRUE(ParseTraceParent(With(0, "cc") + "-what comes later").ok());
  EXPECT_FALSE(ParseTraceParent(With(0, "cc") + "what comes later").ok());
  EXPECT_EQ(FormatTraceParent(*ParseTraceParent(With(0, "01").replace(53, 2, "ff"))), kGood)
      << "flags that are not known are not passed on";
}

// -- What calls on behalf of others carry
// ---------------------------------------------------------------------------------------------------------

class CarriedTraceTest : public testing::Test {
 protected:
  CarriedTraceTest() { server_.Start(nullptr, peer_, 0); }
  void Came(std::string_view key, std::string_view value) {
    server_.mutable_client_metadata().Add(key, value);
  }
  // "key=value;..." of the metadata that a call on behalf of the one that came would have.
  std::string Carried(const std::function<void(ClientContext&)>& change = [](ClientContext&) {}) const {
    const auto context = ClientContext::FromServerContext(server_);
    change(*context);
    std::string text;
    for (const auto& [key, value] : context->metadata()) text += key + "=" + value + ";";
    return text;
  }

  PeerIdentity peer_;
  ServerContext server_;
};

TEST_F(CarriedTraceTest, BothAndNothingElse) {
  Came("tenant", "7");
  Came("tracestate", "a=1");
  Came("traceparent", kGood);
  Came("tracestate", "b=2");
  EXPECT_EQ(Carried(), "traceparent=" + kGood + ";tracestate=a=1,b=2;");
}

TEST_F(CarriedTraceTest, StateGoesWithItsParentOnly) {
  Came("tracestate", "a=1");
  EXPECT_EQ(Carried(), "");
}

TEST_F(CarriedTraceTest, WhatAPeerMadeUpFailsNoCall) {
  Came("traceparent", With(0, "01") + "-\x01");
  Came("tracestate", "a=1");
  EXPECT_EQ(Carried(), "");
}

TEST_F(CarriedTraceTest, TooMuchStateIsDropped) {
  Came("traceparent", kGood);
  Came("tracestate", std::string(513, 'x'));
  EXPECT_EQ(Carried(), "traceparent=" + kGood + ";");
}

TEST_F(CarriedTraceTest, OwnOnesTakeTheirPlace) {
  Came("traceparent", kGood);
  Came("tracestate", "a=1");
  EXPECT_EQ(Carried([](ClientContext& context) { context.AddMetadata("traceparent", "own"); }),
            "traceparent=own;");
  EXPECT_EQ(Carried([](ClientContext& context) {
              context.AddMetadata("tracestate", "b=2");
              context.AddMetadata("tracestate", "c=3");
            }),
            "traceparent=" + kGood + ";tracestate=b=2;tracestate=c=3;");
  EXPECT_EQ(Carried([](ClientContext& context) {
              context.AddMetadata("tracestate", "b=2");
              context.AddMetadata("traceparent", "own");
            }),
            "tracestate=b=2;traceparent=own;");
}

TEST_F(CarriedTraceTest, SpanOfTheHandlerIsTheParent) {
  Came("traceparent", kGood);
  Came("tracestate", "a=1");
  server_.set_trace_parent(With(36, "1111"));
  EXPECT_EQ(Carried(), "traceparent=" + With(36, "1111") + ";tracestate=a=1;");
  server_.Start(nullptr, peer_, 0);
  EXPECT_EQ(Carried(), "") << "the next call is another";
}

}  // namespace
}  // namespace sidecall
