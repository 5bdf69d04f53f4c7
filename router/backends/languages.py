"""What runs code, by language."""

from collections.abc import Mapping, Sequence
from typing import Final

# As Daytona's own: types are not checked, whatever the sandbox's compiler would take for a module's kind, and npm's
# notices are no output.
_TYPESCRIPT = (
    *("env", "npm_config_loglevel=error", "npx", "ts-node", "-T", "--ignore-diagnostics", "5107"),
    *("-O", '{"module":"CommonJS"}'),
)
# Code from a pipe has "-" before its arguments, code from a file that file's name; code in an argument has neither.
# Taken off on the first line, so that lines keep their numbers in errors.
_PIPED_TO_NODE = """\
exec 3<&0; exec node - "$@" < <(printf 'process.argv.splice(1, 1); '; cat <&3) 3<&-"""
# ts-node takes no script from a pipe, and tells a script by its name.
_TYPESCRIPT_FILE = """\
f=$(mktemp --suffix=.ts) && { printf 'process.argv.splice(1, 1); '; cat; } >"$f" || exit
n=$1; shift
"${@:1:n}" "$f" "${@:n+1}" </dev/null
c=$?; rm -f "$f"; exit $c"""

# By language: the words before code that is an argument, and those before the arguments of code on standard input.
LANGUAGES: Final[Mapping[str, tuple[Sequence[str], Sequence[str]]]] = {
    "python": (("python3", "-u", "-c"), ("python3", "-u", "-")),
    "javascript": (("node", "-e"), ("bash", "-c", _PIPED_TO_NODE, "bash")),
    "typescript": (
        (*_TYPESCRIPT, "-e"),
        ("bash", "-c", _TYPESCRIPT_FILE, "bash", str(len(_TYPESCRIPT)), *_TYPESCRIPT),
    ),
}
