#!/usr/bin/env bash
# check_layering.sh must pass a clean tree, and must find each violation planted into it.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

plant() {  # FILE TEXT
  mkdir -p "$tree/$(dirname "$1")"
  printf '%s\n' "$2" >"$tree/$1"
}

clean_tree() {
  rm -rf "${tree:?}"/*
  plant runtime/include/sidecall/status.h $'#include <string>\n#include "absl/status/status.h"'
  plant runtime/include/sidecall/channel.h '#include "sidecall/status.h"'
  plant runtime/core/call.cc $'#include "core/call.h"\n#include "sidecall/channel.h"\n#include "transport/transport.h"'
  plant runtime/transport/transport.h $'#include "sidecall/status.h"  // not "shm"\nauto text = "as in \\"unix:/path\\"";'
  plant transports/shm/shm.cc $'#include "transport/transport.h"\n#include "transports/shm/ring.h"'
  plant transports/unix/unix.cc '#include "transport/transport.h"'
  plant transports/unix/README.md 'unix:/path'
  plant transports/register_all.cc $'#include "transports/shm/shm.h"\n#include "transports/unix/unix.h"'
  plant codegen/main.cc $'#include <google/protobuf/compiler/plugin.h>\n#include "codegen/model.h"'
  plant examples/hello/hello.cc $'#include "hello.sidecall.h"\n#include "sidecall/sidecall.h"'
  plant tests/codegen/golden/hello.sidecall.h $'#include "hello.pb.h"\n#include "sidecall/internal/stub.h"'
}

passes() {
  local output
  output=$("$here/check_layering.sh" "$tree") && return
  printf 'FAILED: a clean tree was refused:\n%s\n' "$output"
  failed=1
}

# FILE TEXT MESSAGE: planting TEXT into FILE must be refused with a line that holds FILE and MESSAGE.
refuses() {
  local output status
  clean_tree
  plant "$1" "$2"
  output=$("$here/check_layering.sh" "$tree")
  status=$?
  if [ "$status" -ne 1 ] || ! grep -F -- "$1" <<<"$output" | grep -qF -- "$3"; then
    printf 'FAILED: %s with this was not refused (status %s, output "%s"):\n%s\n' "$1" "$status" "$output" "${2:0:200}"
    failed=1
  fi
}

lines() { seq "$1" | sed 's|^|// |'; }

clean_tree
passes
refuses runtime/include/sidecall/channel.h '#include "core/call.h"' 'a public header must not include'
refuses runtime/include/sidecall/channel.h '#include "transport/transport.h"' 'a public header must not include'
refuses runtime/include/sidecall/channel.h '#include <core/call.h>' 'include it with quotes'
refuses runtime/include/sidecall/channel.h '#include "../core/call.h"' 'climbs the tree'
refuses runtime/core/call.cc '#include "transports/shm/shm.h"' 'runtime/core must not include'
refuses runtime/core/call.cc '  #  include "transports/shm/shm.h"' 'runtime/core must not include'
refuses runtime/core/call.cc '#include SHM_HEADER' 'computed include'
refuses runtime/registry/resolver.cc '#include "core/call.h"' 'runtime/registry must not include'
refuses runtime/registry/resolver.cc '#include "sidecall/channel.h"' 'runtime/registry must not include'
refuses runtime/transport/address.cc '#include "core/call.h"' 'the frame seam must not include'
refuses runtime/transport/address.cc '#include "sidecall/channel.h"' 'the frame seam must not include'
refuses runtime/transport/address.cc '#include "transports/unix/unix.h"' 'the frame seam must not include'
refuses runtime/newcomer/file.cc '' 'no rule covers this folder'
refuses transports/shm/shm.cc '#include "core/call.h"' 'transport transports/shm/ must not include'
refuses transports/shm/shm.cc '#include "transports/unix/unix.h"' 'transport transports/shm/ must not include'
refuses transports/shm/shm.cc '#include "sidecall/channel.h"' 'transport transports/shm/ must not include'
refuses transports/register_all.cc '#include "core/call.h"' 'registration must not include'
refuses codegen/main.cc '#include "core/call.h"' 'codegen must not include'
refuses codegen/main.cc '#include "sidecall/channel.h"' 'codegen must not include'
refuses examples/hello/hello.cc '#include "core/call.h"' 'an example must not include'
refuses tests/codegen/golden/hello.sidecall.h '#include "core/call.h"' 'generated code must not include'
refuses runtime/core/call.cc 'if (address.scheme == "shm") Hurry();' 'must not know a transport by name'
refuses runtime/core/call.cc 'if (text.starts_with("unix:")) Hurry();' 'must not know a transport by name'
refuses runtime/core/call.cc 'if (kind == Kind::kShm) Hurry();' 'must not know a transport by name'
refuses runtime/core/call.cc 'auto* shm = dynamic_cast<ShmConnection*>(connection);' 'must not know a transport by name'
refuses runtime/core/call.cc "$(lines 601)" '601 lines, at most 600'
refuses transports/shm/shm.cc "$(lines 501)" '501 lines, at most 500'
refuses transports/unix/README.md "$(lines 31)" '31 lines, at most 30'
refuses runtime/transport/transport.h "$(lines 201)" '201 lines, at most 200'

clean_tree
for file in $(seq 30); do plant "tests/unit/test_$file.cc" "$(lines 201)"; done
if "$here/check_layering.sh" "$tree" | grep -q 'median source file has 201 lines'; then :; else
  echo 'FAILED: a median of 201 lines was not refused'
  failed=1
fi

[ "$failed" -eq 0 ] && echo 'every planted violation was found'
exit "$failed"
