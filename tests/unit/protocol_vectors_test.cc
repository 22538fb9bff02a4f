// The byte examples of docs/protocol.md, read out of it, against the code that writes and reads them.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>

#include "core/frame_codec.h"
#include "core/frame_reader.h"
#include "core/frame_stream.h"
#include "core/frame_writer.h"
#include "core/status_payloads.h"
#include "google/protobuf/wrappers.pb.h"
#include "sidecall/internal/message.h"
#include "sidecall/status.h"
#include "tests/unit/fake_connection.h"
#include "tests/unit/hex_vectors.h"
#include "transport/unique_fd.h"
#include "transports/shm/ring.h"
#include "transports/shm/segment.h"

namespace sidecall {
namespace {

constexpr uint32_t kMethodId = 7;
constexpr std::string_view kMethodName = "hello.Greeter/SayHello";

const HexVectors& Vectors() {
  static const HexVectors vectors = [] {
    std::ifstream file(SIDECALL_PROTOCOL_MD);
    EXPECT_TRUE(file.is_open()) << SIDECALL_PROTOCOL_MD;
    std::ostringstream text;
    text << file.rdbuf();
    return ReadHexVectors(text.str());
  }();
  return vectors;
}

std::string Vector(std::string_view name) {
  auto found = Vectors().find(name);
  EXPECT_NE(found, Vectors().end()) << "docs/protocol.md has no vector " << name;
  return found == Vectors().end() ? std::string() : found->second;
}

FrameHeader Header(FrameType type, uint8_t flags, uint32_t stream, uint32_t code = 0, uint64_t argument = 0) {
  FrameHeader header;
  header.type = type;
  header.flags = flags;
  header.stream = stream;
  header.code = code;
  header.argument = argument;
  return header;
}

FrameHeader ControlHeader(FrameType type, uint32_t stream, uint64_t argument) {
  FrameHeader header = Header(type, 0, stream, 0, argument);
  header.lane = Lane::kControl;
  return header;
}

// Fields 1 of the documents' messages are strings, as StringValue's is.
google::protobuf::StringValue Text(const std::string& text) {
  google::protobuf::StringValue value;
  value.set_value(text);
  return value;
}

// What the writer sends, header and body back to back, over a transport of `max_frame`.
std::string Written(const FrameHeader& header, std::string_view head,
                    const google::protobuf::MessageLite* message, size_t max_frame = 4096) {
  FakeConnection connection({.max_frame = max_frame, .inline_slot = max_frame});
  FrameWriter writer(connection);
  WriteMutex mutex;
  FrameWriter::Lock lock(mutex);
  if (message != nullptr) {
    const internal::ProtobufSource source(*message);
    writer.Send(lock, header, head, &source, source.ByteSize());
  } else {
    writer.Send(lock, header, head, nullptr, 0);
  }
  std::string bytes;
  for (const Frame& frame : connection.sent) {
    bytes.append(reinterpret_cast<const char*>(&frame.header), sizeof frame.header);
    bytes += frame.body;
  }
  return bytes;
}

void ExpectVector(std::string_view name, const std::string& bytes) {
  EXPECT_EQ(ToHex(Vector(name)), ToHex(bytes)) << "of vector " << name;
}

class WholeFrames final : public WholeFrameSink {
 public:
  absl::Status OnWholeFrame(const FrameHeader& header, std::string_view body) override {
    frames.push_back({header, std::string(body)});
    return absl::OkStatus();
  }
  void OnTooLarge(const FrameHeader& /*header*/, uint64_t size) override {
    ADD_FAILURE() << "too large: " << size;
  }
  void OnClosed(const absl::Status& why) override { ADD_FAILURE() << why; }
  std::vector<Frame> frames;
};

// The one whole frame that a vector's bytes are.
Frame Read(std::string_view name) {
  FakeConnection connection({.max_frame = 4096, .inline_slot = 4096});
  const std::string bytes = Vector(name);
  for (std::string_view left = bytes; left.size() >= sizeof(FrameHeader);) {
    FrameHeader header;
    std::memcpy(&header, left.data(), sizeof header);
    left.remove_prefix(sizeof header);
    EXPECT_LE(header.length, left.size()) << "vector " << name << " is cut off";
    connection.incoming.push_back({header, std::string(left.substr(0, header.length))});
    left.remove_prefix(std::min<size_t>(header.length, left.size()));
  }
  WholeFrames sink;
  FrameReader reader(connection, sink, 4096, 1);
  while (reader.Poll() > 0) {
  }
  EXPECT_EQ(sink.frames.size(), 1u) << name;
  return sink.frames.empty() ? Frame() : sink.frames[0];
}

TEST(ProtocolVectors, AreAllTested) {
  const std::vector<std::string> tested = {
      "cancel",          "end-error", "end-not-sent",  "end-ok",
      "go-away",         "hello",     "message",       "metadata",
      "offer",           "ping",      "pong",          "ring-record",
      "several",         "split",     "start-with-id", "start-with-metadata",
      "start-with-name", "window"};
  std::vector<std::string> there;
  for (const auto& [name, bytes] : Vectors()) {
    there.push_back(name);
    EXPECT_FALSE(bytes.empty()) << name;
  }
  EXPECT_EQ(there, tested);
}

TEST(ProtocolVectors, Hello) {
  Hello hello;
  hello.clock_id = 4026531834;
  hello.clock_now = 1'000'000'000'000;
  hello.max_message = 4u << 20;
  hello.max_calls = 1024;
  hello.max_method_ids = 4096;
  hello.max_metadata = 64u << 10;
  hello.initial_window = 256u << 10;
  ExpectVector("hello", Written(ControlHeader(FrameType::kHello, 0, 0), EncodeHello(hello), nullptr));
  auto read = DecodeHello(Read("hello").body);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->clock_now, hello.clock_now);
  EXPECT_EQ(read->initial_window, 256u << 10);
}

TEST(ProtocolVectors, Start) {
  constexpr uint8_t kUnary = FrameFlags::kMessage | FrameFlags::kHalfClose;
  const auto request = Text("Ada");
  std::string name;
  AppendMethodName(name, kMethodName);
  ExpectVector("start-with-name",
               Written(Header(FrameType::kStart, kUnary | FrameFlags::kMethodName, 0x10000, kMethodId), name,
                       &request));
  ExpectVector(
      "start-with-id",
      Written(Header(FrameType::kStart, kUnary, 0x20000, kMethodId, 1'000'500'000'000), {}, &request));
  Metadata metadata;
  metadata.Add("tenant", "7");
  metadata.Add("trace-bin", "\xab\xcd");
  std::string section;
  AppendMetadata(section, metadata);
  ExpectVector("start-with-metadata",
               Written(Header(FrameType::kStart, kUnary | FrameFlags::kMetadata, 0x30000, kMethodId), section,
                       &request));
}

TEST(ProtocolVectors, StartIsRead) {
  const Frame named = Read("start-with-name");
  std::string_view body = named.body;
  std::string_view name;
  ASSERT_TRUE(TakeMethodName(body, name).ok());
  EXPECT_EQ(name, kMethodName);
  EXPECT_EQ(body, Text("Ada").SerializeAsString());
  const Frame with_metadata = Read("start-with-metadata");
  body = with_metadata.body;
  Metadata metadata;
  ASSERT_TRUE(TakeMetadata(body, metadata).ok());
  EXPECT_EQ(metadata.Find("tenant"), "7");
  EXPECT_EQ(metadata.Find("trace-bin"), "\xab\xcd");
  EXPECT_EQ(body, Text("Ada").SerializeAsString());
}

TEST(ProtocolVectors, End) {
  const auto reply = Text("Hello, Ada");
  ExpectVector(
      "end-ok",
      Written(Header(FrameType::kEnd, FrameFlags::kMessage | FrameFlags::kMethodKnown, 0x10000), {}, &reply));
  Metadata trailing;
  trailing.Add("spent", "3");
  std::string error;
  AppendStatus(error, StatusWithDetails(absl::StatusCode::kNotFound, "no such name", "\x08\x05"), trailing);
  ExpectVector("end-error",
               Written(Header(FrameType::kEnd, FrameFlags::kStatus, 0x20000, 5), error, nullptr));
  std::string refused;
  AppendStatus(refused, NotSent(absl::UnavailableError("shutting down")), {});
  ExpectVector("end-not-sent",
               Written(Header(FrameType::kEnd, FrameFlags::kStatus, 0x30000, 14), refused, nullptr));
}

TEST(ProtocolVectors, EndIsRead) {
  const Frame error = Read("end-error");
  std::string_view body = error.body;
  absl::Status status;
  Metadata trailing;
  ASSERT_TRUE(TakeStatus(body, error.header.code, status, trailing).ok());
  EXPECT_EQ(status, StatusWithDetails(absl::StatusCode::kNotFound, "no such name", "\x08\x05"));
  EXPECT_EQ(trailing.Find("spent"), "3");
  EXPECT_TRUE(body.empty());
  const Frame refused = Read("end-not-sent");
  body = refused.body;
  ASSERT_TRUE(TakeStatus(body, refused.header.code, status, trailing).ok());
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_TRUE(IsNotSent(status));
}

TEST(ProtocolVectors, Messages) {
  const auto message = Text("Ada");
  ExpectVector("message",
               Written(Header(FrameType::kMessage, FrameFlags::kMessage | FrameFlags::kHalfClose, 0x40001),
                       {}, &message));
  Metadata metadata;
  metadata.Add("tenant", "7");
  std::string section;
  AppendMetadata(section, metadata);
  ExpectVector("metadata",
               Written(Header(FrameType::kMetadata, FrameFlags::kMetadata, 0x40001), section, nullptr));
}

TEST(ProtocolVectors, SeveralMessages) {
  FrameStream stream;
  stream.Begin(1000, 1000);
  for (const char* text : {"Ada", "Ev", ""}) {
    const auto message = Text(text);
    const internal::ProtobufSource source(message);
    stream.burst().Add(source, source.ByteSize());
  }
  const FrameHeader header =
      Header(FrameType::kMessage, FrameFlags::kMessage | FrameFlags::kSeveral, 0x40001);
  stream.burst().End(
      [&](std::string_view messages) { ExpectVector("several", Written(header, messages, nullptr)); });
  const Frame read = Read("several");
  ASSERT_TRUE(stream.OnMessage(read.header, read.body, 100, false).ok());
  for (const char* text : {"Ada", "Ev", ""}) {
    google::protobuf::StringValue message;
    internal::ProtobufTarget target(message);
    EXPECT_EQ(stream.Take(target), FrameStream::Taken::kMessage);
    EXPECT_EQ(message.value(), text);
  }
}

TEST(ProtocolVectors, ControlFrames) {
  ExpectVector("cancel", Written(ControlHeader(FrameType::kCancel, 0x20000, 0), {}, nullptr));
  ExpectVector("window", Written(ControlHeader(FrameType::kWindow, 0x40001, 32'768), {}, nullptr));
  ExpectVector("ping", Written(ControlHeader(FrameType::kPing, 0, 0x1122334455667788), {}, nullptr));
  ExpectVector("pong", Written(ControlHeader(FrameType::kPong, 0, 0x1122334455667788), {}, nullptr));
  ExpectVector("go-away", Written(ControlHeader(FrameType::kGoAway, 0, 0), {}, nullptr));
}

TEST(ProtocolVectors, SplitFrame) {
  const auto request = Text("abcdefghijklmnopqrstuvwxyz01");
  const FrameHeader header =
      Header(FrameType::kStart, FrameFlags::kMessage | FrameFlags::kHalfClose, 0x50000, kMethodId);
  ExpectVector("split", Written(header, {}, &request, 16));
  const Frame whole = Read("split");
  EXPECT_EQ(whole.body, request.SerializeAsString());
  EXPECT_EQ(whole.header.flags, header.flags);
}

TEST(ProtocolVectors, RingRecord) {
  constexpr uint64_t kKey = 0x0123456789abcdef;
  alignas(64) std::array<char, 256> memory{};
  RingControl control{};
  RingProducer producer(&control, memory.data(), memory.size(), kKey);
  ASSERT_NE(producer.Reserve(0), nullptr);
  producer.Commit(Header(FrameType::kPing, 0, 0));
  char* body = producer.Reserve(5);
  ASSERT_NE(body, nullptr);
  const std::string message = Text("Ada").SerializeAsString();
  std::copy(message.begin(), message.end(), body);
  FrameHeader header =
      Header(FrameType::kStart, FrameFlags::kMessage | FrameFlags::kHalfClose, 0x20000, kMethodId);
  header.length = 5;
  producer.Commit(header);
  ExpectVector("ring-record", std::string(memory.data() + 64, 8 + sizeof header + 5));
  // What stands where.
  const auto* start = reinterpret_cast<const char*>(&control);
  EXPECT_EQ(reinterpret_cast<const char*>(&control.tail) - start, 0);
  EXPECT_EQ(reinterpret_cast<const char*>(&control.armed) - start, 64);
  EXPECT_EQ(reinterpret_cast<const char*>(&control.room_wanted) - start, 128);
}

TEST(ProtocolVectors, Offer) {
  std::array<int, 2> sockets{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets.data()), 0);
  const UniqueFd server(sockets[0]);
  const UniqueFd client(sockets[1]);
  auto segment = Segment::Create(2u << 20);
  ASSERT_TRUE(segment.ok()) << segment.status();
  ASSERT_TRUE(segment->SendTo(server.get()).ok());
  std::string offer(100, '\0');
  const ssize_t received = recv(client.get(), offer.data(), offer.size(), 0);
  ASSERT_EQ(received, 32) << "two keys follow what the document shows";
  ExpectVector("offer", offer.substr(0, 16));
}

}  // namespace
}  // namespace sidecall
