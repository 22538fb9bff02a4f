#!/usr/bin/env bash
# Every test that docs/conformance.md of the source tree at $1 (default: this one) names exists, and every behaviour there names
# one. Exit status 1 where that is not so.
set -u -o pipefail

cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}" || exit 2
document=docs/conformance.md
failed=0

complain() {
  echo "$document: $1"
  failed=1
}

# The rows of all tables, without their heads.
rows() { grep '^|' "$document" | grep -vE '^\| (---|case |behaviour )'; }

# "Suite.Test" of each test in the sources; a declaration may go over two lines.
existing() {
  find tests -name '*_test.cc' -exec cat {} + | tr '\n' ' ' |
    grep -oE '\bTEST(_P|_F)?\( *[A-Za-z0-9_]+, *[A-Za-z0-9_]+ *\)' | sed -E 's/.*\( *([A-Za-z0-9_]+), *([A-Za-z0-9_]+) *\)/\1.\2/'
}

# shellcheck disable=SC2016  # the quotes of Markdown
named() { grep -oE '`[A-Za-z0-9_]+\.[A-Za-z0-9_]+`' | tr -d '`'; }

[ -f "$document" ] || { echo "no $document in $PWD"; exit 2; }
tests=$(existing | sort -u)
while read -r row; do
  names=$(named <<<"${row%|*}" || true)
  [ -n "$names" ] || complain "no test holds this: $row"
  while read -r name; do
    [ -z "$name" ] || grep -qxF -- "$name" <<<"$tests" || complain "there is no test $name"
  done <<<"$names"
done < <(rows)
[ -n "$(rows)" ] || complain "it names no behaviour"

# The other way round for the interop cases: all of them are there.
while read -r name; do
  grep -qF -- "\`$name\`" "$document" || complain "$name is missing"
done < <(grep '^InteropTest\.' <<<"$tests")
exit "$failed"
