#!/usr/bin/env bash
# Generates from golden/*.proto, and compares byte for byte with what is kept beside them.
#
# After a change that is meant, from the build directory:
#   SIDECALL_UPDATE_GOLDEN=1 ctest -R codegen_golden
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"$PROTOC" "--plugin=protoc-gen-sidecall=$PLUGIN" "-I$here" "-I$here/../../proto" "--sidecall_out=$work" "$here"/golden/*.proto
if [[ -n "${SIDECALL_UPDATE_GOLDEN:-}" ]]; then
  cp "$work"/golden/*.sidecall.* "$here/golden/"
  echo "Updated $here/golden. Read the difference before you commit it."
fi
for kept in "$here"/golden/*.sidecall.*; do
  [[ -e "$work/golden/$(basename "$kept")" ]] || { echo "$kept is no longer generated."; exit 1; }
done
for generated in "$work"/golden/*; do
  diff -u "$here/golden/$(basename "$generated")" "$generated"
done
