#!/usr/bin/env bash
# Checks a Spin model, as it is and with each of the bugs that its head comment names: check_model.sh MODEL COMPILER
set -u -o pipefail

model=${1:?} compiler=${2:?}
if ! command -v spin >/dev/null; then
  echo "skipped: there is no spin. Install it with: apt-get install spin"
  exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 2

# check DEFINE: prints the figures, and sets `errors`.
check() {
  rm -f pan*
  spin "-D$1" -a "$model" >spin.log 2>&1 || { cat spin.log && exit 1; }
  "$compiler" -x c -w -O1 -DSAFETY -DMEMLIM=4096 -o pan pan.c || exit 1
  timeout 200 ./pan -m1000000 >pan.log || { cat pan.log && exit 1; }
  errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
  printf '%-20s %s error(s), %s states%s\n' "$1" "$errors" "$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)" \
    "$(sed -n 's/^pan:1: \(.*\) (at depth.*/: \1/p' pan.log)"
  # Not all was searched: then no error says nothing.
  ! grep -qE 'max search depth too small|out of memory' pan.log || { cat pan.log && exit 1; }
}

failed=0
check NO_PLANTED_BUG
[ "$errors" = 0 ] || { failed=1 && cat pan.log; }
planted=$(sed -n 's/^ \*  \([A-Z_]*\)  .*/\1/p' "$model")
[ -n "$planted" ] || { echo "$model plants no bug" && exit 1; }
for bug in $planted; do
  check "$bug"
  [ "$errors" != 0 ] || { failed=1 && echo "FAILED: the model does not notice $bug"; }
done
exit "$failed"
