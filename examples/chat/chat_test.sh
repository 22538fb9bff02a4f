#!/usr/bin/env bash
# Two participants and the room, in three processes: chat_test.sh FOLDER_OF_PROGRAMS unix|shm
set -u

programs=${1:?} scheme=${2:?}
scratch=$(mktemp -d)
pids=()
trap '[ ${#pids[@]} -eq 0 ] || kill -TERM "${pids[@]}" 2>/dev/null; rm -rf "$scratch"' EXIT
address=$scheme:$scratch/room

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
# expect FD LINE
expect() {
  local line
  read -r -t 30 line <&"$1" || fail "no line within 30 s, where '$2' is expected"
  [ "$line" = "$2" ] || fail "'$line' instead of '$2'"
}

mkfifo "$scratch"/{server,ada_in,ada_out,ben_in,ben_out}
timeout --foreground 50 "$programs/chat_server" --address="$address" >"$scratch/server" &
server=$!
pids+=("$server")
exec 3<"$scratch/server"
expect 3 "listening on $address"

for name in ada ben; do
  timeout --foreground 50 "$programs/chat_client" --address="$address" --name=$name <"$scratch/${name}_in" >"$scratch/${name}_out" &
  pids+=("$!")
done
exec 4>"$scratch/ada_in" 5<"$scratch/ada_out" 6>"$scratch/ben_in" 7<"$scratch/ben_out"
expect 5 joined
expect 7 joined
echo "hello, Ben" >&4
expect 7 "ada: hello, Ben"
echo "hello, Ada" >&6
expect 5 "ben: hello, Ada"
# Ben leaves; Ada talks to herself, and leaves as well.
exec 6>&-
wait "${pids[2]}" || fail "ben ended with $?"
echo "anybody there?" >&4
exec 4>&-
wait "${pids[1]}" || fail "ada ended with $?"
kill -TERM "$server"
wait "$server" || fail "the server ended with $?"
pids=()
[ ! -e "$scratch/room" ] || fail "the server left its address behind"
