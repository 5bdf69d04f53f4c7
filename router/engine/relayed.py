"""What every relayed call has: its request to old, and how its end is told."""

import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from router.engine.call import new_id
from router.front.daytona.errors import error_body
from router.front.daytona.routes import Route
from router.telemetry.requests import LOST, UNREACHABLE
from router.wire.http1 import Lost, Pool
from router.wire.inbound.exchange import Exchange
from router.wire.inbound.protocol import RelayProtocol

if TYPE_CHECKING:
    from router.engine.fast import Fast

log = logging.getLogger("crossfade.engine")
T = TypeVar("T")
Answered = tuple[int, bytes, bytes]
_LINES = b"Content-Type: application/json; charset=utf-8\r\nX-Crossfade-Origin: router\r\n"


@dataclass(frozen=True, slots=True)
class Target:
    """An address of old: whom to connect to, and what of our path is replaced by what."""

    pool: Pool
    base: str
    prefix: bytes
    authority: bytes
    cut: int


class Relayed(Exchange):
    """One call of a client, relayed to old. Subclasses decide and record."""

    id = ""
    at = 0.0  # Unix seconds
    arrived = 0.0  # perf_counter
    last_byte = 0.0  # perf_counter
    fate = "ok"
    reason = ""
    answering = "old"

    def __init__(self, protocol: RelayProtocol, fast: "Fast", route: Route, target: Target, query: bytes) -> None:
        self.protocol = protocol
        self.fast = fast
        self.route = route
        self.target = target
        self.query = query
        self.at = time.time()
        self.arrived = time.perf_counter()

    def decided(self) -> bool:
        """Decide and admit. False: nothing was noted, and the engine's other path answers."""
        raise NotImplementedError

    def recorded(self) -> None:
        """The call is over: note it where it counts, and write or hand on its record."""
        raise NotImplementedError

    def begun(self) -> bool:
        self.id = new_id()
        if not self.decided():
            return False
        fast, target = self.fast, self.target
        method, url, head = self.asked
        readable = self.keep > 0
        lines = head.made.get((target, readable))
        if lines is None:
            lines = b" HTTP/1.1\r\nHost: %b\r\n%bX-Crossfade-Via: %b\r\n%bX-Crossfade-Call: " % (
                target.authority,
                head.lines(readable=readable),
                fast.via,
                b"Transfer-Encoding: chunked\r\n" if head.chunked else b"",
            )
            head.made[target, readable] = lines
        name = self.id.encode()
        if fast.call_header:
            self.extra = b"X-Crossfade-Call: %b\r\n" % name
        self.head_only = method == b"HEAD"
        fast.engine.in_flight.calls += 1
        self.send(
            target.pool, b"%b %b%b%b%b\r\n\r\n" % (method, target.prefix, url[target.cut :], lines, name), fast.sent
        )
        return True

    def over(self, lost: Lost | None) -> Answered | None:
        fast = self.fast
        fast.engine.in_flight.calls -= 1
        self.last_byte = time.perf_counter()
        answer = None
        if self.complete:
            if self.status >= 400:
                self.fate = "failed"
            fast.note(self.asked[0], self.status, self.first_byte - self.arrived, "")
        elif self.disconnected:
            # The client's own doing: it counts against nobody.
            self.status, self.fate, self.reason = 499, "gone", "client went away"
        elif lost is not None:
            answer = self._lost(lost)
        else:
            self.fate, self.reason = "unknown", "router stopped"
        self.recorded()
        return answer

    def broken(self) -> Answered:
        log.exception("call failed", extra={"call": self.id, "operation": self.route.operation})
        self.fate = "failed"
        return self._ours(500, f"crossfade failed; its log names call {self.id}")

    def _lost(self, lost: Lost) -> Answered | None:
        self.fast.note(self.asked[0], 0, time.perf_counter() - self.arrived, LOST if lost.sent else UNREACHABLE)
        self.fate = "unknown" if lost.sent else "failed"
        text = f"old at {self.target.base} failed: {lost}"
        log.warning("origin failed", extra={"call": self.id, "operation": self.route.operation, "error": text})
        return None if self.started else self._ours(502, text)

    def _ours(self, status: int, message: str) -> Answered:
        self.answering = "router"
        method, url, _ = self.asked
        path = url.partition(b"?")[0].decode("latin-1")
        code = HTTPStatus(status).phrase
        body = error_body("toolbox", status, message, code=code, path=path, method=method.decode("latin-1"))
        self.status, self.bytes_out = status, len(body)
        return status, _LINES + self.extra, body


def now(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for: what it reads is here already."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError("a call's request was decoded from bytes and yet waited")
