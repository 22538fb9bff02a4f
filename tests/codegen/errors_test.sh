#!/usr/bin/env bash
# What the plugin refuses, it refuses through protoc, with a message that says what to change; and it writes no file.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0

# run <parameters> <proto>: protoc's standard error, in $output.
run() {
  rm -rf "$work/out" && mkdir "$work/out"
  "$PROTOC" "--plugin=protoc-gen-sidecall=$PLUGIN" "-I$work" "-I$here" "-I$here/../../proto" "--sidecall_out=$work/out" \
    "--sidecall_opt=$1" "$2" 2>"$work/stderr" && code=0 || code=$?
  output="$(cat "$work/stderr")"
}

# rejects <parameters> <proto> <text>...: protoc fails, and says every text.
rejects() {
  local parameters="$1" proto="$2" text
  shift 2
  run "$parameters" "$proto"
  if [[ $code == 0 || -n "$(ls -A "$work/out")" ]]; then
    echo "FAILED: $proto with '$parameters' was accepted"
    failures=$((failures + 1))
  fi
  for text in "$@"; do
    [[ "$output" == *"$text"* ]] && continue
    printf 'FAILED: %s with "%s" lacks: %s\n  it says: %s\n' "$proto" "$parameters" "$text" "$output"
    failures=$((failures + 1))
  done
}

# accepts <parameters> <proto> <file>...: protoc succeeds, and writes exactly these files.
accepts() {
  local parameters="$1" proto="$2"
  shift 2
  run "$parameters" "$proto"
  local written
  written="$(cd "$work/out" && find . -type f -printf '%P\n' | sort | tr '\n' ' ')"
  [[ $code == 0 && "$written" == "$(printf '%s ' "$@")" ]] && return
  printf 'FAILED: %s with "%s": wrote %s\n  it says: %s\n' "$proto" "$parameters" "$written" "$output"
  failures=$((failures + 1))
}

# proto <name> <text>: a .proto file with a message M.
proto() { printf 'syntax = "proto3";\n%s\nmessage M {}\n' "$2" >"$work/$1"; }

good=golden/imported.proto

# options <name> <service's> <method's>: a .proto with these options.
options() {
  proto "$1" "package a; import \"sidecall/options.proto\"; service S { $2 rpc R(M) returns (M) { $3 } }"
}
options unspecified.proto 'option (sidecall.service).transports = TRANSPORT_UNSPECIFIED;' ''
rejects '' unspecified.proto 'a.S: option (sidecall.service).transports: 0 is no transport'
options twice.proto 'option (sidecall.service) = { transports: [UNIX, SHM, UNIX] };' ''
rejects '' twice.proto 'a.S: option (sidecall.service).transports names UNIX twice'
options never.proto '' 'option (sidecall.method).default_timeout = { seconds: 0 };'
rejects '' never.proto 'a.S.R: option (sidecall.method).default_timeout is 0 seconds and 0 nanoseconds' 'Give it more than none'
options negative.proto '' 'option (sidecall.method).default_timeout = { seconds: -1 };'
rejects '' negative.proto 'default_timeout is -1 seconds'
options unknown.proto 'option (sidecall.service) = { transports: [PIGEON] };' ''
rejects '' unknown.proto 'PIGEON'
rejects header_extention=.h $good 'unknown parameter "header_extention"; did you mean "header_extension"?' \
  'Known parameters: header_extension, include_prefix, source_extension.'
rejects frobnicate=1 $good 'unknown parameter "frobnicate" Known'
rejects header_extension=h $good 'parameter "header_extension" is "h"' 'starts with a dot'
rejects header_extension=./x.h $good 'no slash'
rejects header_extension= $good 'parameter "header_extension" is ""'
rejects source_extension=.pb.cc $good "protobuf's own output"
rejects header_extension=.rpc,source_extension=.rpc $good 'are both ".rpc"'
rejects include_prefix=a,include_prefix=b $good 'given twice, as "a" and as "b"'
accepts '' $good golden/imported.sidecall.cc golden/imported.sidecall.h
accepts header_extension=.rpc.hpp,source_extension=.rpc.cpp $good golden/imported.rpc.cpp golden/imported.rpc.hpp
accepts include_prefix=gen $good golden/imported.sidecall.cc golden/imported.sidecall.h
grep -qx '#include "gen/golden/imported.sidecall.h"' "$work/out/golden/imported.sidecall.cc"
grep -qx '#include "gen/golden/imported.pb.h"' "$work/out/golden/imported.sidecall.h"

proto methods.proto 'package p; service S { rpc delete(M) returns (M); rpc delete_(M) returns (M); }'
rejects '' methods.proto 'methods.proto: methods p.S/delete and p.S/delete_ both become the C++ function delete_' \
  'rename one'
proto services.proto 'package p; service Stub {} service Stub_ {}'
rejects '' services.proto 'service p.Stub_ and service p.Stub both use the C++ name Stub_'
proto nested.proto 'package p; message A { message B {} } service A_B {}'
rejects '' nested.proto 'service p.A_B and message p.A.B both use the C++ name A_B'
proto table.proto 'package p; message S_methods_ {} service S {}'
rejects '' table.proto 'service p.S and message p.S_methods_ both use the C++ name S_methods_'
proto import.proto 'package p; import "nested.proto"; service class {} enum E { class_ = 0; }'
sed -i '/^message M/d' "$work/import.proto" # nested.proto has one.
rejects '' import.proto 'service p.class and enum value p.class_ both use the C++ name class_'
sed -i 's/service class {} enum.*/service A_B {}/' "$work/import.proto"
sed -i 's/service A_B {}//' "$work/nested.proto"
rejects '' import.proto 'service p.A_B and message p.A.B both use'
proto keyword.proto 'package p.namespace.q; service S {}'
rejects '' keyword.proto 'package p.namespace.q: "namespace" is reserved in C++'
proto generic.proto 'package p; option cc_generic_services = true; service S {}'
rejects '' generic.proto 'cc_generic_services' 'remove the option'
proto runtime.proto 'package sidecall; service Channel {}'
rejects '' runtime.proto 'service sidecall.Channel' "Sidecall's own headers declare ::sidecall::Channel"
proto global.proto 'message absl {} service S {}'
rejects '' global.proto 'message absl' 'would hide namespace ::absl'
proto $'quo"te.proto' 'package p;'
rejects '' $'quo"te.proto' "the file's name holds a quote"
# Without a service, what protobuf makes of a file is protobuf's business.
proto messages.proto 'package p.namespace.q;'
accepts '' messages.proto messages.sidecall.cc messages.sidecall.h

((failures == 0)) || { echo "$failures failures"; exit 1; }
