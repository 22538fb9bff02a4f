// Messages as the runtime sees them: bytes to be written, of a size known beforehand, or bytes to be parsed.
// No message type is known above this line, and no bytes object lies between a message and the transport's
// memory.
#ifndef SIDECALL_INTERNAL_MESSAGE_H_
#define SIDECALL_INTERNAL_MESSAGE_H_

#include <google/protobuf/io/zero_copy_stream.h>
#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <cstdint>

#include "sidecall/internal/parse_message.h"
#include "sidecall/internal/serialize_message.h"

namespace sidecall::internal {

// A message to be sent. Sized once, then serialized once, into one piece of memory or through a stream of
// pieces.
class MessageSource {
 public:
  // Bytes that Serialize will write. Must be called first; the message must not change in between.
  virtual size_t ByteSize() const = 0;
  virtual void SerializeTo(uint8_t* memory) const = 0;
  virtual bool SerializeTo(google::protobuf::io::ZeroCopyOutputStream* stream) const = 0;

 protected:
  ~MessageSource() = default;
};

// Where a received message goes.
class MessageTarget {
 public:
  // False where the bytes are no such message. The kReadableBehindMessage bytes behind them may be read, too.
  virtual bool Parse(const char* bytes, size_t size) = 0;

 protected:
  ~MessageTarget() = default;
};

class ProtobufSource final : public MessageSource {
 public:
  explicit ProtobufSource(const google::protobuf::MessageLite& message) : message_(message) {}
  size_t ByteSize() const override { return size_ = message_.ByteSizeLong(); }
  void SerializeTo(uint8_t* memory) const override { SerializeMessage(message_, memory, size_); }
  bool SerializeTo(google::protobuf::io::ZeroCopyOutputStream* stream) const override {
    return message_.SerializePartialToZeroCopyStream(stream);
  }

 private:
  const google::protobuf::MessageLite& message_;
  mutable size_t size_ = 0;
};

class ProtobufTarget final : public MessageTarget {
 public:
  explicit ProtobufTarget(google::protobuf::MessageLite& message) : message_(&message) {}
  bool Parse(const char* bytes, size_t size) override {
    size_ = size;
    return ParseMessage(*message_, bytes, size);
  }
  // Bytes that were parsed.
  size_t size() const { return size_; }

 private:
  google::protobuf::MessageLite* message_;
  size_t size_ = 0;
};

}  // namespace sidecall::internal

#endif  // SIDECALL_INTERNAL_MESSAGE_H_
