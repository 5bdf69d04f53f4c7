"""Fields of requests: query and JSON body, read and checked. All raise BadRequest that names the field and the fix."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from router.front.daytona.errors import BadRequest
from router.wire.surrogates import replaced

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_TERMINAL = 1000
_LONGEST_SECONDS = 2**32 - 1  # as Daytona reads it

Query = Mapping[str, str]
Fields = Mapping[str, Any]
Arguments = dict[str, Any]
Decoder = Callable[[Query, bytes, Query], Arguments]  # query, body, captures


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_JSON = json.JSONDecoder(parse_constant=_no_number)  # NaN and Infinity, which Python would take


def nothing(_query: Query, _body: bytes, _captures: Query) -> Arguments:
    """An operation without arguments."""
    return {}


def query_of(query: bytes) -> dict[str, str]:
    """Parameters by name; the last of duplicates."""
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="utf-8", errors="surrogateescape"))


def parsed(body: bytes, where: str) -> Any:
    """A JSON value. Half a surrogate pair becomes U+FFFD, as in Daytona: it could be neither sent on nor told."""
    try:
        text = body.decode()
        return replaced(_JSON.decode(text), text)
    except json.JSONDecodeError as error:
        message = f"{where} is not JSON: {error.msg} at line {error.lineno} column {error.colno} (byte {error.pos})"
        raise BadRequest(f"{message}; send a JSON object") from None
    except (UnicodeDecodeError, RecursionError):
        raise BadRequest(f"{where} is not JSON in UTF-8; send a JSON object") from None
    except ValueError as error:
        raise BadRequest(f"{where} holds a number that cannot be meant: {error}") from None


def object_of(body: bytes, *, empty: Fields | None = None) -> Fields:
    """A JSON object; `empty` stands for a body that is none."""
    if not body.strip() and empty is not None:
        return empty
    value = parsed(body, "body")
    if not isinstance(value, dict):
        raise BadRequest(f"body is a JSON {type(value).__name__}, not an object; send {{...}}")
    return value


def given(query: Query, name: str) -> str:
    """A parameter that must be there."""
    value = query.get(name, "")
    if not value:
        raise BadRequest(f"{name} is required; add ?{name}=... to the request")
    if "\0" in value:
        raise BadRequest(f"{name} holds a NUL character; leave it out")
    return value


def text_of(fields: Fields, name: str, *, empty: bool = False) -> str:
    """A text that must be there; `empty`: it may be empty."""
    value = fields.get(name)
    if not isinstance(value, str) or not (value or empty):
        raise BadRequest(f"{name} is required and must be a string")
    return value


def texts_of(fields: Fields, name: str) -> dict[str, str]:
    """An object of texts."""
    value = fields.get(name) or {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object of strings")
    return {str(key): str(text) for key, text in value.items()}


def env_of(fields: Fields) -> dict[str, str]:
    """The environment of a command."""
    env = texts_of(fields, "envs")
    for name in env:
        if not _ENV_NAME.fullmatch(name):
            raise BadRequest(f"invalid environment variable name {name!r}; use letters, digits and _")
    return env


def cwd_of(fields: Fields) -> str | None:
    """The directory to run in; None for the sandbox's own."""
    value = fields.get("cwd") or None
    if value is not None and (not isinstance(value, str) or "\0" in value):
        raise BadRequest("cwd must be a string without NUL characters")
    return value


def timeout_of(fields: Fields) -> int | None:
    """Seconds; None for no limit."""
    value = fields.get("timeout")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LONGEST_SECONDS:
        raise BadRequest("timeout must be a whole number of seconds, 0 for none")
    return value or None


def terminal_side(value: object, name: str, default: int) -> int:
    """Columns or rows."""
    if value is None or value == "":
        value = default
    size = whole(str(value), name, least=0) or default
    if not 0 < size <= _MAX_TERMINAL:
        raise BadRequest(f"{name} must be from 1 to {_MAX_TERMINAL}")
    return size


def whole(text: str, name: str, *, least: int) -> int:
    """A whole number."""
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise BadRequest(f"{name} must be a whole number, at least {least}")
    return value
