#!/usr/bin/env bash
# Every public header must compile alone, without a warning: check_headers.sh COMPILER [ROOT].
set -u

compiler=${1:?"usage: check_headers.sh COMPILER [ROOT]"}
cd "${2:-$(dirname "${BASH_SOURCE[0]}")/../..}/runtime/include" || exit 2

export compiler
# Through standard input, so that the header is included as a user includes it.
# shellcheck disable=SC2016  # expanded by the inner shell
find sidecall -name '*.h' | sort | xargs -P "$(nproc)" -I{} bash -c '
  echo "#include \"{}\"" |
    "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Werror -I. -x c++ - ||
    { echo "{} does not compile alone with $compiler" >&2; exit 1; }'
