"""Connect with JSON, apart from I/O: frames of streams and the codes of errors (connectrpc.com, protocol reference).

A frame is one flag byte, a 4-byte big-endian length, and that much JSON. Flag 0x02 marks the last frame, which holds
nothing or an error. Nothing is compressed.
"""

import json
from collections.abc import Mapping
from typing import Any

from router.wire.surrogates import replaced

END = 0x02
_COMPRESSED = 0x01
_HEAD = 5
FRAME_LIMIT = 64 * 1024 * 1024

# Codes and the HTTP statuses of unary calls; streams are always 200.
STATUSES: Mapping[str, int] = {
    "canceled": 499,
    "unknown": 500,
    "invalid_argument": 400,
    "deadline_exceeded": 504,
    "not_found": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "failed_precondition": 400,
    "aborted": 409,
    "out_of_range": 400,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "data_loss": 500,
    "unauthenticated": 401,
}


class ConnectError(Exception):
    """A call refused with one of Connect's codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


def encode_frame(message: Mapping[str, Any], *, end: bool = False) -> bytes:
    """One frame of a stream."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return bytes((END if end else 0,)) + len(body).to_bytes(4, "big") + body


class FrameDecoder:
    """Frames out of bytes that may be split anywhere."""

    def __init__(self, *, limit: int = FRAME_LIMIT) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, dict[str, Any]]]:
        """The frames that are complete now, each with its flags. Raises ValueError when it is no such stream."""
        self._rest += data
        frames: list[tuple[int, dict[str, Any]]] = []
        start = 0
        while len(self._rest) - start >= _HEAD:
            flags = self._rest[start]
            length = int.from_bytes(self._rest[start + 1 : start + _HEAD], "big")
            if flags & _COMPRESSED:
                raise ValueError("frame is compressed, which was not offered")
            if length > self._limit:
                raise ValueError(f"frame of {length} bytes is over the limit of {self._limit}")
            if len(self._rest) - start < _HEAD + length:
                break
            frames.append((flags, _object(bytes(self._rest[start + _HEAD : start + _HEAD + length]))))
            start += _HEAD + length
        del self._rest[:start]
        return frames

    @property
    def partial(self) -> bool:
        """Whether a frame has begun and not ended: the stream was cut."""
        return bool(self._rest)


def stream_error(message: Mapping[str, Any]) -> ConnectError | None:
    """The error that a last frame carries, if any."""
    error = message.get("error")
    if not isinstance(error, Mapping):
        return None
    return ConnectError(str(error.get("code") or "unknown"), str(error.get("message") or ""))


def unary_error(status: int, body: bytes) -> ConnectError | None:
    """The error of a unary answer; None when it is not Connect's: envd's REST and the edge use whole-number codes."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    code = value.get("code") if isinstance(value, dict) else None
    if not isinstance(code, str):
        return None
    return ConnectError(code, str(value.get("message") or f"HTTP {status}"))


def _object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    text = body.decode()
    value = replaced(json.loads(text), text)
    if not isinstance(value, dict):
        raise ValueError("frame is no JSON object")
    return value
