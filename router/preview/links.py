"""Links that the control plane hands out: ours instead of the provider's, for sandboxes whose ports we can serve."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from router.preview.address import Address, Addressing
from router.preview.answers import Lines, Ours, refusal, send_http
from router.preview.credentials import Signer, shown
from router.preview.headers import Asking
from router.preview.origins import OriginFailed, Origins, Sandbox
from router.preview.rights import Rights
from router.preview.visit import READS, Visits
from router.wire.asgi import Message, Receive, Scope, Send

_PATH = re.compile(
    r"/api/sandbox/(?P<name>[^/]+)/ports/(?P<port>[1-9][0-9]{0,4})/"
    r"(?:(?P<plain>preview-url)|(?P<signed>signed-preview-url)|signed-preview-url/(?P<token>[^/]+)/expire)/?"
)
_SANDBOX = re.compile(r"/api/sandbox/(?P<name>[^/]+)")
_CONFIG = ("/api/config", "/api/config/")
_ANSWER_LIMIT = 1_048_576
_SIGNED_SECONDS = 60
_MOST_SIGNED_SECONDS = 86_400
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Links:
    """An ASGI application before the API's: looks at the few answers that hold addresses of ports."""

    api: App
    addressing: Addressing
    origins: Origins
    rights: Rights
    signer: Signer
    visits: Visits
    extra: Callable[[str], Lines]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path") or scope["path"].encode()
        path = raw.decode("latin-1")
        found = _PATH.fullmatch(path) if scope["type"] == "http" and b"preview-url" in raw else None
        method = scope.get("method", "GET")
        if found and method == "GET":
            await self._link(found, scope, receive, send)
        elif found and method == "POST" and found["token"]:
            await self._expire(found, scope, receive, send)
        elif path in _CONFIG and method == "GET" and self.addressing.template:
            await self._changed(scope, receive, send, self._config)
        elif method not in READS and (changed := _SANDBOX.match(path)):
            # Started, stopped, made public or private: its token, its address and who may look may be others.
            try:
                await self.api(scope, receive, send)
            finally:
                self.origins.forget(unquote(changed["name"]))
        else:
            await self.api(scope, receive, send)

    async def _config(self, value: dict[str, Any]) -> None:
        if "proxyTemplateUrl" in value:
            value["proxyTemplateUrl"] = self.addressing.template

    async def _link(self, found: re.Match[str], scope: Scope, receive: Receive, send: Send) -> None:
        port, our_url = int(found["port"]), self._our_url(scope)
        until = self.rights.now() + _seconds(scope["query_string"])

        async def ours(value: dict[str, Any]) -> None:
            name = str(value.get("sandboxId") or unquote(found["name"]))
            try:
                sandbox = await self.origins.sandbox(name)
            except OriginFailed:
                return
            if sandbox is not None:
                value.update(self._said(sandbox, port, our_url, until if found["signed"] else None))

        only_new = await self._only_new(unquote(found["name"])) if found["signed"] else None
        if only_new is None:
            await self._changed(scope, receive, send, ours)
            return
        await self._as_call(found, scope, send, only_new, self._said(only_new, port, our_url, until) or None)

    def _said(self, sandbox: Sandbox, port: int, our_url: str, until: float | None) -> dict[str, Any]:
        """What our link changes in the answer; nothing where no address of ours can name the sandbox."""
        token = self.signer.token(sandbox.id) if until is None else self.signer.signed(sandbox.id, port, until)
        link = self.addressing.link(port, sandbox.id if until is None else token or "", our_url)
        if not token or not link:
            return {}
        said: dict[str, Any] = {"sandboxId": sandbox.id, "url": link, "token": token}
        return said if until is None else {**said, "port": port}

    async def _expire(self, found: re.Match[str], scope: Scope, receive: Receive, send: Send) -> None:
        """A signed link of ours is taken back; any other is the origin's."""
        named = self.signer.sandbox_of(found["token"], int(found["port"]), self.rights.now())
        sandbox = await self._known(named) if named == unquote(found["name"]) else None
        if sandbox is None:
            await self.api(scope, receive, send)
            return
        if await self._as_call(found, scope, send, sandbox, None, empty=True):
            self.rights.revoke(found["token"], self.rights.now() + _MOST_SIGNED_SECONDS)

    async def _known(self, name: str | None) -> Sandbox | None:
        try:
            return await self.origins.sandbox(name) if name else None
        except OriginFailed:
            return None

    async def _only_new(self, name: str) -> Sandbox | None:
        """A sandbox that no other than us can sign for: it has no old side."""
        twin = self.origins.registry.get(name)
        return (
            await self._known(name)
            if twin is not None and not Sandbox(id=name, public=False, twin=twin).on_old
            else None
        )

    async def _as_call(
        self,
        found: re.Match[str],
        scope: Scope,
        send: Send,
        sandbox: Sandbox,
        value: dict[str, Any] | None,
        *,
        empty: bool = False,
    ) -> bool:
        """Answer by ourselves, if the client's key may use the sandbox. True: it was done."""
        asking = self._asking(found, scope)
        visit = self.visits.begin(asking, "sandbox.preview")
        visit.sandbox = sandbox
        visit.reason = "links to ports are signed by the router"
        try:
            answer = await self._refused(asking, sandbox)
            done = answer is None and (empty or value is not None)
            if answer is None and value is not None:
                answer = Ours(200, [(b"content-type", b"application/json; charset=utf-8")], json.dumps(value).encode())
            elif answer is None and empty:
                answer = Ours(200, [])
            answer = answer or refusal(501, "no address of ours can name this sandbox", method=asking.method)
            await send_http(answer, send, extra=self.extra(visit.id))
            visit.answered(answer.status, len(answer.body))
            return done
        finally:
            self.visits.over(visit)

    async def _refused(self, asking: Asking, sandbox: Sandbox) -> Ours | None:
        key = shown(sandbox.id, asking.headers, b"").bearer
        try:
            if key and await self.origins.may_use(sandbox, key, asking.field(b"x-daytona-organization-id")):
                return None
        except OriginFailed as error:
            return refusal(error.status, str(error), method=asking.method)
        return refusal(401, "this key may not use this sandbox", method=asking.method)

    def _asking(self, found: re.Match[str], scope: Scope) -> Asking:
        address = Address(port=int(found["port"]), name=unquote(found["name"]), path="/")
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        return Asking(
            address=address, method=scope["method"], headers=scope["headers"], host=host, scheme=self.addressing.scheme
        )

    def _our_url(self, scope: Scope) -> str:
        host = next((value for name, value in scope["headers"] if name == b"host"), b"localhost")
        return self.addressing.public_url or "http://" + host.decode("latin-1")

    async def _changed(
        self, scope: Scope, receive: Receive, send: Send, change: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        """The API's answer, changed where it is a JSON object that says 200; byte for byte the same otherwise."""
        held = _Held(send)
        # It must come unencoded: we have to read it.
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.api({**scope, "headers": plain}, receive, held)
        if held.start is None or not held.whole:
            return
        body = held.body
        if held.start["status"] == 200:
            body = await _with(body, change)
        lines = [(name, value) for name, value in held.start["headers"] if name.lower() != b"content-length"]
        lines.append((b"content-length", b"%d" % len(body)))
        await send({**held.start, "headers": lines})
        await send({"type": "http.response.body", "body": body})


async def _with(body: bytes, change: Callable[[dict[str, Any]], Awaitable[None]]) -> bytes:
    try:
        value = json.loads(body)
    except ValueError:
        return body
    if not isinstance(value, dict):
        return body
    before = dict(value)
    await change(value)
    return body if value == before else json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _seconds(query: bytes) -> int:
    given = parse_qs(query.decode("latin-1")).get("expiresInSeconds", [""])[0]
    return min(max(int(given), 1), _MOST_SIGNED_SECONDS) if given.isdecimal() else _SIGNED_SECONDS


class _Held:
    """A send that holds an answer back, up to a size; a larger one passes as it comes."""

    __slots__ = ("body", "send", "start", "whole")

    def __init__(self, send: Send) -> None:
        self.send = send
        self.start: Message | None = None
        self.body = b""
        self.whole = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        if self.start is None:
            await self.send(message)
            return
        self.body += message.get("body", b"")
        self.whole = not message.get("more_body", False)
        if len(self.body) > _ANSWER_LIMIT and not self.whole:
            await self.send(self.start)
            await self.send({**message, "body": self.body})
            self.start = None
