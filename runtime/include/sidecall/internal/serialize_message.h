// Serialization of a message to be sent: what MessageLite::SerializeWithCachedSizesToArray does, in line.
#ifndef SIDECALL_INTERNAL_SERIALIZE_MESSAGE_H_
#define SIDECALL_INTERNAL_SERIALIZE_MESSAGE_H_

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>
#include <google/protobuf/stubs/common.h>

#include <cstddef>
#include <cstdint>

namespace sidecall::internal {

// Writes `size` bytes, which is what ByteSizeLong has just returned, to `memory`.
inline void SerializeMessage(const google::protobuf::MessageLite& message, uint8_t* memory, size_t size) {
#if GOOGLE_PROTOBUF_VERSION / 1000 == 3021
  // The serializer's own steps, which other versions take otherwise.
  using google::protobuf::io::CodedOutputStream;
  google::protobuf::io::EpsCopyOutputStream stream(memory, static_cast<int>(size),
                                                   CodedOutputStream::IsDefaultSerializationDeterministic());
  message._InternalSerialize(memory, &stream);
#else
  static_cast<void>(size);
  message.SerializeWithCachedSizesToArray(memory);
#endif
}

}  // namespace sidecall::internal

#endif  // SIDECALL_INTERNAL_SERIALIZE_MESSAGE_H_
