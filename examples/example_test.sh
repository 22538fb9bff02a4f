#!/usr/bin/env bash
# An example that serves and calls in one program prints what is expected, and leaves nothing behind:
#   example_test.sh EXPECTED_OUTPUT SCHEME PROGRAM
set -u -o pipefail

expected=${1:?} scheme=${2:?} program=${3:?}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
case $scheme in
  inproc) address=inproc:$(basename "$scratch") ;;
  *) address=$scheme:$scratch/address ;;
esac
timeout 50 "$program" --address="$address" >"$scratch/printed" || { echo "FAILED: it ended with $?" >&2; exit 1; }
diff "$expected" "$scratch/printed" || { echo "FAILED: it does not print (>) what is expected (<)" >&2; exit 1; }
[ ! -e "$scratch/address" ] || { echo "FAILED: it left its address behind" >&2; exit 1; }
