#!/usr/bin/env bash
# The command `sidecall` beside a server that lives, and one that was killed: command_test.sh FOLDER_OF_PROGRAMS
set -u

programs=${1:?}
scratch=$(mktemp -d)
export SIDECALL_DIR=$scratch/registry
server=
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null; rm -rf "$scratch"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# expects STATUS PATTERN COMMAND...: it ends so, and says that.
expects() {
  local status=$1 pattern=$2 output code=0
  shift 2
  output=$(timeout 60 "$@" 2>&1) || code=$?
  [ "$code" -eq "$status" ] || fail "$* ended with $code: $output"
  grep -Eq -- "$pattern" <<<"$output" || fail "$* said: $output"
}

sidecall=$programs/sidecall
expects 2 'Usage' "$sidecall"
expects 2 'frobnicate' "$sidecall" frobnicate
expects 0 'list' "$sidecall" --help
expects 0 '^SERVICE +SERVERS$' "$sidecall" list
expects 67 'INVALID_ARGUMENT' "$sidecall" list ../etc
expects 78 'UNAVAILABLE: no live server for hello.Greeter: none is registered' "$sidecall" list hello.Greeter

mkfifo "$scratch/output"
"$programs/hello_server" >"$scratch/output" &
server=$!
exec 3<"$scratch/output"
read -r -t 60 <&3 || fail "no line from hello_server within 60 s"
expects 0 '^hello.Greeter +1$' "$sidecall" list
expects 0 "^$server +$(id -u) .* shm:$SIDECALL_DIR/sockets/[0-9a-f]+\.shm unix:" "$sidecall" list --no-legend hello.Greeter
expects 0 ': 0 of dead' "$sidecall" clean

kill -KILL "$server"
wait "$server" 2>/dev/null
expects 78 "its registration is stale \(pid $server is gone\)\. Start it, or run: sidecall clean" "$sidecall" list hello.Greeter
server=
expects 0 ': 1 of dead' "$sidecall" clean
expects 78 'none is registered' "$sidecall" list hello.Greeter
[ -z "$(ls "$SIDECALL_DIR/sockets" "$SIDECALL_DIR/instances" "$SIDECALL_DIR/services" | grep -v : | grep .)" ] ||
  fail "left behind: $(find "$SIDECALL_DIR")"
