// Every transport, one line each, in the order of preference where nothing else decides.
#include "transport/all_transports.h"
#include "transports/exec/exec_transport.h"
#include "transports/inproc/inproc_transport.h"
#include "transports/mqueue/mqueue_transport.h"
#include "transports/pipe/pipe_transport.h"
#include "transports/shm/shm_transport.h"
#include "transports/unix/unix_transport.h"

namespace sidecall {

std::vector<std::unique_ptr<const Transport>> MakeAllTransports() {
  std::vector<std::unique_ptr<const Transport>> all;
  all.push_back(MakeShmTransport());
  all.push_back(MakeUnixTransport());
  all.push_back(MakeUnixAbstractTransport());
  all.push_back(MakePipeTransport());
  all.push_back(MakeMqueueTransport());
  all.push_back(MakeInprocTransport());
  all.push_back(MakeExecTransport());
  all.push_back(MakeFdTransport());
  return all;
}

}  // namespace sidecall
