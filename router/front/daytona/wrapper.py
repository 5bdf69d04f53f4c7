"""The SDK's exec wrapper: `sh -c "..."` around base64, undone (SDKs before 0.167 have no other way to send it)."""

import base64
import binascii
import re

_BASE64 = r"[A-Za-z0-9+/]*={0,2}"
_EXPORT = rf"export [^=;]+=\$\(echo '{_BASE64}' \| base64 -d\);"
_WRAPPER = re.compile(rf"sh -c \"(?P<exports>(?:{_EXPORT})*) ?echo '(?P<command>{_BASE64})' \| base64 -d \| sh\"")
_ONE_EXPORT = re.compile(rf"export (?P<name>[^=;]+)=\$\(echo '(?P<value>{_BASE64})' \| base64 -d\);")


def unwrap(command: str) -> tuple[str, dict[str, str]] | None:
    """The user's own command and environment, or None when it is not wrapped.

    The command then has to be run by sh, since that is what the wrapper asks for.
    """
    found = _WRAPPER.fullmatch(command)
    if not found:
        return None
    try:
        # A shell's $(...) drops line ends at the end, so they never were part of a value.
        env = {
            export["name"]: _decoded(export["value"]).rstrip("\n") for export in _ONE_EXPORT.finditer(found["exports"])
        }
        return _decoded(found["command"]), env
    except (binascii.Error, UnicodeDecodeError):
        return None


def _decoded(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()
