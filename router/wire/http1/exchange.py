"""What the two ends of an upstream call say to each other: who asks (Exchange), how long (Limits), what went wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

Pairs = list[tuple[bytes, bytes]]
# An interim answer (1xx): status, reason, headers.
Interim = Callable[[int, bytes, Pairs], None]


class Framing(Enum):
    """How the end of an answer's body is known."""

    NONE = "none"  # no body: HEAD, 204, 304
    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_EOF = "until_eof"
    TUNNEL = "tunnel"  # 101: raw bytes both ways from here on


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long one call may take, phase by phase, in seconds. None: as long as it takes."""

    connect: float | None = None  # until it has a connection; None: the pool's own limit
    first_byte: float | None = None  # from the request's last byte to the answer's first
    idle: float | None = None  # the longest silence of the origin
    total: float | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """A call without a whole answer, and why. The text names no path, query or header."""

    text: str
    sent: bool  # False: no byte of the request left
    processed: bool  # False: nothing of it can have taken effect; it may be asked again

    def __str__(self) -> str:
        return self.text


class Exchange(Protocol):
    """Who asks. Called on the loop, never from within `Pool.start`.

    One `on_head`, then any number of `on_body`, then `on_end`; or `on_lost`, once, at any point before `on_end`.
    After `Handle.abort` nothing more is called. An answer may be whole before the request is: then `on_paused` and
    `on_resumed` may still follow `on_end`, until `Handle.end` or `Handle.abort`.
    """

    def on_head(self, status: int, reason: bytes, headers: Pairs, framing: Framing, /) -> None:
        """The answer's status line and headers, as the origin spelled them, in order."""

    def on_body(self, data: bytes, /) -> None:
        """A piece of the answer, without its framing; after a 101, raw bytes."""

    def on_end(self) -> None:
        """The answer is whole; its connection may carry the next call already."""

    def on_lost(self, lost: Lost, /) -> None:
        """No answer, or only the part that was told."""

    def on_paused(self) -> None:
        """The origin takes no more of the request for now: stop calling `Handle.write`."""

    def on_resumed(self) -> None:
        """The origin takes more again."""


class _Nobody:
    """Who asked has heard the end."""

    def on_head(self, status: int, reason: bytes, headers: Pairs, framing: Framing, /) -> None:
        pass

    def on_body(self, data: bytes, /) -> None:
        pass

    def on_end(self) -> None:
        pass

    def on_lost(self, lost: Lost, /) -> None:
        pass

    def on_paused(self) -> None:
        pass

    def on_resumed(self) -> None:
        pass


NOBODY: Exchange = _Nobody()
