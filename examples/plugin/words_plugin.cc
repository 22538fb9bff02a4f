// words_plugin: counts words for the program that starts it, and crashes at one of them.
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include "sidecall/child_address.h"
#include "sidecall/sidecall.h"
#include "words.sidecall.h"

namespace words {
namespace {

class WordsImpl final : public Words::Service {
  absl::Status Count(sidecall::ServerContext*, const Text* request, Number* reply) override {
    std::istringstream text(request->text());
    for (std::string word; text >> word; reply->set_number(reply->number() + 1)) {
      if (word != "crash") continue;
      std::cerr << "this word is too much for me" << std::endl;
      std::abort();
    }
    return absl::OkStatus();
  }
};

}  // namespace
}  // namespace words

int main() {
  const absl::StatusOr<std::string> parent = sidecall::ParentAddress();
  if (!parent.ok()) {
    std::cerr << parent.status().message() << std::endl;
    return 1;
  }
  words::WordsImpl service;
  auto server = sidecall::ServerBuilder().AddAddress(*parent).RegisterService(&service).BuildAndStart();
  if (!server.ok()) {
    std::cerr << server.status().message() << std::endl;
    return 1;
  }
  sidecall::WaitForParent();
  return 0;
}
