"""A mirrored read that one request carries out: asked by callbacks, without a task that waits for it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from crossfade.operation import Operation
from crossfade.outcome import Fate, Outcome, refused, unknown
from crossfade.stage import Origin
from crossfade.upstream import Purpose, UpstreamRequest
from router.compare.capture import TOO_LARGE, digest_of
from router.telemetry.requests import LOST, UNREACHABLE, Timed
from router.twins.sides import Sides
from router.twins.state import Twin
from router.wire.http1 import Framing, Handle, Limits, Lost, Pools

Decode = Callable[[int, bytes], Outcome | None]
# How it went: the outcome, and where it was cut short, why; none: `perform` has to be asked.
Done = Callable[[Outcome | None, str], None]


class Asked(Protocol):
    """One request, as a backend makes it: the head without its last line, for a call's id to be added."""

    @property
    def base(self) -> str:
        """scheme://host[:port]"""

    @property
    def head(self) -> bytes: ...

    @property
    def body(self) -> bytes | None: ...

    @property
    def decode(self) -> Decode: ...


Single = Callable[[Operation, Purpose], Asked | None]


@dataclass(slots=True, eq=False)
class Direct:
    """Sends single requests to followers."""

    pools: Pools
    singles: Mapping[Origin, Single]
    sides: Sides
    count: Callable[[Origin, Purpose], None]
    timed: Timed
    seconds: float
    limit_bytes: int
    _limits: Limits = field(init=False)
    _sent: dict[Origin, Callable[[], None]] = field(init=False)
    _asked: dict[tuple[Origin, bytes], UpstreamRequest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._limits = Limits(total=self.seconds)
        self._sent = {origin: partial(self.count, origin, Purpose.MIRROR) for origin in self.singles}

    def ask(
        self, twin: Twin, there: Origin, operation: Operation, call_id: str, done: Done, *, limit: int
    ) -> "Shadow | None":
        """Ask it there; `done` is called once, later. None: it takes more than one request, nothing was sent.

        `limit`: bytes of an answer that are read; a larger one is let go.
        """
        single, id = self.singles.get(there), twin.row.ids.get(there)
        if single is None or not id:
            return None
        asked = single(Operation(name=operation.name, sandbox=id, arguments=operation.arguments), Purpose.MIRROR)
        if asked is None:
            return None
        self.sides.breakers[there].trying()
        shadow = Shadow(self, there, asked.decode, done, min(limit, self.limit_bytes))
        head = b"%bX-Crossfade-Call: %b\r\n\r\n" % (asked.head, call_id.encode())
        shadow.method = head[: head.index(b" ")]
        pool = self.pools.get(asked.base)
        shadow.handle = pool.start(shadow, head, asked.body, limits=self._limits, sent=self._sent[there])
        return shadow

    def note(self, origin: Origin, method: bytes, status: int, seconds: float, error: str) -> None:
        """Count one request, answered or not."""
        asked = self._asked.get((origin, method))
        if asked is None:
            asked = UpstreamRequest(
                origin=origin, purpose=Purpose.MIRROR, method=method.decode("latin-1"), base="", target=""
            )
            self._asked[origin, method] = asked
        self.timed(asked, status, seconds, error)


class Shadow:
    """One such request under way."""

    status = 0
    size = 0
    first: float = 0.0
    handle: Handle | None = None
    method = b""

    def __init__(self, direct: Direct, origin: Origin, decode: Decode, done: Done, limit: int) -> None:
        self.direct, self.origin, self.decode, self.done, self.limit = direct, origin, decode, done, limit
        self.parts: list[bytes] = []
        self.started = time.perf_counter()

    def on_head(self, status: int, reason: bytes, headers: list[tuple[bytes, bytes]], framing: Framing, /) -> None:
        """The answer's head."""
        self.status = status
        self.first = time.perf_counter() - self.started
        self.direct.note(self.origin, self.method, status, self.first, "")

    def on_body(self, data: bytes, /) -> None:
        """A piece of the answer. One that would cost more than it can tell is let go."""
        self.size += len(data)
        if self.size <= self.limit:
            self.parts.append(data)
        elif self.handle is not None:
            self.parts.clear()
            self.handle.abort()
            # One such answer is a difference; an origin that gives nothing else costs more than it can tell.
            self.direct.sides.breakers[self.origin].failed()
            self.done(
                Outcome(
                    fate=Fate.OK,
                    status=self.status,
                    origin=self.origin,
                    seconds=time.perf_counter() - self.started,
                ),
                TOO_LARGE,
            )

    def on_end(self) -> None:
        """The answer is whole."""
        parts = self.parts
        outcome = self.decode(self.status, parts[0] if len(parts) == 1 else b"".join(parts))
        if outcome is None:
            self.done(None, "")
            return
        self._over(outcome)

    def on_lost(self, lost: Lost, /) -> None:
        """No whole answer."""
        if not self.status:
            self.direct.note(
                self.origin, self.method, 0, time.perf_counter() - self.started, LOST if lost.sent else UNREACHABLE
            )
        said = f"{self.origin} failed: {lost}"
        self._over(unknown(said) if lost.sent else refused(502, "BAD_GATEWAY", said))

    def let_go(self) -> None:
        """Nobody wants to know any more; nothing is called."""
        if self.handle is not None:
            self.handle.abort()

    def on_paused(self) -> None:
        """Nothing more is written."""

    def on_resumed(self) -> None:
        """Nothing waits to be written."""

    def _over(self, outcome: Outcome) -> None:
        self.direct.sides.breakers[self.origin].note(outcome)
        value = outcome.value
        told = Outcome(
            fate=outcome.fate,
            status=outcome.status,
            value=digest_of(value) if isinstance(value, bytes) else value,
            code=outcome.code,
            message=outcome.message,
            origin=self.origin,
            seconds=time.perf_counter() - self.started,
        )
        self.done(told, "")
