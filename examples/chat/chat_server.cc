// chat_server: serves a room until it gets SIGINT or SIGTERM.
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <string>

#include "chat/room.h"
#include "sidecall/sidecall.h"

int main(int argc, char** argv) {
  CLI::App app("Serves a chat room.");
  std::string address;
  app.add_option("--address", address, "Where to listen, as shm:/path")->required();
  CLI11_PARSE(app, argc, argv);

  // Blocked before the server makes its threads, so that sigwait alone gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  chat::RoomImpl room;
  auto server = sidecall::ServerBuilder().AddAddress(address).RegisterService(&room).BuildAndStart();
  if (!server.ok()) {
    std::cerr << "chat_server: " << server.status() << std::endl;
    return 1;
  }
  std::cout << "listening on " << address << std::endl;
  int signal = 0;
  sigwait(&signals, &signal);
  // Who is still in the room has a second to leave.
  (*server)->Shutdown(absl::Seconds(1));
  return 0;
}
