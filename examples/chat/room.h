// The room: every participant is a handler that reads lines and writes them to the others' streams.
#ifndef SIDECALL_EXAMPLES_CHAT_ROOM_H_
#define SIDECALL_EXAMPLES_CHAT_ROOM_H_

#include <algorithm>
#include <mutex>
#include <vector>

#include "chat.sidecall.h"

namespace chat {

class RoomImpl final : public Room::Service {
  using Stream = sidecall::ServerReaderWriter<Line, Line>;

  absl::Status Join(sidecall::ServerContext*, Stream* stream) override {
    {
      const std::lock_guard lock(mutex_);
      participants_.push_back(stream);
      // Tells the client that it is in the room: whatever is said from now on, it reads. Under the lock, as
      // all that is written to a stream which others write to as well.
      stream->SendInitialMetadata();
    }
    for (Line line; stream->Read(&line);) SayToOthers(stream, line);
    const std::lock_guard lock(mutex_);
    participants_.erase(std::find(participants_.begin(), participants_.end(), stream));
    return absl::OkStatus();
  }

  // One writes at a time: a stream takes one writer. Who does not read holds up the room once its window is
  // full; a room of strangers would give each participant a queue, and drop those that are too slow.
  void SayToOthers(const Stream* from, const Line& line) {
    const std::lock_guard lock(mutex_);
    for (Stream* participant : participants_) {
      if (participant != from) participant->Write(line);
    }
  }

  std::mutex mutex_;
  std::vector<Stream*> participants_;
};

}  // namespace chat

#endif  // SIDECALL_EXAMPLES_CHAT_ROOM_H_
