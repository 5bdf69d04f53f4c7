"""The listener's front door: preview addresses are served here, every other request is the API's."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from crossfade.stage import Origin
from crossfade.upstream import Purpose, UpstreamFailed, UpstreamRefused
from router import tasks
from router.preview import headers
from router.preview.address import Addressing, NoSuchPreview, novnc_told, slashed
from router.preview.answers import Lines, Ours, redirect, refusal, send_http, send_refused
from router.preview.doors import Doors, Entered, Fetched, Turned
from router.preview.headers import Asking
from router.preview.links import Links
from router.preview.origins import OriginFailed
from router.preview.seat import Seated
from router.preview.visit import READS, Visit, Visits
from router.wire import headers as rules
from router.wire.asgi import Client, ClientGone, Message, Receive, Scope, Send
from router.wire.bridge import Passed, bridge
from router.wire.inbound.exchange import Exchange
from router.wire.inbound.head import Head
from router.wire.inbound.protocol import Plan, RelayProtocol
from router.wire.relay import pass_on

log = logging.getLogger("crossfade.preview")
ACTIVE_SECONDS = 50.0  # as often as Daytona's proxy says that an open connection is in use
HEAD_LIMIT = 65_536
_MOST_HOSTS = 10_000
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Preview:
    """An ASGI application before another one."""

    api: App
    addressing: Addressing
    doors: Doors
    seated: Seated
    visits: Visits
    links: Links
    extra: Callable[[str], Lines]  # headers that name a call, by its id
    active_seconds: float = ACTIVE_SECONDS

    def before(self, plan: Plan) -> Plan:
        """The plan of a protocol that answers requests before this application sees them, for the API's hosts only."""
        hosts: dict[bytes, bool] = {}

        def planned(protocol: RelayProtocol, method: bytes, url: bytes, head: Head) -> Exchange | None:
            host = head.fields.get(b"host", b"")
            ours = hosts.get(host)
            if ours is None:
                if len(hosts) >= _MOST_HOSTS:
                    hosts.clear()
                ours = hosts[host] = self._is_ours(host)
            return None if ours else plan(protocol, method, url, head)

        return planned

    def _is_ours(self, host: bytes) -> bool:
        try:
            return self.addressing.find(host.decode("latin-1"), "/") is not None
        except NoSuchPreview:
            return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = [value for name, value in scope.get("headers", ()) if name == b"host"]
        if scope["type"] not in ("http", "websocket") or len(hosts) != 1:
            await self.api(scope, receive, send)
            return
        host, path = hosts[0].decode("latin-1"), raw_path(scope)
        try:
            address = self.addressing.find(host, path)
        except NoSuchPreview as error:
            await self._nowhere(scope, receive, send, str(error))
            return
        if address is None:
            await self.links(scope, receive, send)
            return
        socket = scope["type"] == "websocket"
        asking = Asking(
            address=address,
            method=scope.get("method", "GET"),
            headers=scope["headers"],
            host=host,
            scheme=self._scheme(scope, address.root),
            peer=scope["client"][0] if scope.get("client") else "",
        )
        visit = self.visits.begin(asking, "preview.socket" if socket else "preview.http")
        rules.call_id.set(visit.id)
        try:
            if socket:
                await self._socket(visit, scope, receive, send)
            else:
                await self._http(visit, scope, receive, send)
        finally:
            self.visits.over(visit)

    def _scheme(self, scope: Scope, root: str) -> str:
        if not root:
            return self.addressing.scheme
        return self.addressing.public_url.partition("://")[0] or (
            "https" if scope["scheme"] in ("https", "wss") else "http"
        )

    async def _nowhere(self, scope: Scope, receive: Receive, send: Send, why: str) -> None:
        answer = refusal(404, why, method=scope.get("method", "GET"))
        if scope["type"] == "websocket":
            await receive()
            await send_refused(answer, send, extra=[])
        else:
            await send_http(answer, send, extra=[], head_only=scope["method"] == "HEAD")

    # HTTP...

    async def _http(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        client = Client(receive)
        begun = _Begun(send)
        answer: Ours | None = None
        try:
            answer = await self._answer(visit, scope, client, begun)
        except Turned as turned:
            answer = turned.answer
        except ClientGone:
            # The client's own doing: it counts against nobody.
            visit.answered(499, visit.bytes_out)
            visit.fate = "gone"
        except (OriginFailed, UpstreamFailed) as error:
            answer = self._failed(visit, error)
        except asyncio.CancelledError:
            visit.fate, visit.reason = "unknown", "router stopped"
            raise
        except Exception:
            log.exception("preview failed", extra={"call": visit.id})
            visit.fate = "failed"
            answer = refusal(500, f"crossfade failed; its log names call {visit.id}", method=visit.asking.method)
        finally:
            visit.bytes_in = client.bytes_in
        if answer is None:
            return
        if begun.status:
            # A cut answer must not look whole: the server closes the connection of one that is left unended.
            visit.answered(begun.status, visit.bytes_out)
            return
        await send_http(answer, begun, extra=self.extra(visit.id), head_only=visit.asking.method == "HEAD")
        visit.answered(answer.status, len(answer.body))

    async def _answer(self, visit: Visit, scope: Scope, client: Client, send: "_Begun") -> Ours | None:
        """Answer by the sandbox, or return an answer of ours."""
        asking, query = visit.asking, scope["query_string"]
        if problem := self._refused(asking, query):
            return problem
        if asking.preflight:
            return Ours(204, headers.preflight(asking))
        if asking.method in READS and (there := slashed(asking.address, query) or novnc_told(asking.address, query)):
            return redirect(there)
        has_body = bool(asking.field(b"transfer-encoding")) or asking.field(b"content-length") not in (b"", b"0")
        if not has_body:
            await client.read(0)
        work = self._relayed(visit, query, client.stream() if has_body else None, send)
        await client.unless_gone(work)
        return None

    async def _relayed(self, visit: Visit, query: bytes, body: AsyncIterator[bytes] | None, send: "_Begun") -> None:
        asking = visit.asking
        entered = await self.doors.enter(asking, query, socket=False)
        visit.sandbox = entered.sandbox
        async with self._seat(visit, entered) as side:
            started = time.perf_counter()
            fetched = await self.doors.fetch(entered, side, body)
            visit.answering = str(side)
            visit.first_byte = time.perf_counter()
            visit.origin_seconds = visit.first_byte - started
            outwards = _Outwards(send, self, visit, entered, fetched)
            relayed = await pass_on(fetched.response, outwards, head_only=asking.method == "HEAD")
            visit.answered(relayed.status, relayed.bytes_out)

    def _refused(self, asking: Asking, query: bytes) -> Ours | None:
        size = len(query) + len(asking.address.path)
        size += sum(len(name) + len(value) for name, value in asking.headers)
        if size > HEAD_LIMIT:
            return refusal(431, f"request head is {size} bytes; at most {HEAD_LIMIT} are taken", method=asking.method)
        return None

    # Websockets...

    async def _socket(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            if problem := self._refused(visit.asking, scope["query_string"]):
                raise Turned(problem)
            await self._bridged(visit, scope, receive, send)
            return
        except Turned as turned:
            answer = turned.answer
        except UpstreamRefused as error:
            answer = refusal(error.status, "the server inside refused the websocket", method="GET")
        except (OriginFailed, UpstreamFailed) as error:
            answer = self._failed(visit, error)
        visit.answered(answer.status, len(answer.body))
        await send_refused(answer, send, extra=self.extra(visit.id))

    async def _bridged(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        entered = await self.doors.enter(visit.asking, scope["query_string"], socket=True)
        visit.sandbox = entered.sandbox
        async with self._seat(visit, entered) as side:
            started = time.perf_counter()
            socket = await self.doors.connect(entered, side, scope.get("subprotocols") or ())
            visit.answering = str(side)
            visit.first_byte = time.perf_counter()
            visit.waited_seconds += visit.first_byte - started
            accepted = {"type": "websocket.accept", "subprotocol": socket.subprotocol}
            passed = Passed()
            try:
                await send({**accepted, "headers": [*self.doors.cookie(entered), *self.extra(visit.id)]})
                await bridge(socket, receive, send, passed)
            finally:
                visit.bytes_in = passed.up
                visit.answered(101, passed.down)

    # Both...

    @contextlib.asynccontextmanager
    async def _seat(self, visit: Visit, entered: Entered) -> AsyncIterator[Origin]:
        twin = entered.sandbox.twin
        async with self.seated.open(twin, mutates=visit.mutates) as (side, waited):
            visit.waited_seconds = waited
            with self._in_use(entered, side):
                yield side

    @contextlib.contextmanager
    def _in_use(self, entered: Entered, side: Origin) -> Iterator[None]:
        """The sandbox counts as being in use for as long as somebody looks, however long that is."""
        if entered.asking.keeps_asleep:
            yield
            return
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle | None = None

        def again() -> None:
            nonlocal timer
            self.seated.active(entered.sandbox.twin)
            if timer is not None and side is Origin.NEW:
                # To be asked for is what tells that side.
                asked = self.doors.origins.link(entered.sandbox, side, entered.asking.address.port, Purpose.ANSWER)
                tasks.spawn(asked, name=f"{entered.sandbox.id} is in use")
            timer = loop.call_later(self.active_seconds, again)

        again()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            self.seated.active(entered.sandbox.twin)

    def _failed(self, visit: Visit, error: OriginFailed | UpstreamFailed) -> Ours:
        visit.fate = "unknown" if isinstance(error, UpstreamFailed) and error.sent else "failed"
        log.warning("preview failed", extra={"call": visit.id, "error": str(error)})
        # The provider's address of the port is no business of the client's.
        status = error.status if isinstance(error, OriginFailed) else 502
        words = "too many requests" if status == 429 else "the sandbox's side did not answer"
        return refusal(status, words, method=visit.asking.method)


def raw_path(scope: Scope) -> str:
    """The path as sent, still encoded."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("latin-1") if raw else str(scope["path"])


class _Begun:
    """A send that remembers the status of an answer that has begun."""

    __slots__ = ("send", "status")

    def __init__(self, send: Send) -> None:
        self.send, self.status = send, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self.send(message)


class _Outwards:
    """A send that turns the sandbox's headers into ours, and counts."""

    __slots__ = ("entered", "fetched", "preview", "send", "visit")

    def __init__(self, send: Send, preview: Preview, visit: Visit, entered: Entered, fetched: Fetched) -> None:
        self.send, self.preview, self.visit = send, preview, visit
        self.entered, self.fetched = entered, fetched

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            turned = headers.outwards(message["headers"], self.visit.asking, self.fetched.target)
            ours = [*self.preview.doors.cookie(self.entered), *self.preview.extra(self.visit.id)]
            message["headers"] = [*turned, *ours]
        else:
            self.visit.bytes_out += len(message.get("body", b""))
        await self.send(message)
