#!/usr/bin/env bash
# Calling a deprecated method, or naming a deprecated service, warns; their neighbours do not.
#
#   deprecated_test.sh <compiler and its flags>...
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0

# expects <0 or 1> <statement>
expects() {
  printf '#include "golden/everything.sidecall.h"\nvoid Use(const golden::v1::Greeter::Stub& stub) {\n  %s\n}\n' "$2" \
    >"$work/use.cc"
  "${compiler[@]}" -fsyntax-only -Werror=deprecated-declarations "$work/use.cc" 2>"$work/stderr" && code=0 || code=1
  [[ $code == "$1" ]] && { [[ $code == 0 ]] || grep -q deprecated "$work/stderr"; } && return
  echo "FAILED: $2"
  cat "$work/stderr"
  failures=$((failures + 1))
}

compiler=("$@")
expects 0 'golden::v1::Request request; (void)stub.SayHello(request);'
expects 1 'google::protobuf::Empty empty; (void)stub.Old(empty);'
expects 1 'golden::v1::Retired::Stub retired(nullptr);'
exit $((failures != 0))
