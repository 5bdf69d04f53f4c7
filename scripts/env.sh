# Sourced by the other scripts: virtual environments, made by uv where pip can bring it and by plain pip otherwise.

make_environment() { # PYTHON VENV
    [ -x "$2/bin/python" ] && return 0
    if ! "$1" -m venv "$2" 2>/dev/null; then
        rm -rf "$2"
        # Debian splits venv off; root on a fresh machine may fetch it.
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
        fi
        "$1" -m venv "$2" || { echo "cannot make a virtual environment; install python3-venv" >&2; exit 2; }
    fi
}

install_into() { # VENV ARGUMENTS...
    venv=$1
    shift
    if [ -x .venv/bin/uv ] || { .venv/bin/python -m pip install --quiet --disable-pip-version-check uv 2>/dev/null; }; then
        # uv does not read pip's configuration: hand it the index that pip was told to use.
        index=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)
        if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then
            UV_DEFAULT_INDEX=$index
            export UV_DEFAULT_INDEX
        fi
        if .venv/bin/uv pip install --quiet --python "$venv/bin/python" "$@"; then return 0; fi
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}
