// Everything that a program which calls or serves needs. Generated headers include it.
#ifndef SIDECALL_SIDECALL_H_
#define SIDECALL_SIDECALL_H_

#include "sidecall/burst.h"
#include "sidecall/call_priority.h"
#include "sidecall/channel.h"
#include "sidecall/channel_state.h"
#include "sidecall/client_context.h"
#include "sidecall/log.h"
#include "sidecall/metadata.h"
#include "sidecall/peer_identity.h"
#include "sidecall/pending_call.h"
#include "sidecall/polling.h"
#include "sidecall/server.h"
#include "sidecall/server_context.h"
#include "sidecall/service.h"
#include "sidecall/statistics.h"
#include "sidecall/status.h"
#include "sidecall/stream.h"
#include "sidecall/trace.h"

#endif  // SIDECALL_SIDECALL_H_
