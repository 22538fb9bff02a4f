#!/usr/bin/env bash
# What the README shows is what the programs print, but for pids, folders, how a connection was found to have ended, and the order
# of what two processes say.
set -u -o pipefail
readme=${1:?} programs=${2:?}

shown() { awk '/^```/ { inside = !inside; next } inside && !/^\$ /' "$readme"; }
printed() {
  "$programs/words_plugin" 2>&1
  "$programs/plugin_host" 2>&1
}
alike() { sed -E 's/\[[0-9]+\]/[PID]/; s/UNAVAILABLE: .*/UNAVAILABLE/; s/pid [0-9]+/pid PID/; s|[^ ]*/words_plugin|words_plugin|' | sort; }

diff <(shown | alike) <(printed | alike) && exit
echo "FAILED: $readme shows (<) what is not printed (>)" >&2
exit 1
