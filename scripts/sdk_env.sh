#!/bin/sh
# Make an isolated environment for one genuine SDK. Usage: sdk_env.sh NAME REQUIREMENT...
# Tests and the demo drive each SDK version from an environment of its own: their dependencies exclude each other.
set -eu
name=$1
shift
cd "$(dirname "$0")/.."
. scripts/env.sh
mark=".envs/$name/.ready"
want="$*"
[ -f "$mark" ] && [ "$(cat "$mark")" = "$want" ] && exit 0
mkdir -p .envs
# Test processes ask for the same environment at once: one makes it, the others wait and find it made.
if command -v flock >/dev/null; then
    exec 9>".envs/$name.lock"
    flock 9
    [ -f "$mark" ] && [ "$(cat "$mark")" = "$want" ] && exit 0
fi
make_environment .venv/bin/python ".envs/$name"
install_into ".envs/$name" "$@"
echo "$want" >"$mark"
