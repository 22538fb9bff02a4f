#!/usr/bin/env bash
# The README's session with systemd-socket-activate: by_hand_test.sh README FOLDER_OF_PROGRAMS
set -u

command -v systemd-socket-activate >/dev/null || { echo "skipped: there is no systemd-socket-activate (package systemd)"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Its fixed path would clash with another run of this test. What systemd-socket-activate says is not for us to promise.
sed "s|/tmp/greeter|$scratch/greeter|; s|^\(\$ systemd-socket-activate .*\) &|\1 2>/dev/null \&|" "${1:?}" >"$scratch/README.md"
bash "$(dirname "${BASH_SOURCE[0]}")/../session_test.sh" "$scratch/README.md" "${2:?}"
