#!/usr/bin/env bash
# check_behaviours.sh must pass a tree whose document and tests agree, and must find each way in which they may not.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

plant() {  # FILE TEXT
  mkdir -p "$tree/$(dirname "$1")"
  printf '%s\n' "$2" >"$tree/$1"
}

# The rows of the document's table.
document() { plant docs/conformance.md $'# Text with `Words.Like` these\n\n| behaviour | tests |\n| --- | --- |\n'"$1"; }

agreeing_tree() {
  rm -rf "${tree:?}"/*
  plant tests/a/call_test.cc $'TEST_P(CallTest, One) {\nTEST(OtherTest,\n     Two) {\n  TEST_F(FixtureTest, Three) {'
  plant tests/b/interop_test.cc 'TEST_P(InteropTest, empty_unary) {'
  document $'| one, two | `CallTest.One`, `OtherTest.Two` |\n| three | `FixtureTest.Three` |\n| empty | `InteropTest.empty_unary` |'
}

# TEXT: the tree as it is now must be refused with a line that holds TEXT; without one it must pass.
expect() {
  local output status
  output=$("$here/check_behaviours.sh" "$tree")
  status=$?
  if [ -z "${1:-}" ]; then
    [ "$status" -eq 0 ] && return
  elif [ "$status" -eq 1 ] && grep -qF -- "$1" <<<"$output"; then
    return
  fi
  printf 'FAILED: expected "%s", got status %s and "%s"\n' "${1:-}" "$status" "$output"
  failed=1
}

agreeing_tree
expect ''
document $'| empty | `InteropTest.empty_unary` |\n| one | `CallTest.One`, `CallTest.Missing` |'
expect 'there is no test CallTest.Missing'
document $'| empty | `InteropTest.empty_unary` |\n| one | `OtherTest.One` |'
expect 'there is no test OtherTest.One'
document $'| empty | `InteropTest.empty_unary` |\n| nobody tests this | |'
expect 'no test holds this: | nobody tests this'
# shellcheck disable=SC2016  # the quotes of Markdown
document '| one | `CallTest.One` |'
expect 'InteropTest.empty_unary is missing'
document ''
expect 'it names no behaviour'
agreeing_tree
rm "$tree/tests/a/call_test.cc"
expect 'there is no test FixtureTest.Three'

[ "$failed" -eq 0 ] && echo 'every disagreement was found'
exit "$failed"
