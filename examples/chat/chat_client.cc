// chat_client: says what it reads from stdin, prints what others say; leaves at the end of stdin.
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <thread>

#include "chat.sidecall.h"
#include "sidecall/sidecall.h"

int main(int argc, char** argv) {
  CLI::App app("Takes part in a chat room.");
  std::string address;
  std::string name;
  app.add_option("--address", address, "Where the room is, as shm:/path")->required();
  app.add_option("--name", name, "Who you are")->required();
  CLI11_PARSE(app, argc, argv);

  const chat::Room::Stub stub(sidecall::CreateChannel(address));
  sidecall::ClientContext context;
  const auto stream = stub.Join(&context);
  stream->WaitForInitialMetadata();
  std::cout << "joined" << std::endl;

  // One thread reads, one writes.
  std::thread listener([&stream] {
    for (chat::Line line; stream->Read(&line);) std::cout << line.who() << ": " << line.text() << std::endl;
  });
  chat::Line line;
  line.set_who(name);
  for (std::string text; std::getline(std::cin, text);) {
    line.set_text(text);
    if (!stream->Write(line)) break;
  }
  stream->WritesDone();
  listener.join();
  const absl::Status status = stream->Finish();
  if (status.ok()) return 0;
  std::cerr << "chat_client: " << status << std::endl;
  return 1;
}
