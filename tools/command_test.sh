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

# prints TEXT COMMAND...: it ends well, and prints exactly that.
prints() {
  local text=$1 output code=0
  shift
  output=$(timeout 60 "$@" 2>&1) || code=$?
  [ "$code" -eq 0 ] || fail "$* ended with $code: $output"
  [ "$output" = "$text" ] || fail "$* printed: $output"
}

sidecall=$programs/sidecall
method=hello.Greeter/SayHello
expects 2 'Usage' "$sidecall"
expects 2 'frobnicate' "$sidecall" frobnicate
expects 0 'list' "$sidecall" --help
expects 0 '^SERVICE +SERVERS$' "$sidecall" list
expects 67 'INVALID_ARGUMENT' "$sidecall" list ../etc
expects 78 'UNAVAILABLE: no live server for hello.Greeter: none is registered' "$sidecall" list hello.Greeter
expects 78 'UNAVAILABLE: no server is live' "$sidecall" describe
expects 78 'UNAVAILABLE: no server is live that could know hello.HelloReply' "$sidecall" describe hello.HelloReply
expects 78 'UNAVAILABLE: no live server for hello.Greeter: none is registered' "$sidecall" call "$method"
expects 2 "'Greeter' names no method. Write it as package.Service/Method" "$sidecall" call Greeter
expects 2 "'tenant' is no header. Write it as 'key: value'" "$sidecall" call -H tenant "$method"
expects 2 "'soon' is no number of seconds above 0" "$sidecall" call -max-time soon "$method"
expects 2 'METHOD' "$sidecall" call

mkfifo "$scratch/output"
"$programs/hello_server" >"$scratch/output" &
server=$!
exec 3<"$scratch/output"
read -r -t 60 <&3 || fail "no line from hello_server within 60 s"
expects 0 '^hello.Greeter +1$' "$sidecall" list
expects 0 "^$server +$(id -u) .* shm:$SIDECALL_DIR/sockets/[0-9a-f]+\.shm unix:" "$sidecall" list --no-legend hello.Greeter
expects 0 ': 0 registrations of dead' "$sidecall" clean
[ "$("$sidecall" list --no-legend | wc -l)" -eq 1 ] || fail "more is registered than was: $("$sidecall" list)"

# describe
service='service Greeter {
  rpc SayHello(.hello.HelloRequest) returns (.hello.HelloReply);
}'
described=$("$sidecall" describe hello.Greeter) || fail "describe ended with $?"
[ "$(grep -v '^//' <<<"$described")" = "$service" ] || fail "describe said: $described"
expects 0 "^// Served by pid $server of uid $(id -u), at shm:$SIDECALL_DIR/sockets/" "$sidecall" describe hello.Greeter
expects 0 '^//   shm:.*, the first of 2 that both ends can speak, in the order of the server$' "$sidecall" describe hello.Greeter
expects 0 '^//   unix:' env SIDECALL_TRANSPORTS=unix "$sidecall" describe hello.Greeter
prints "$described" "$sidecall" describe
prints '// hello.Greeter.SayHello, of hello.proto
rpc SayHello(.hello.HelloRequest) returns (.hello.HelloReply);' "$sidecall" describe "$method"
prints '// hello.HelloReply, of hello.proto
message HelloReply {
  string message = 1;
}' "$sidecall" describe hello.HelloReply
expects 69 "NOT_FOUND: no live server knows hello.Nothing. Asked were those of hello.Greeter \(pid $server" \
  "$sidecall" describe hello.Nothing
expects 69 'NOT_FOUND: hello.Greeter has no method SayBye. It has: SayHello' "$sidecall" describe hello.Greeter/SayBye

# call
reply() { printf '{\n  "message": "Hello, %s!"\n}' "$1"; }
prints "$(reply Ada)" "$sidecall" call -d '{"name":"Ada"}' "$method"
prints "$(reply Ada)" "$sidecall" call hello.Greeter.SayHello --d '{"name":"Ada"}' -max-time 30 -H 'tenant: 7' -H 'Kind: test'
prints "$(reply Grace)" "$sidecall" call -d @ "$method" < <(echo '{"name":"Grace"}')
prints "$(reply '')" "$sidecall" call -max-time=30 --emit-defaults "$method"
prints "$(reply Grace)" "$sidecall" call "unix:$(echo "$SIDECALL_DIR"/sockets/*.unix)" "$method" -d '{"name":"Grace"}'
prints "$(reply Grace)" "$sidecall" call sidecall:hello.Greeter "$method" -emit-defaults -d '{"name":"Grace"}'
expects 67 'INVALID_ARGUMENT: -d is no hello.HelloRequest: nam: Cannot find field' "$sidecall" call -d '{"nam":1}' "$method"
expects 67 'INVALID_ARGUMENT: -d is no hello.HelloRequest: Root element must be a message' "$sidecall" call -d '[]' "$method"
expects 67 '^  string name = 1;$' "$sidecall" call -d '{"nam":1}' "$method"
expects 67 'INVALID_ARGUMENT: -d is no hello.HelloRequest: .*Expected' "$sidecall" call -d '{"name":' "$method"
expects 76 'UNIMPLEMENTED: hello.Greeter has no method SayHelo\. Nearest: SayHello$' "$sidecall" call hello.Greeter/SayHelo
expects 76 'UNIMPLEMENTED: this server has no service hello.Greter\. Nearest: hello.Greeter$' \
  "$sidecall" call sidecall:hello.Greeter hello.Greter/SayHello
expects 76 'UNIMPLEMENTED: .*ServerReflectionInfo is no unary method: both its ends send' \
  "$sidecall" call sidecall:hello.Greeter sidecall_reflection.ServerReflection/ServerReflectionInfo

# A server that is stopped has whoever connects wait.
kill -STOP "$server"
expects 68 'DEADLINE_EXCEEDED' "$sidecall" call -max-time 0.3 "$method"
kill -CONT "$server"
prints "$(reply Ada)" "$sidecall" call -max-time 30 -d '{"name":"Ada"}' "$method"

kill -KILL "$server"
wait "$server" 2>/dev/null
expects 78 "its registration is stale \(pid $server is gone\)\. Start it, or run: sidecall clean" "$sidecall" list hello.Greeter
expects 78 "its registration is stale \(pid $server is gone\)\. Start it, or run: sidecall clean" "$sidecall" call "$method"
expects 78 "its registration is stale \(pid $server is gone\)\. Start it" "$sidecall" describe hello.Greeter
server=
expects 0 ': 1 registrations of dead' "$sidecall" clean
expects 78 'none is registered' "$sidecall" list hello.Greeter
[ -z "$(ls "$SIDECALL_DIR/sockets" "$SIDECALL_DIR/instances" "$SIDECALL_DIR/services" | grep -v : | grep .)" ] ||
  fail "left behind: $(find "$SIDECALL_DIR")"
