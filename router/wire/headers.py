"""Proxy header rules: what goes on to an origin, what comes back to a client (RFC 9110 §7.6.1)."""

from collections.abc import Collection, Iterable
from contextvars import ContextVar

# Meant for one connection only. Expect is answered by our own server; Host is the origin's.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_REQUEST_ONLY = HOP_BY_HOP | {b"host", b"expect"}
LOOP_GUARD = b"x-crossfade-via"

# Id of the client's call that is being worked on; travels to origins, so that outside counts can be checked.
call_id: ContextVar[str] = ContextVar("call_id", default="")


def to_origin(
    headers: Iterable[tuple[bytes, bytes]], *, drop: Collection[bytes] = (), chunked: bool = False
) -> list[tuple[bytes, bytes]]:
    """Request headers for an origin, in order, duplicates kept. `chunked`: no length (RFC 9112 §6.3)."""
    named = _named_by_connection(headers)
    return [
        (name, value)
        for name, value in headers
        if (low := name.lower()) not in _REQUEST_ONLY
        and low not in named
        and low not in drop
        and not (chunked and low == b"content-length")
    ]


def to_client(headers: Iterable[tuple[bytes, bytes]], *, drop: Collection[bytes] = ()) -> list[tuple[bytes, bytes]]:
    """Answer headers for a client, in order, duplicates kept."""
    named = _named_by_connection(headers)
    return [
        (name, value)
        for name, value in headers
        if (low := name.lower()) not in HOP_BY_HOP and low not in named and low not in drop
    ]


def _named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    return frozenset(
        part.strip().lower() for name, value in headers if name.lower() == b"connection" for part in value.split(b",")
    )
