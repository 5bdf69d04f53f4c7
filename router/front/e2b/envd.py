"""The data plane: envd's services and the sandbox's own ports, reached by sandbox id."""

import hmac
import re
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.types import Receive, Send

from router.backends.local.sandboxes import LocalSandbox
from router.front.e2b import ports
from router.front.e2b.downloads import download
from router.front.e2b.files import allowed
from router.front.e2b.filesystem import Filesystem
from router.front.e2b.fleet import RESUME_SECONDS, Card, Fleet
from router.front.e2b.inject import NO_CHANGES, Changes, Injector
from router.front.e2b.messages import Answer, ApiError, Request, json_answer
from router.front.e2b.processes import Processes
from router.front.e2b.rpc import Message, answer_client_stream, answer_server_stream, answer_unary
from router.front.e2b.running import ProcessTable
from router.front.e2b.uploads import upload
from router.wire.connect import ConnectError

ENVD_PORT = 49983
_HOST = re.compile(r"(\d{1,5})-([a-z0-9]+)\.")


class DataPlane:
    """Answers what is addressed to a sandbox: by the E2b-Sandbox-Id header, or by a `PORT-ID.` host."""

    def __init__(self, fleet: Fleet, injector: Injector, tables: dict[str, ProcessTable]) -> None:
        self._fleet, self._injector, self._tables = fleet, injector, tables

    async def answer(self, request: Request, id: str, port: int) -> Answer:
        """Raises ApiError; 502 when the sandbox is paused or was never there."""
        sandbox, card = await self._awake(id)
        if port != ENVD_PORT:
            _check_traffic(request, card)
            return await ports.relay_http(request, sandbox, port, _host(card, port))
        _check_access(request, card)
        return await self._envd(request, sandbox, card)

    async def websocket(self, request: Request, id: str, port: int, receive: Receive, send: Send) -> None:
        """Raises ApiError as long as nothing was accepted."""
        sandbox, card = await self._awake(id)
        if port == ENVD_PORT:
            raise ApiError(404, "envd speaks no websocket")
        _check_traffic(request, card)
        await ports.relay_websocket(request, sandbox, port, _host(card, port), receive, send)

    async def _awake(self, id: str) -> tuple[LocalSandbox, Card]:
        # A paused sandbox and one that never was look the same here, as on E2B's edge.
        missing = ApiError(502, "The sandbox was not found", sandboxId=id)
        try:
            sandbox, card = self._fleet.get(id)
            if card.paused and card.auto_resume:
                await self._fleet.resume(id, max(RESUME_SECONDS, card.timeout))
        except ApiError as error:
            raise missing from error
        if card.paused:
            raise missing
        return sandbox, card

    async def _envd(self, request: Request, sandbox: LocalSandbox, card: Card) -> Answer:
        match request.method, request.path:
            case "GET", "/health":
                return Answer(status=204)
            case "GET", "/files":
                changes = self._changes(request, card, sandbox.id, "fs.download")
                return await download(request, sandbox, changes)
            case "POST", "/files":
                return await upload(request, sandbox)
            case "GET", "/envs":
                return json_answer(sandbox.env)
            case "GET", "/metrics":
                return json_answer(_metrics())
            case _:
                return await self._call(request, sandbox, card)

    async def _call(self, request: Request, sandbox: LocalSandbox, card: Card) -> Answer:
        service, _, call = request.path.lstrip("/").partition("/")
        match service:
            case "filesystem.Filesystem":
                return await self._filesystem(request, sandbox, card, call)
            case "process.Process":
                return await self._process(request, sandbox, card, call)
            case _:
                raise ApiError(404, f"envd has no {request.method} {request.path}")

    async def _filesystem(self, request: Request, sandbox: LocalSandbox, card: Card, call: str) -> Answer:
        filesystem = Filesystem(sandbox)
        match call:
            case "Stat":
                changes = self._changes(request, card, sandbox.id, "fs.info")

                async def stat(request: Request, message: dict[str, Any]) -> Message:
                    answer = await filesystem.stat(request, message)
                    return {**answer, "entry": changes.at("stat", answer["entry"])}

                return await answer_unary(request, stat)
            case "ListDir":
                changes = self._changes(request, card, sandbox.id, "fs.list")

                async def list_dir(request: Request, message: dict[str, Any]) -> Message:
                    entries = changes.at("list", (await filesystem.list_dir(request, message)).get("entries", []))
                    return {"entries": entries} if entries else {}

                return await answer_unary(request, list_dir)
            case "MakeDir":
                changes = self._changes(request, card, sandbox.id, "fs.mkdir")

                async def make_dir(request: Request, message: dict[str, Any]) -> Message:
                    answer = await filesystem.make_dir(request, message)
                    return {**answer, "entry": changes.at("mkdir", answer["entry"])}

                return await answer_unary(request, make_dir)
            case "Move":
                return await answer_unary(request, filesystem.move)
            case "Remove":
                return await answer_unary(request, filesystem.remove)
            case "WatchDir":
                return await answer_server_stream(request, _unimplemented_stream)
            case _:
                return await answer_unary(request, _unimplemented)

    async def _process(self, request: Request, sandbox: LocalSandbox, card: Card, call: str) -> Answer:
        processes = Processes(sandbox, self._tables.setdefault(sandbox.id, ProcessTable()))
        match call:
            case "Start":

                async def start(request: Request, message: dict[str, Any]) -> AsyncIterator[Message]:
                    # A tagged process, one with input or a terminal is no plain command.
                    plain = not (message.get("tag") or message.get("pty") or message.get("stdin", True))
                    changes = self._changes(request, card, sandbox.id, "process.exec" if plain else "")
                    messages: AsyncIterator[Message] = changes.at("exec", await processes.start(request, message))
                    return messages

                return await answer_server_stream(request, start)
            case "Connect":
                return await answer_server_stream(request, processes.connect)
            case "StreamInput":
                return await answer_client_stream(request, processes.stream_input)
            case "List":
                return await answer_unary(request, processes.list)
            case "Update":
                return await answer_unary(request, processes.update)
            case "SendInput":
                return await answer_unary(request, processes.send_input)
            case "SendSignal":
                return await answer_unary(request, processes.send_signal)
            case "CloseStdin":
                return await answer_unary(request, processes.close_stdin)
            case _:
                return await answer_unary(request, _unimplemented)

    def _changes(self, request: Request, card: Card, id: str, operation: str) -> Changes:
        # An adapter that makes several requests for one operation says which one they are part of.
        operation = request.headers.get("x-crossfade-operation", operation)
        return self._injector.changes(request, operation, id, card.metadata) if operation else NO_CHANGES


def address(request: Request) -> tuple[str, int] | None:
    """The sandbox and port a request is for. None: it is for the control plane. Raises ApiError 400."""
    if id := request.headers.get("e2b-sandbox-id"):
        text = request.headers.get("e2b-sandbox-port", str(ENVD_PORT))
    elif found := _HOST.match(request.headers.get("host", "")):
        text, id = found.groups()
    else:
        return None
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ApiError(400, f"E2b-Sandbox-Port is no port number: '{text[:20]}'")
    return id, int(text)


def _check_access(request: Request, card: Card) -> None:
    if not card.token or request.path == "/health":
        return
    if request.path == "/files" and allowed(request, card.token):
        return
    sent = request.headers.get("x-access-token", "")
    if not hmac.compare_digest(sent.encode(), card.token.encode()):
        message = "unauthorized access, please provide a valid access token or method signing if supported"
        raise ApiError(401, message)


def _host(card: Card, port: int) -> str:
    """The Host that servers inside are shown instead of the real one; empty: the real one."""
    return str(card.network.get("maskRequestHost") or "").replace("${PORT}", str(port))


def _check_traffic(request: Request, card: Card) -> None:
    sent = request.headers.get("e2b-traffic-access-token", "")
    if card.traffic_token and not hmac.compare_digest(sent.encode(), card.traffic_token.encode()):
        raise ApiError(403, "the sandbox's ports are private: send its token in e2b-traffic-access-token")


def _metrics() -> dict[str, Any]:
    return {"ts": int(time.time()), "cpu_count": 2, "cpu_used_pct": 0.0, "mem_total": 0, "mem_used": 0}


async def _unimplemented(request: Request, message: dict[str, Any]) -> Message:
    raise ConnectError("unimplemented", f"the embedded E2B server has no {request.path}")


async def _unimplemented_stream(request: Request, message: dict[str, Any]) -> AsyncIterator[Message]:
    raise ConnectError("unimplemented", f"the embedded E2B server has no {request.path}; list the directory instead")
