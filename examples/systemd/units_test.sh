#!/usr/bin/env bash
# systemd finds nothing wrong with the units: units_test.sh HELLO_SERVICE
set -u -o pipefail

program=${1:?}
command -v systemd-analyze >/dev/null || { echo "skipped: there is no systemd-analyze (package systemd)"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cp "$(dirname "${BASH_SOURCE[0]}")"/hello.* "$scratch"
# It wants to see the program.
sed -i "s|/usr/local/bin/hello_service|$program|" "$scratch/hello.service"
systemd-analyze verify --man=no "$scratch"/hello.{socket,service} >"$scratch/found" 2>&1 || echo "it ended with $?" >>"$scratch/found"
# What it finds in units of the machine is not for us to mend.
if grep -E 'hello\.|ended' "$scratch/found"; then
  echo "FAILED: systemd-analyze verify finds the above" >&2
  exit 1
fi
