"""The embedded E2B-speaking server: control plane and envd on one port."""

import asyncio
import hmac
import ipaddress
import logging
from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from router.backends.local.sandboxes import LocalSandboxes
from router.front.e2b.control import Control
from router.front.e2b.envd import DataPlane, address
from router.front.e2b.fleet import Fleet
from router.front.e2b.inject import Injector, UnknownInjection
from router.front.e2b.messages import (
    Answer,
    ApiError,
    ClientGone,
    Request,
    error_answer,
    json_answer,
    request_of,
    send_answer,
)
from router.front.e2b.running import ProcessTable

log = logging.getLogger("crossfade.e2b")


def e2b_app(
    sandboxes: LocalSandboxes,
    *,
    keys: Collection[str] | None,
    inject: Injector | None = None,
    templates: Collection[str] | None = None,
) -> ASGIApp:
    """An ASGI application that serves embedded sandboxes as E2B does.

    Set E2B_API_URL and E2B_SANDBOX_URL to its address. `keys` None: any key is accepted; `templates` None: any
    template. It opens and closes `sandboxes` with its own lifespan.
    """
    return _Server(sandboxes, keys, inject or Injector(), templates)


class _Server:
    def __init__(
        self,
        sandboxes: LocalSandboxes,
        keys: Collection[str] | None,
        injector: Injector,
        templates: Collection[str] | None,
    ) -> None:
        self._sandboxes, self._keys, self._injector = sandboxes, keys, injector
        tables: dict[str, ProcessTable] = {}

        def stopped(id: str) -> None:
            if (table := tables.pop(id, None)) is not None:
                table.cut_off()

        self._fleet = Fleet(sandboxes, templates=templates, stopped=stopped)
        self._control = Control(self._fleet)
        self._data = DataPlane(self._fleet, self._injector, tables)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await self._lifespan(receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case _:
                await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_of(scope, receive)
        try:
            answer = await self._answer(request)
        except ApiError as error:
            answer = error_answer(error)
        except ClientGone:
            return
        except Exception:  # the edge: one bad request must not look like a dead server
            log.exception("defect while answering", extra={"method": request.method, "path": request.path})
            answer = error_answer(ApiError(500, "the embedded E2B server has a defect; its log says more"))
        await send_answer(answer, request, send)

    async def _answer(self, request: Request) -> Answer:
        if request.path == "/_crossfade/inject":
            return await self._inject(request)
        await self._misbehave(request)
        if (target := address(request)) is not None:
            return await self._data.answer(request, *target)
        if request.path == "/health" and request.method == "GET":
            return json_answer({"status": "ok"})
        self._check_key(request)
        return await self._control.answer(request)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_of(scope, receive)
        try:
            if (target := address(request)) is None:
                raise ApiError(404, "the control plane speaks no websocket")
            await self._data.websocket(request, *target, receive, send)
        except ApiError as error:
            await _deny(error, scope, send)

    async def _inject(self, request: Request) -> Answer:
        if not _is_loopback(request.scope):
            raise ApiError(403, "injection is switched from this machine only")
        if request.method == "POST":
            try:
                self._injector.set(await request.json())
            except UnknownInjection as error:
                raise ApiError(400, str(error)) from error
        elif request.method != "GET":
            raise ApiError(405, f"{request.method} is not allowed on {request.path}; allowed: GET, POST")
        return json_answer(self._injector.state())

    async def _misbehave(self, request: Request) -> None:
        """The switches that hit every request: slow, hung, failing."""
        if self._injector.hang:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            raise ClientGone
        if self._injector.delay_seconds:
            await asyncio.sleep(self._injector.delay_seconds)
        if self._injector.fail:
            raise ApiError(self._injector.fail, "injected failure")

    def _check_key(self, request: Request) -> None:
        sent = request.headers.get("x-api-key", "")
        if self._keys is None:
            return
        if not sent:
            raise ApiError(401, "API key is missing: send it in the X-API-KEY header")
        if not any(hmac.compare_digest(sent.encode(), key.encode()) for key in self._keys):
            raise ApiError(401, "Invalid API key in the X-API-KEY header")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._sandboxes.open()
            await self._fleet.open()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._fleet.close()
        await self._sandboxes.close()
        await send({"type": "lifespan.shutdown.complete"})


def _is_loopback(scope: Scope) -> bool:
    client = scope.get("client")
    if client is None:
        return True  # a Unix socket
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


async def _deny(error: ApiError, scope: Scope, send: Send) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1011, "reason": error.message[:120]})
        return
    answer = error_answer(error)
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})
