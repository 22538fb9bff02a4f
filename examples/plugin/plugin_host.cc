// plugin_host: has a plug-in, in a process of its own, count words; survives its crash.
#include <filesystem>
#include <iostream>
#include <string>

#include "sidecall/sidecall.h"
#include "sidecall/spawn_child.h"
#include "words.sidecall.h"

namespace words {
namespace {

bool Count(const Words::Stub& stub, const std::string& text) {
  sidecall::ClientContext context;
  context.set_timeout(absl::Seconds(10));
  Text request;
  request.set_text(text);
  Number reply;
  const absl::Status status = stub.Count(&context, request, &reply);
  if (status.ok()) {
    std::cout << text << ": " << reply.number() << std::endl;
  } else {
    std::cout << text << ": " << status << std::endl;
  }
  return status.ok();
}

}  // namespace
}  // namespace words

int main() {
  // What the plug-in writes comes out of this process's stderr, and its end is logged there.
  std::ios::sync_with_stdio(true);
  const std::string program =
      std::filesystem::read_symlink("/proc/self/exe").replace_filename("words_plugin");
  sidecall::ChildOptions options;
  options.forward_stderr = true;
  const words::Words::Stub stub(sidecall::SpawnChild(program, {}, options));
  words::Count(stub, "one two");
  words::Count(stub, "now crash please");
  const bool alive = words::Count(stub, "alive");  // In a new process, which this call has had started.
  return alive ? 0 : 1;
}
