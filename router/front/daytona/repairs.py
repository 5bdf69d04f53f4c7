"""Repairs of relayed calls: where an old SDK and the daemon it meets no longer understand each other. Pure."""

import json

from router.backends.daytona.encode import in_plain_sh
from router.front.daytona.dialect import Dialect
from router.front.daytona.errors import error_body, status_text
from router.front.daytona.wrapper import unwrap


def exec_environment(body: bytes) -> bytes:
    """A command whose variables arrive whole: not in the SDK's wrapper, which daemons since 0.156 expand too early.

    Every other body is as it was, byte for byte.
    """
    try:
        fields = json.loads(body)
    except ValueError:
        return body
    command = fields.get("command") if isinstance(fields, dict) else None
    unwrapped = unwrap(command) if isinstance(command, str) else None
    if unwrapped is None or not unwrapped[1]:
        return body
    return json.dumps(fields | {"command": in_plain_sh(*unwrapped)}).encode()


def error_text(status: int, dialect: Dialect, *, path: str, method: str) -> bytes:
    """The body of an error that came with none, for the SDKs that can tell errors by their text only; else empty."""
    if dialect.version is None or dialect.typed_errors:
        return b""
    return error_body("toolbox", status, f"{status} {status_text(status)}", path=path, method=method)
