// What the calls of a ClientSession send as streams.
#include "core/client_session.h"

namespace sidecall {

bool ClientSession::SendMessage(ClientCall& call, std::string_view several,
                                const internal::MessageSource* message, size_t size, bool half_close) {
  if (forked()) [[unlikely]] {
    return false;
  }
  FrameStream& stream = *call.streaming();
  FrameHeader header;
  header.type = FrameType::kMessage;
  header.lane = call.lane();
  header.stream = call.stream();
  if (message != nullptr) header.flags |= FrameFlags::kMessage;
  if (!several.empty()) header.flags |= FrameFlags::kMessage | FrameFlags::kSeveral;
  if (half_close) header.flags |= FrameFlags::kHalfClose;
  FrameWriter::Lock lock(write_mutex_);
  if (stream.over()) return false;  // Nothing follows a CANCEL.
  writer_.Send(lock, header, several, message, size);
  FlushTellingReader(lock);
  return true;
}

void ClientSession::SendWindow(ClientCall& call, uint64_t bytes) {
  if (forked()) [[unlikely]] {
    return;
  }
  FrameHeader header;
  header.type = FrameType::kWindow;
  header.lane = Lane::kControl;
  header.stream = call.stream();
  header.argument = bytes;
  FrameWriter::Lock lock(write_mutex_);
  writer_.Send(lock, header, {}, nullptr, 0);
  FlushTellingReader(lock);
}

bool ClientSession::AwaitRoom(ClientCall& call, ClientContext& context) {
  if (forked()) [[unlikely]] {
    return false;
  }
  FrameStream* stream = call.streaming();
  Sleeper& sleeper = stream != nullptr ? stream->producer() : call.caller();
  {
    FrameWriter::Lock lock(write_mutex_);
    if (!writer_.has_pending()) return true;
    writer_.AddRoomWaiter(lock, sleeper);
  }
  const bool room = AwaitStream(call, context, sleeper, [&] {
    return !writer_.has_pending() || call.done() || (stream != nullptr && stream->over());
  });
  FrameWriter::Lock lock(write_mutex_);
  writer_.RemoveRoomWaiter(lock, sleeper);
  return room;
}

}  // namespace sidecall
