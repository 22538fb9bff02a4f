#!/usr/bin/env bash
# Include directions and file sizes of the source tree at $1 (default: this one). Exit status 1 where one is broken.
set -u -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:-$here/../..}" || exit 2
failed=0

sources=$(find . -path ./build -prune -o -type f \( -name '*.h' -o -name '*.cc' \) -printf '%P\n' |
  grep -E '^(runtime|transports|codegen|tools|examples|tests|benchmarks)/' | sort)

check_includes() {
  local transports
  transports=$(find transports -mindepth 1 -maxdepth 1 -type d -printf '%f ')
  xargs -r -d '\n' awk -v transports="$transports" -f "$here/layering.awk" <<<"$sources" || failed=1
}

# "LINES FILE" of each file that is named on standard input.
count_lines() { xargs -r -d '\n' wc -l | awk '$2 != "total"'; }

# at_most LIMIT: complains of each file on standard input with more lines.
at_most() {
  count_lines | awk -v limit="$1" '
    $1 > limit { print $2 ":" $1 ": " $1 " lines, at most " limit " are allowed: it holds two ideas"; status = 1 }
    END { exit status }' || failed=1
}

check_sizes() {
  local median
  at_most 600 < <(grep -v '\.sidecall\.' <<<"$sources")
  at_most 500 < <(grep '^transports/' <<<"$sources")
  at_most 30 < <(find transports -mindepth 2 -maxdepth 2 -name README.md)
  at_most 200 < <(find runtime/transport -name transport.h)

  median=$(count_lines <<<"$sources" | sort -n | awk '{ lines[NR] = $1 } END { print lines[int(NR / 2) + 1] + 0 }')
  if [ "$median" -gt 200 ]; then
    echo "the median source file has $median lines, at most 200 are allowed"
    failed=1
  fi
}

[ -n "$sources" ] || { echo "no sources in $PWD"; exit 2; }
check_includes
check_sizes
exit "$failed"
