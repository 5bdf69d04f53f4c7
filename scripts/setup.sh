#!/bin/sh
# Make the virtual environment with everything the project and its tests need. Usage: setup.sh PYTHON VENV
set -eu
python=$1 venv=$2
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "crossfade needs Python 3.11 or newer; '$python' is $("$python" --version). Use: make PYTHON=python3.11 ..." >&2
    exit 2
fi
. "$(dirname "$0")/env.sh"
make_environment "$python" "$venv"
install_into "$venv" --editable . --group dev
