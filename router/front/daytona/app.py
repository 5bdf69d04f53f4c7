"""The embedded Daytona server: a backend behind the whole API, with keys of its own."""

import asyncio
import contextlib
import hmac
import logging
from collections.abc import Awaitable, Callable, Collection

from crossfade.ports import Backend
from router.front.daytona.exchange import ClientGone, Exchange, Message, Receive, Scope, Send
from router.front.daytona.responses import Response, json_response, refusal
from router.front.daytona.routes import Route, allowed, match
from router.front.daytona.sockets import refuse
from router.front.daytona.translate import Translator, asking_of
from router.wire.asgi import BodyTooLarge, Client

log = logging.getLogger("crossfade.front.daytona")
HEAD_LIMIT = 65_536
_LINGER_SECONDS = 1.0
_LINGER_BYTES = 1024 * 1024
_OPEN_KINDS = frozenset({"health", "config"})  # answered without a key, as Daytona does
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def daytona_app(backend: Backend, *, keys: Collection[str] | None, public_url: str | None = None) -> App:
    """An ASGI app that speaks Daytona. `keys` None: every key is good; `public_url` None: what Host says."""
    return _Server(backend, keys, public_url or "")


class _Server:
    def __init__(self, backend: Backend, keys: Collection[str] | None, public_url: str) -> None:
        self._translator = Translator(backend, public_url)
        self._keys = None if keys is None else tuple(key.encode() for key in keys)
        self._public_url = public_url.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        started = _Started(send)
        try:
            await self._serve(scope, receive, started)
        except ClientGone:
            pass
        except Exception:
            # A defect of ours: said once, with its traceback, and never to the client.
            log.exception("call failed", extra={"method": scope.get("method", "GET")})
            if not started.started:
                route = match(scope.get("method", "GET"), _path(scope)) or _nowhere()
                await self._refuse(scope, receive, started, route, 500, "An unexpected error occurred.")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope.get("method", "GET"), _path(scope)
        route = match(method, path, websocket=scope["type"] == "websocket")
        if problem := _bad_head(scope):
            await self._refuse(scope, receive, send, route or _nowhere(), *problem)
        elif route is None or route.kind == "unknown":
            # In the words of the control plane, which clients match.
            message = f"Cannot {method} {path}: no such path in the Daytona API served here"
            await self._refuse(scope, receive, send, route or _nowhere(), 404, message)
        elif route.kind == "wrong_method":
            methods = ", ".join(allowed(path))
            message = f"{method} is not allowed on {path}; use {methods}"
            await self._refuse(scope, receive, send, route, 405, message, allow=methods)
        elif route.kind == "health":
            await Exchange(receive, send).answer(json_response({"status": "ok"}))
        elif route.kind not in _OPEN_KINDS and not self._knows(scope):
            message = "Invalid credentials: send Authorization: Bearer and a key this server was started with"
            await self._refuse(scope, receive, send, route, 401, message)
        else:
            await self._translator.respond(route, scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        if self._keys is None:
            return True
        scheme, _, key = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        # Every key is compared, in constant time: the answer's delay must not tell how much of a guess was right.
        matches = sum(hmac.compare_digest(key.strip(), known) for known in self._keys)
        return scheme.lower() == b"bearer" and matches > 0

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, route: Route, status: int, message: str, *, allow: str = ""
    ) -> None:
        code = _CODES.get(status, "")
        response = refusal(status, message, asking_of(route, scope, self._public_url), code=code)
        if allow:
            response.headers.append((b"allow", allow.encode()))
        if scope["type"] == "websocket":
            await refuse(scope, send, response)
        else:
            await _answer_unread(receive, send, response)


_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    431: "REQUEST_HEADER_FIELDS_TOO_LARGE",
    500: "INTERNAL_SERVER_ERROR",
}


class _Started:
    """A send that knows whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)


async def _answer_unread(receive: Receive, send: Send, response: Response) -> None:
    # The body was not read: the connection cannot be used again, or its rest would be taken for a request. It is closed
    # a little later than answered: closing with bytes unread resets it, and the answer would be lost on its way.
    body = response.body if isinstance(response.body, bytes) else b""
    headers = [*response.headers, (b"connection", b"close"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with contextlib.suppress(TimeoutError, BodyTooLarge, ClientGone):
        async with asyncio.timeout(_LINGER_SECONDS):
            await Client(receive).read(_LINGER_BYTES)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _path(scope: Scope) -> str:
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("latin-1") if raw else str(scope["path"])


def _bad_head(scope: Scope) -> tuple[int, str] | None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    size = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
    size += sum(len(name) + len(value) + 4 for name, value in headers)
    if size > HEAD_LIMIT:
        return 431, f"request head is larger than {HEAD_LIMIT} bytes; send large values in the body"
    if sum(name == b"host" for name, _ in headers) != 1:
        return 400, "request must carry exactly one Host header"
    return None


def _nowhere() -> Route:
    return Route("", "unknown", "", {}, "control", False, "")


async def _lifespan(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})
