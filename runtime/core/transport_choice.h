// Over which transports a service is to be carried, as the first of these says that says anything: the
// environment, the config file, the program.
#ifndef SIDECALL_CORE_TRANSPORT_CHOICE_H_
#define SIDECALL_CORE_TRANSPORT_CHOICE_H_

#include <string>
#include <string_view>
#include <vector>

#include "core/config_file.h"

namespace sidecall {

struct TransportChoice {
  std::vector<std::string> schemes;  // the best first; empty: nobody says any
  std::string said_by;               // "SIDECALL_SERVE"; empty where nobody does
};

// `variable` is one of the environment, `option` a program's own word, as `options_name` is called in
// messages.
TransportChoice ChooseTransports(const char* variable, const Config::Transports* config,
                                 const std::vector<std::string>& option, std::string_view options_name);

// INVALID_ARGUMENT, with who said it and those there are, where one of them is no transport.
absl::Status CheckTransports(const TransportChoice& choice);

// "shm, unix"
std::vector<std::string> SplitTransports(std::string_view list);

}  // namespace sidecall

#endif  // SIDECALL_CORE_TRANSPORT_CHOICE_H_
