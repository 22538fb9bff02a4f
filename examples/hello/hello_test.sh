#!/usr/bin/env bash
# hello_server and hello_client as two processes: hello_test.sh FOLDER_OF_PROGRAMS unix|unix-abstract|shm|by-name
set -u

programs=${1:?} scheme=${2:?}
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -TERM "$server" 2>/dev/null; rm -rf "$scratch"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

case $scheme in
  unix-abstract) address=$scheme:sidecall-$(basename "$scratch") ;;
  by-name)
    address=
    export SIDECALL_DIR=$scratch/registry
    ;;
  *) address=$scheme:$scratch/hello ;;
esac
where=(${address:+--address="$address"})

mkfifo "$scratch/output"
# --foreground: it passes on SIGTERM alone. The SIGCONT that it sends else undoes the SIGSTOP by which the leak
# sanitizer halts the threads of an ending process, which then waits for ever.
timeout --foreground --kill-after=5 100 "$programs/hello_server" "${where[@]}" >"$scratch/output" &
server=$!
exec 3<"$scratch/output"
read -r -t 60 line <&3 || fail "no line from hello_server within 60 s"
if [ -n "$address" ]; then expected="listening on $address"; else expected="listening on shm:$SIDECALL_DIR/*"; fi
# shellcheck disable=SC2053  # a pattern, by name
[[ $line == $expected ]] || fail "hello_server said: $line"

reply=$(timeout 60 "$programs/hello_client" "${where[@]}" --name=Grace) || fail "hello_client ended with $?"
[ "$reply" = 'Hello, Grace!' ] || fail "hello_client said: $reply"
report=$(timeout 60 "$programs/hello_client" "${where[@]}" --calls=100) || fail "hello_client ended with $?"
grep -Eqx '100 calls, median [0-9]+\.[0-9]+ us' <<<"$report" || fail "hello_client said: $report"

kill -TERM "$server"
wait "$server"
status=$?
server=
[ "$status" -eq 0 ] || fail "hello_server ended with $status on SIGTERM"
[ ! -e "$scratch/hello" ] || fail "hello_server left $scratch/hello behind"

if error=$(timeout 60 "$programs/hello_client" "${where[@]}" 2>&1); then fail "a call without a server succeeded"; fi
grep -q UNAVAILABLE <<<"$error" || fail "without a server hello_client said: $error"
