"""Calls that old answers as they are: decided in one synchronous step, relayed at protocol level, recorded alike.

Nothing is decided here that the engine's other path would decide otherwise: the same route, classification, admission
and record, without a task and without a wait. Whatever needs to wait for something (a fence, a durable mark, the other
side) is left to that path.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from crossfade.operation import OPERATIONS
from crossfade.stage import Origin
from crossfade.upstream import Purpose, UpstreamRequest
from router.engine.engine import BODY_RULES, HEAD_LIMIT, Engine
from router.engine.observed import Observed
from router.engine.old import split_url
from router.engine.relayed import Target
from router.engine.seated import Look, Seated, settled_on_old
from router.front.daytona.errors import error_body
from router.front.daytona.routes import Route, match
from router.telemetry.requests import Timed
from router.wire.http1 import Pools
from router.wire.inbound.exchange import Exchange
from router.wire.inbound.head import Head
from router.wire.inbound.protocol import COLLECTED, RelayProtocol

_MOST_ROUTES = 20_000
_MOST_TARGETS = 10_000


@dataclass(slots=True, eq=False)
class Fast:
    """Plans relayed calls."""

    engine: Engine
    pools: Pools
    count: Callable[[Origin, Purpose], None]  # hears of every request that is sent
    timed: Timed
    call_header: bool
    via: bytes = b""
    looked: dict[tuple[object, ...], Look] = field(default_factory=dict)  # by all that a call's meaning depends on
    sent: Callable[[], None] = lambda: None
    _routes: dict[bytes, dict[bytes, Route | None]] = field(default_factory=dict)
    _targets: dict[tuple[str, bytes], Target] = field(default_factory=dict)
    _asked: dict[bytes, UpstreamRequest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.via = self.engine.forward.instance.encode()
        self.sent = partial(self.count, Origin.OLD, Purpose.ANSWER)

    def plan(self, protocol: RelayProtocol, method: bytes, url: bytes, head: Head) -> Exchange | None:
        """The exchange that will answer this request, or None: the engine's other path does."""
        if head.hosts != 1 or not head.plain or head.size + len(url) > HEAD_LIMIT or head.via == self.via:
            return None
        path, _, query = url.partition(b"?")
        try:
            route = self._routes[method][path]
        except KeyError:
            route = self._route(method, path)
        if route is None:
            return None
        twin = self.engine.registry.twins.get(route.sandbox)
        streamed = head.chunked or head.length > COLLECTED
        target = self._target(path, route.sandbox)
        if target is None:
            return None
        if twin is None:
            if route.sandbox in self.engine.registry.names:
                return None
            if streamed and route.operation in BODY_RULES:
                return None
            return Observed(protocol, self, route, target, query, streamed)
        if streamed or not settled_on_old(twin):
            return None
        return Seated(protocol, self, route, target, query, twin)

    def note(self, method: bytes, status: int, seconds: float, error: str) -> None:
        """Count one request to old, answered or not."""
        asked = self._asked.get(method)
        if asked is None:
            text = method.decode("latin-1")
            asked = UpstreamRequest(origin=Origin.OLD, purpose=Purpose.ANSWER, method=text, base="", target="")
            self._asked[method] = asked
        self.timed(asked, status, seconds, error)

    def _route(self, method: bytes, path: bytes) -> Route | None:
        """A toolbox route that one request and one answer carry out; None for every other."""
        route = match(method.decode("latin-1"), path.decode("ascii")) if path.isascii() else None
        if route is not None and (
            not route.operation
            or route.plane != "toolbox"
            or route.websocket
            or not route.sandbox
            or OPERATIONS[route.operation].stream
            or self._repaired(route)
        ):
            route = None
        routes = self._routes.setdefault(method, {}) if len(method) < 8 else {}
        if len(routes) >= _MOST_ROUTES:
            routes.clear()
        routes[path] = route
        return route

    def _repaired(self, route: Route) -> bool:
        """Whether something may have to be put right in such a call, which needs its body or its answer."""
        repairs = self.engine.forward.repairs
        if repairs.part_names and route.kind == "bulk_download":
            return True
        return repairs.error_text or (repairs.exec_environment and route.operation == "process.exec")

    def _target(self, path: bytes, sandbox: str) -> Target | None:
        """Where old serves this path; None while that has to be asked for."""
        old = self.engine.forward.old
        cut = b"/toolbox" if path.startswith(b"/toolbox/") else b"/api"
        url = (old.sandboxes.get(sandbox) or old.toolbox) if cut == b"/toolbox" else old.api_url
        found = self._targets.get((url, cut))
        if found is None and url:
            base, prefix = split_url(url)
            authority = urlsplit(base).netloc.rpartition("@")[2].encode()
            found = Target(self.pools.get(base), base, prefix.encode(), authority, len(cut))
            if len(self._targets) >= _MOST_TARGETS:
                self._targets.clear()
            self._targets[url, cut] = found
        return found


def refusal(message: str) -> bytes:
    """What is no HTTP, refused in the API's own format."""
    return error_body("control", 400, message)
