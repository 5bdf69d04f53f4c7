"""Websockets of the Daytona API: terminals, followed logs and executions, over channels of any backend."""

import json
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused
from crossfade.ports import Backend, Channel
from crossfade.results import StreamEnd
from router.front.daytona import marks
from router.front.daytona.dialect import Dialect
from router.front.daytona.errors import BadRequest
from router.front.daytona.exchange import Message, Receive, Scope, Send, race
from router.front.daytona.requests import decode
from router.front.daytona.responses import Asking, Response, refusal

EXIT_CONTROL = "X-Daytona-Pty-Exit-Control"
_INPUT_LIMIT = 65_536
_NORMAL, _TOO_BIG, _FAILED = 1000, 1009, 1011
_REASON_LIMIT = 120  # bytes; a close frame holds 123


async def refuse(scope: Scope, send: Send, response: Response) -> None:
    """Answer a handshake with a plain response, or close it where the server cannot."""
    try:
        await _refuse(scope, send, response)
    except OSError:
        pass  # the client went away first


async def _refuse(scope: Scope, send: Send, response: Response) -> None:
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": _FAILED})
        return
    body = response.body if isinstance(response.body, bytes) else b""
    headers = [*response.headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "websocket.http.response.start", "status": response.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


async def serve_socket(backend: Backend, asking: Asking, scope: Scope, receive: Receive, send: Send) -> Outcome:
    """A websocket from handshake to close. Returns how it ended, or why it was refused."""
    await receive()  # websocket.connect
    headers = dict(scope["headers"])
    try:
        operation = decode(asking.route, scope.get("query_string", b""), headers, b"")
    except BadRequest as error:
        await refuse(scope, send, refusal(error.status, error.message, asking, code=error.code))
        return refused(error.status, error.code, error.message)
    opened = await _open(backend, operation)
    if isinstance(opened, Outcome):
        await refuse(scope, send, refusal(opened.status, opened.message, asking, code=opened.code))
        return opened
    try:
        offered = scope.get("subprotocols", [])
        await send({"type": "websocket.accept", "subprotocol": _chosen(offered)})
        send = _to_whoever_is_there(send)
        if operation.name.startswith("pty."):
            await _terminal(opened, receive, send, exit_control=EXIT_CONTROL in offered)
        elif operation.name == "interpreter.execute":
            await _interpret(opened, receive, send)
        else:
            await _follow(opened, receive, send, asking.dialect)
    except OSError:
        pass  # the client went away while something was sent to it
    finally:
        await opened.close()
    return done(opened.end)


def _to_whoever_is_there(send: Send) -> Send:
    """A send that raises OSError once the client has closed; the server calls it our mistake (RuntimeError)."""

    async def sending(message: Message) -> None:
        try:
            await send(message)
        except RuntimeError as error:
            raise ConnectionResetError("client closed its websocket") from error

    return sending


async def _open(backend: Backend, operation: Operation) -> Channel | Outcome:
    if operation.name != "pty.create":
        return await backend.open(operation)
    # The newest SDKs create and connect in one handshake.
    created = await backend.perform(operation)
    if not created.ok:
        return created
    pty = {"pty": operation.arguments["pty"]}
    return await backend.open(Operation(name="pty.connect", sandbox=operation.sandbox, arguments=pty))


def _chosen(offered: list[str]) -> str | None:
    for protocol in offered:
        if protocol == EXIT_CONTROL or protocol.startswith("X-Daytona-SDK-Version~"):
            return protocol
    return None


async def _terminal(channel: Channel, receive: Receive, send: Send, *, exit_control: bool) -> None:
    await _say(send, {"type": "control", "status": "connected"})
    finished = False

    async def show() -> None:
        nonlocal finished
        async for data in channel.output():
            await send({"type": "websocket.send", "bytes": data})
        finished = True

    try:
        await race(show(), _type(channel, receive))
    except _InputTooLarge:
        await send({"type": "websocket.close", "code": _TOO_BIG, "reason": f"input is limited to {_INPUT_LIMIT} bytes"})
        return
    if finished:
        await _end_terminal(channel.end, send, exit_control=exit_control)


async def _end_terminal(end: StreamEnd, send: Send, *, exit_control: bool) -> None:
    if end.exit_code is None:
        told: dict[str, Any] = {"error": end.reason or "terminal is gone"}
    else:
        told = {"exitCode": end.exit_code}
        if end.exit_code != 0:
            told["exitReason"] = end.reason or "non-zero exit"
        if exit_control:
            await _say(send, {"type": "control", "status": "exited"} | told)
    code = _NORMAL if end.exit_code == 0 else _FAILED
    reason = json.dumps(told, separators=(",", ":"))
    if len(reason.encode()) > _REASON_LIMIT:
        reason = json.dumps({name: value for name, value in told.items() if name == "exitCode"})
    await send({"type": "websocket.close", "code": code, "reason": reason})


class _InputTooLarge(Exception):
    pass


async def _type(channel: Channel, receive: Receive) -> None:
    """Pass on what the client sends, until it goes away."""
    while (message := await receive())["type"] == "websocket.receive":
        data = message.get("bytes")
        data = (message.get("text") or "").encode() if data is None else data
        if len(data) > _INPUT_LIMIT:
            raise _InputTooLarge
        await channel.send(data)


async def _follow(channel: Channel, receive: Receive, send: Send, dialect: Dialect) -> None:
    stripper = None if dialect.marked or dialect.split else marks.Stripper()
    finished = False

    async def show() -> None:
        nonlocal finished
        async for data in channel.output():
            shown = data if stripper is None else stripper.feed(data)
            if shown:
                await send({"type": "websocket.send", "bytes": shown})
        if stripper is not None and (rest := stripper.end()):
            await send({"type": "websocket.send", "bytes": rest})
        finished = True

    async def listen() -> None:
        while (await receive())["type"] == "websocket.receive":
            pass

    await race(show(), listen())
    if finished and broken_off(channel.end):
        await send({"type": "websocket.close", "code": _FAILED, "reason": _short(channel.end.reason)})
    elif finished:
        await send({"type": "websocket.close", "code": _NORMAL})


def broken_off(end: StreamEnd) -> bool:
    """Whether a log ended before its command did: then it must not look whole."""
    return end.exit_code is None and bool(end.reason)


async def _interpret(channel: Channel, receive: Receive, send: Send) -> None:
    """The first message is the request; what comes back are messages of text, and a close code that tells the end."""
    finished = False

    async def show() -> None:
        nonlocal finished
        async for message in channel.output():
            await send({"type": "websocket.send", "text": message.decode("utf-8", "replace")})
        finished = True

    async def listen() -> None:
        while (message := await receive())["type"] == "websocket.receive":
            data = message.get("bytes")
            await channel.send((message.get("text") or "").encode() if data is None else data)

    await race(show(), listen())
    if finished:
        end = channel.end
        code = _NORMAL if end.exit_code == 0 else end.close or _FAILED
        await send({"type": "websocket.close", "code": code, "reason": _short(end.reason)})


def _short(reason: str) -> str:
    return reason.encode()[:_REASON_LIMIT].decode("utf-8", "ignore")


async def _say(send: Send, value: dict[str, Any]) -> None:
    await send({"type": "websocket.send", "text": json.dumps(value)})
