#!/usr/bin/env bash
# Include directions and file sizes of the source tree at $1 (default: this one). Exit status 1 where one is broken.
set -u -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:-$here/../..}" || exit 2
failed=0

sources() {
  find . -path ./build -prune -o -type f \( -name '*.h' -o -name '*.cc' \) -printf '%P\n' |
    grep -E '^(runtime|transports|codegen|examples|tests|benchmarks)/' | sort
}

check_includes() {
  local transports
  transports=$(find transports -mindepth 1 -maxdepth 1 -type d -printf '%f ')
  sources | xargs -r awk -v transports="$transports" -f "$here/layering.awk" || failed=1
}

# at_most LIMIT FILE...: complains of each file with more lines.
at_most() {
  local limit=$1 file lines
  shift
  for file in "$@"; do
    [ -f "$file" ] || continue
    lines=$(wc -l <"$file")
    [ "$lines" -le "$limit" ] && continue
    echo "$file:$lines: $lines lines, at most $limit are allowed: it holds two ideas"
    failed=1
  done
}

check_sizes() {
  local files lines median
  mapfile -t files < <(sources | grep -v '\.sidecall\.')
  at_most 600 "${files[@]}"
  mapfile -t files < <(find transports -type f \( -name '*.h' -o -name '*.cc' \))
  at_most 500 "${files[@]}"
  mapfile -t files < <(find transports -mindepth 2 -maxdepth 2 -name README.md)
  at_most 30 "${files[@]}"
  at_most 200 runtime/transport/transport.h

  mapfile -t lines < <(sources | xargs -r -n1 wc -l | awk '{ print $1 }' | sort -n)
  median=${lines[$((${#lines[@]} / 2))]:-0}
  if [ "$median" -gt 200 ]; then
    echo "the median source file has $median lines, at most 200 are allowed"
    failed=1
  fi
}

[ -n "$(sources)" ] || { echo "no sources in $PWD"; exit 2; }
check_includes
check_sizes
exit "$failed"
