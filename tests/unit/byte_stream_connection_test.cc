// How often a connection reads before it sleeps. What it does with the bytes, the contract tests show.
#include "transport/byte_stream_connection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>

namespace sidecall {
namespace {

constexpr uint32_t kStream = 1;  // the bit of the wait descriptor that tells of bytes
constexpr uint32_t kBell = 2;

// Reads what it was given, one piece at a time; then nothing, or the end.
class ScriptedStream final : public ByteStream {
 public:
  ssize_t Write(const iovec* /*pieces*/, size_t /*count*/) override { return -1; }
  ssize_t Read(char* bytes, size_t size) override {
    reads++;
    if (pieces.empty()) {
      errno = EAGAIN;
      return ended ? 0 : -1;
    }
    const std::string piece = std::exchange(pieces.front(), {});
    pieces.pop_front();
    const size_t taken = std::min(size, piece.size());
    std::memcpy(bytes, piece.data(), taken);
    if (taken < piece.size()) pieces.push_front(piece.substr(taken));
    return static_cast<ssize_t>(taken);
  }
  void HangUp() override { ended = true; }
  void EndWriting() override { ended = true; }
  WaitDescriptors wait_descriptors(bool /*want_room*/) const override { return {.items = {}, .count = 2}; }

  std::deque<std::string> pieces;
  bool ended = false;
  int reads = 0;
};

class ByteStreamConnectionTest : public testing::Test, private FrameSink {
 protected:
  ByteStreamConnectionTest() { DrainAtFirst(); }

  // What was there before it was watched need not make an edge: the first sleep comes behind a read of
  // nothing.
  void DrainAtFirst() {
    EXPECT_FALSE(connection_.Arm());
    Poll();
    EXPECT_TRUE(connection_.Arm());
    stream_->reads = 0;
  }
  void Arrive(size_t frames) {
    std::string bytes;
    for (size_t i = 0; i < frames; i++) {
      FrameHeader header;
      header.type = FrameType::kPing;
      bytes.append(reinterpret_cast<const char*>(&header), sizeof header);
    }
    stream_->pieces.push_back(bytes);
  }
  size_t Poll() { return connection_.Poll(*this); }
  // Nobody sleeps between the two.
  void ExpectAFrameAndTheEnd() {
    EXPECT_EQ(Poll(), 1u);
    EXPECT_FALSE(connection_.Arm());
    EXPECT_EQ(Poll(), 0u);
    EXPECT_EQ(closed_, 1);
  }

  std::unique_ptr<ScriptedStream> made_ = std::make_unique<ScriptedStream>();
  ScriptedStream* stream_ = made_.get();
  ByteStreamConnection connection_{std::move(made_), {}, {}};
  bool stop_ = false;  // behind each frame
  int closed_ = 0;

 private:
  bool OnFrame(const FrameHeader& /*header*/, const FrameBody& /*body*/) override { return !stop_; }
  void OnClosed(const absl::Status& /*why*/) override { closed_++; }
};

TEST_F(ByteStreamConnectionTest, AReadThatWasNotFilledIsTheLast) {
  for (int wake_up = 1; wake_up <= 3; wake_up++) {
    Arrive(2);
    connection_.Disarm({.ready = kStream, .ended = 0});
    EXPECT_FALSE(connection_.Arm());
    EXPECT_EQ(Poll(), 2u);
    EXPECT_TRUE(connection_.Arm());
    EXPECT_EQ(stream_->reads, wake_up);
  }
}

TEST_F(ByteStreamConnectionTest, AReadThatWasFilledIsNot) {
  Arrive(10'000);  // More than the buffer of a connection that has seen small frames only.
  connection_.Disarm({.ready = kStream, .ended = 0});
  size_t frames = 0;
  while (!connection_.Arm()) frames += Poll();
  EXPECT_EQ(frames, 10'000u);
}

TEST_F(ByteStreamConnectionTest, WhatCanBeNoFrameBehindAStopIsNotSleptOn) {
  Arrive(1);
  FrameHeader none;
  none.length = UINT32_MAX;
  stream_->pieces.front().append(reinterpret_cast<const char*>(&none), sizeof none);
  connection_.Disarm({.ready = kStream, .ended = 0});
  stop_ = true;
  ExpectAFrameAndTheEnd();
}

TEST_F(ByteStreamConnectionTest, TheEndBehindBytesIsRead) {
  Arrive(1);
  stream_->ended = true;
  connection_.Disarm({.ready = kStream, .ended = kStream});
  ExpectAFrameAndTheEnd();
}

// Its own side has hung up, say.
TEST_F(ByteStreamConnectionTest, WhatAnotherDescriptorToldIsReadBehindBytes) {
  Arrive(1);
  stream_->ended = true;
  connection_.Disarm({.ready = kStream | kBell, .ended = 0});
  ExpectAFrameAndTheEnd();
}

}  // namespace
}  // namespace sidecall
