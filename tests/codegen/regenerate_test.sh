#!/usr/bin/env bash
# sidecall_generate in a project of its own: code is made anew when an import or the plugin changes, and only then;
# paths may hold spaces; wrong arguments are refused with what to do. C++ is generated, and not compiled.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
# A copy: the test changes it.
cp "$PLUGIN" "$work/protoc-gen-sidecall"
export PLUGIN="$work/protoc-gen-sidecall"
source="$work/the source"
build="$work/the build"
mkdir -p "$source/protos/sub dir"

cat >"$source/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.25)
project(nested LANGUAGES CXX)
find_package(Protobuf REQUIRED)
add_executable(sidecall::protoc-gen-sidecall IMPORTED)
set_target_properties(sidecall::protoc-gen-sidecall PROPERTIES IMPORTED_LOCATION "$ENV{PLUGIN}")
include("$ENV{MODULE}")
add_library(sidecall::sidecall INTERFACE IMPORTED)
if(CASE STREQUAL "good")
  add_library(app STATIC empty.cc)
  sidecall_generate(TARGET app PROTOS protos/a.proto "protos/sub dir/b.proto" IMPORT_DIRS protos)
  # The plain form: sidecall_generate must not rule it out.
  target_link_libraries(app sidecall::sidecall)
  # Another target may generate the same files, with other options.
  add_library(other OBJECT empty.cc)
  sidecall_generate(TARGET other PROTOS a.proto PLUGIN_OPTIONS header_extension=.rpc.h)
  target_link_libraries(other PRIVATE sidecall::sidecall)
  get_target_property(sources app SOURCES)
  get_target_property(others other SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.h$")
  list(FILTER others INCLUDE REGEX "\\.h$")
  add_custom_target(generated DEPENDS ${sources} ${others})
elseif(CASE STREQUAL "missing")
  sidecall_generate(TARGET absent PROTOS a.proto)
elseif(CASE STREQUAL "interface")
  add_library(app INTERFACE)
  sidecall_generate(TARGET app PROTOS a.proto)
elseif(CASE STREQUAL "none")
  add_library(app STATIC empty.cc)
  sidecall_generate(TARGET app)
elseif(CASE STREQUAL "typo")
  add_library(app STATIC empty.cc)
  sidecall_generate(TARGET app PROTO a.proto)
elseif(CASE STREQUAL "absent_proto")
  add_library(app STATIC empty.cc)
  sidecall_generate(TARGET app PROTOS absent.proto)
elseif(CASE STREQUAL "outside")
  add_library(app STATIC empty.cc)
  sidecall_generate(TARGET app PROTOS ../outside.proto)
endif()
EOF
: >"$source/empty.cc"
printf 'syntax = "proto3";\nimport "sub dir/b.proto";\nservice S { rpc R(B) returns (B); }\n' >"$source/protos/a.proto"
printf 'syntax = "proto3";\nservice T { rpc R(C) returns (C); }\nmessage C {}\n' >"$source/a.proto"
printf 'syntax = "proto3";\nimport "google/protobuf/any.proto";\nmessage B { google.protobuf.Any any = 1; }\n' \
  >"$source/protos/sub dir/b.proto"

configure() {
  "$CMAKE" -G "$GENERATOR" -S "$source" -B "$build" "-DCMAKE_CXX_COMPILER=$CXX" "-DCASE=$1" >"$work/log" 2>&1
}
fail() {
  echo "FAILED: $1"
  cat "$work/log"
  exit 1
}
# refused <case> <text>
refused() {
  if configure "$1"; then fail "$1 was accepted"; fi
  tr -s '\n ' '  ' <"$work/log" | grep -qF "$2" || fail "$1 does not say: $2"
}
# Builds, and sets $made to the number of .proto files that were compiled.
generate() {
  "$CMAKE" --build "$build" --target generated >"$work/log" 2>&1 || fail "the build"
  made="$(grep -c 'Generating C++ from' "$work/log" || true)"
}

configure good || fail "configuring"
generate
[[ $made == 3 ]] || fail "made $made of 3"
out="$build/sidecall_generate"
for file in "$out/app/a.sidecall.h" "$out/app/sub dir/b.sidecall.cc" "$out/other/a.rpc.h"; do
  [[ -e "$file" ]] || fail "no $file"
done
generate
[[ $made == 0 ]] || fail "made $made again, and nothing had changed"
sleep 1.1 # Some tools compare whole seconds.
printf 'message Added {}\n' >>"$source/protos/sub dir/b.proto"
generate
[[ $made == 2 ]] || fail "made $made when an import of 2 had changed"
grep -q 'class Added' "$out/app/sub dir/b.pb.h" || fail "the change is not in the output"
generate
[[ $made == 0 ]] || fail "made $made again after the change"

touch "$PLUGIN"
generate
[[ $made == 3 ]] || fail "made $made of 3 when the plugin had changed"

refused missing 'there is no target "absent". Call add_executable or add_library before'
refused interface 'takes no source files'
refused none 'PROTOS is missing'
refused typo 'unknown arguments: PROTO;a.proto'
refused absent_proto 'absent.proto does not exist'
: >"$work/outside.proto"
refused outside 'is in none of the import directories'
