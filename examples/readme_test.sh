#!/usr/bin/env bash
# What the README shows must be so: readme_test.sh demo PROGRAM | readme_test.sh project | readme_test.sh links
#   demo      the table that it shows is the one that the demo prints, but for figures and scratch names
#   project   its .proto, CMakeLists.txt and greeter.cc, pasted into an empty folder, build and run
#   links     what it, and the documents beside it, link to is there
set -u -o pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# block FENCE: the lines of the README's first code block of that kind.
block() {
  awk -v fence="\`\`\`$1" '$0 == fence && !seen { inside = seen = 1; next } /^```/ { inside = 0 } inside' "$root/README.md"
}

without_figures() { sed -E 's/demo-\w{6}/demo-XXXXXX/; s/([0-9.]+ us|FIGURE_TBD)$/FIGURE/; s/ +/ /g'; }

demo() {
  awk '/^address +reply +median$/ { inside = 1 } /^```/ { inside = 0 } inside' "$root/README.md" |
    without_figures >"$scratch/expected"
  [ -s "$scratch/expected" ] || fail "the README shows no table"
  "$1" --calls=100 | without_figures >"$scratch/printed" || fail "$1 ended with $?"
  diff "$scratch/expected" "$scratch/printed" || fail "the README shows (<) what the demo does not print (>)"
}

project() {
  cd "$scratch" || exit 1
  block proto >hello.proto
  block cmake >CMakeLists.txt
  block cpp >greeter.cc
  # The README's fixed path would clash with another run of this test.
  sed -i "s|shm:/tmp/greeter|shm:$scratch/greeter|" greeter.cc
  ln -s "$root" sidecall
  # Unoptimised: this is about what builds, and it builds all of Sidecall once more.
  { cmake -G Ninja -B build -DCMAKE_CXX_FLAGS='-O0 -Wall -Wextra -Wpedantic -Werror' -DCMAKE_BUILD_TYPE=None &&
    ninja -C build greeter; } >log 2>&1 || { tail -n 40 log && fail "the README's project does not build"; }
  printed=$(timeout 60 build/greeter) || fail "greeter ended with $?"
  [[ $printed == "Hello, Ada! You are uid $(id -u), "* ]] || fail "greeter printed: $printed"
}

links() {
  local document target missing=0
  cd "$root" || exit 1
  for document in *.md; do
    while read -r target; do
      [ -e "$target" ] && continue
      echo "$document links to $target, which is not there"
      missing=1
    done < <(grep -oE '\]\([^)#]+' "$document" | sed 's/^](//' | grep -v '^https:')
  done
  [ "$missing" -eq 0 ] || fail "see above"
}

"$@"
