#!/usr/bin/env bash
# The safe, its keeper and a stranger, as three processes: auth_uid_test.sh FOLDER_OF_PROGRAMS
set -u

programs=${1:?}
if [ "$(id -u)" -ne 0 ]; then
  echo "SKIPPED: only root can call as another user"
  exit 77
fi
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -TERM "$server" 2>/dev/null; rm -rf "$scratch"' EXIT
address=unix-abstract:$scratch/safe

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
# says STATUS PATTERN ARGUMENT...: the client, with these, ends so and prints that.
says() {
  local status=$1 pattern=$2 printed code=0
  shift 2
  printed=$(timeout 30 "$programs/auth_uid_client" --address="$address" "$@" 2>&1) || code=$?
  [ "$code" -eq "$status" ] || fail "the client ended with $code: $printed"
  grep -Eq -- "$pattern" <<<"$printed" || fail "the client printed: $printed"
}

mkfifo "$scratch/output"
timeout --foreground 50 "$programs/auth_uid_server" --address="$address" >"$scratch/output" &
server=$!
exec 3<"$scratch/output"
read -r -t 30 _ <&3 || fail "no line from the server within 30 s"
says 0 '^it holds: a ring$'
says 1 '^put: PERMISSION_DENIED: auth_uid.Safe/Put is not for uid 54321, gid 54321, pid ' --as=54321 --put='nothing'
says 1 '^it holds: a ring$' --as=54321 --put='nothing'
read -r -t 30 line <&3
[[ "$line" == "put by uid 0, gid 0, pid "* ]] || fail "the server said: $line"
kill -TERM "$server"
wait "$server" || fail "the server ended with $?"
server=
