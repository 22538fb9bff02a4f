#!/usr/bin/env bash
# The commands that a README shows after "$ " print what it shows below them: session_test.sh README FOLDER_OF_PROGRAMS [SED]
# The sed program makes alike what differs from run to run. They share one shell, and a registry of their own.
set -u -o pipefail

readme=${1:?} programs=${2:?} alike=${3:-}
scratch=$(mktemp -d)
export SIDECALL_DIR=$scratch/registry
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# Every block in which there is such a command.
awk '/^```/ { if (inside && block ~ /(^|\n)\$ /) printf "%s", block; inside = !inside; block = ""; next }
     inside { block = block $0 "\n" }' "$readme" >"$scratch/session"
grep '^\$ ' "$scratch/session" | sed "s/^\$ //; s|build/release/bin|$programs|g" >"$scratch/commands"
[ -s "$scratch/commands" ] || fail "$readme shows no command"
grep -v '^\$ ' "$scratch/session" | sed -E "$alike" >"$scratch/expected"
# What they leave running goes with them.
# shellcheck disable=SC2016  # it is for the script to expand
echo 'trap "kill \$(jobs -p) 2>/dev/null; wait" EXIT' | cat - "$scratch/commands" >"$scratch/script"
timeout --foreground --kill-after=5 280 bash "$scratch/script" >"$scratch/printed" 2>&1 || fail "the last command ended with $?: $(cat "$scratch/printed")"
sed -E "$alike" "$scratch/printed" | diff "$scratch/expected" - || fail "$readme shows (<) what is not printed (>)"
[ -z "$(find "$SIDECALL_DIR" ! -type d ! -name lock ! -name claims)" ] || fail "something was left in the registry"
