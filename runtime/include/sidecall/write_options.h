// WriteOptions: how one message of a stream is written, named and shaped as gRPC's.
//
//   stream->Write(message, sidecall::WriteOptions().set_buffer_hint());
#ifndef SIDECALL_WRITE_OPTIONS_H_
#define SIDECALL_WRITE_OPTIONS_H_

namespace sidecall {

class WriteOptions {
 public:
  // More is to follow at once: the message may wait for it, so that they leave together. It leaves at the
  // latest with the next Write without the hint, Read, WritesDone or Finish. And so a client's Write with the
  // hint may say up to 15 messages late that the call has ended.
  WriteOptions& set_buffer_hint() {
    buffer_hint_ = true;
    return *this;
  }
  bool buffer_hint() const { return buffer_hint_; }

  // No message follows: a client's Write is a WritesDone as well, a server's goes with the status.
  WriteOptions& set_last_message() {
    last_message_ = true;
    return *this;
  }
  bool is_last_message() const { return last_message_; }

 private:
  bool buffer_hint_ = false;
  bool last_message_ = false;
};

}  // namespace sidecall

#endif  // SIDECALL_WRITE_OPTIONS_H_
