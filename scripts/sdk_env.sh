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
make_environment .venv/bin/python ".envs/$name"
install_into ".envs/$name" "$@"
echo "$want" >"$mark"
