"""E2B's control plane: nine calls, v2 with v1 behind it for servers from before autumn 2026."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unsupported
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.upstream import Purpose, Upstream, UpstreamFailed, UpstreamRequest
from router.backends.e2b.envd import Failed, Handle, edge_error, lost

TTL_SECONDS = 3600  # wall clock; extended by the keeper, paused at its end
RESUMED = 201  # of connect: it was paused
_LIMIT = 16 * 1024 * 1024
_STATES = {"running": "started", "paused": "stopped"}


@dataclass(slots=True, kw_only=True)
class Control:
    """Calls to api.<domain>, and what they tell about reaching a sandbox."""

    upstream: Upstream
    origin: Origin
    api_url: str
    key: str
    templates: Mapping[str, str]
    handles: dict[str, Handle] = field(default_factory=dict)
    v2: bool | None = None  # None: not known yet

    async def handle(self, sandbox: str, purpose: Purpose) -> Handle:
        """How to reach a sandbox. Raises Failed when there is none."""
        if (known := self.handles.get(sandbox)) is not None:
            return known
        status, value = await self._send("GET", f"/sandboxes/{quote(sandbox)}", None, purpose)
        if status != 200:
            raise Failed(_refusal(status, value, sandbox))
        return self._learn(sandbox, value)

    async def create(self, operation: Operation, purpose: Purpose) -> Outcome:
        arguments = operation.arguments
        snapshot = str(arguments.get("snapshot") or "")
        template = self.templates.get(snapshot) or self.templates.get("*")
        if not template:
            message = f"snapshot '{snapshot}' has no template; add it to origins.new.templates"
            return refused(400, "BAD_REQUEST", message)
        # Labels are kept as they were at birth: metadata cannot be changed later.
        born_with = {**(arguments.get("labels") or {}), **(arguments.get("metadata") or {})}
        metadata = {str(name): str(value) for name, value in born_with.items()}
        body = {
            "templateID": template,
            "timeout": TTL_SECONDS,
            "metadata": metadata,
            "envVars": dict(arguments.get("env") or {}),
            "autoPause": True,
        }
        nonce = metadata.get("crossfade_nonce", "")
        status, value = await self._versioned("POST", "/sandboxes", body, purpose, nonce=nonce)
        if status != 201:
            return _refusal(status, value, template)
        self._learn(str(value["sandboxID"]), value)
        return done(_info(value, "running"))

    async def perform(self, operation: Operation, purpose: Purpose) -> Outcome:
        """A lifecycle operation."""
        sandbox = operation.sandbox
        match operation.name:
            case "sandbox.create":
                return await self.create(operation, purpose)
            case "sandbox.get":
                status, value = await self._send("GET", f"/sandboxes/{quote(sandbox)}", None, purpose)
                return done(_info(value, "")) if status == 200 else _refusal(status, value, sandbox)
            case "sandbox.list":
                return await self._list(operation, purpose)
            case "sandbox.start":
                return await self._start(sandbox, purpose)
            case "sandbox.stop" | "sandbox.archive":
                return await self._pause(sandbox, purpose)
            case "sandbox.delete":
                status, value = await self._send("DELETE", f"/sandboxes/{quote(sandbox)}", None, purpose)
                self.handles.pop(sandbox, None)
                return (
                    done(SandboxInfo(id=sandbox, state="destroyed"))
                    if status == 204
                    else _refusal(status, value, sandbox)
                )
            case _:
                return unsupported(operation.name, "e2b")

    async def extend(self, sandbox: str, purpose: Purpose) -> Outcome:
        """Put the wall-clock deadline off; never shortens it."""
        body = {"duration": TTL_SECONDS}
        status, value = await self._send("POST", f"/sandboxes/{quote(sandbox)}/refreshes", body, purpose)
        return done() if status == 204 else _refusal(status, value, sandbox)

    async def _start(self, sandbox: str, purpose: Purpose) -> Outcome:
        path = f"/sandboxes/{quote(sandbox)}/connect"
        status, value = await self._versioned("POST", path, {"timeout": TTL_SECONDS}, purpose)
        if status not in (200, 201):
            return _refusal(status, value, sandbox)
        self._learn(sandbox, value)
        return done(_info(value, "running"), status=status)

    async def _pause(self, sandbox: str, purpose: Purpose) -> Outcome:
        status, value = await self._send("POST", f"/sandboxes/{quote(sandbox)}/pause", {}, purpose)
        # 409: paused already.
        if status in (204, 409):
            return done(SandboxInfo(id=sandbox, state="stopped"))
        return _refusal(status, value, sandbox)

    async def _list(self, operation: Operation, purpose: Purpose) -> Outcome:
        labels = operation.arguments.get("labels") or {}
        pairs = "&".join(f"{quote(quote(str(k), safe=''))}={quote(quote(str(v), safe=''))}" for k, v in labels.items())
        query = urlencode({"metadata": pairs, "limit": "100"} if pairs else {"limit": "100"})
        status, value = await self._send("GET", f"/v2/sandboxes?{query}", None, purpose)
        if status != 200 or not isinstance(value, list):
            return _refusal(status, value, "")
        return done(tuple(_info(each, "") for each in value))

    async def _versioned(
        self, method: str, path: str, body: Mapping[str, Any], purpose: Purpose, *, nonce: str = ""
    ) -> tuple[int, Any]:
        if self.v2 is not False:
            status, value = await self._send(method, f"/v2{path}", body, purpose, nonce=nonce)
            if status not in (404, 405) or self.v2:
                self.v2 = self.v2 or status in (200, 201)
                return status, value
        status, value = await self._send(method, path, {**body, "secure": True}, purpose, nonce=nonce)
        if status in (200, 201):
            self.v2 = False
        return status, value

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, purpose: Purpose, *, nonce: str = ""
    ) -> tuple[int, Any]:
        parts = urlsplit(self.api_url)
        headers = [(b"X-API-KEY", self.key.encode()), (b"Accept", b"application/json")]
        if body is not None:
            headers.append((b"Content-Type", b"application/json"))
        if nonce:
            headers.append((b"Idempotency-Key", nonce.encode()))
        if purpose is not Purpose.ANSWER:
            headers.append((b"X-Crossfade-Purpose", purpose.value.encode()))
        request = UpstreamRequest(
            origin=self.origin,
            purpose=purpose,
            method=method,
            base=f"{parts.scheme}://{parts.netloc}",
            target=parts.path.rstrip("/") + path,
            headers=headers,
            body=None if body is None else json.dumps(body).encode(),
            idle_seconds=120,
        )
        try:
            response = await self.upstream.send(request)
            raw = await response.read(_LIMIT)
        except UpstreamFailed as error:
            raise Failed(lost(error)) from error
        try:
            return response.status, json.loads(raw) if raw else {}
        except ValueError:
            return response.status, {"message": raw.decode("utf-8", "replace")[:300]}

    def _learn(self, sandbox: str, value: Mapping[str, Any]) -> Handle:
        known = Handle(id=sandbox, token=str(value.get("envdAccessToken") or ""), domain=str(value.get("domain") or ""))
        self.handles[sandbox] = known
        return known


def _info(value: Mapping[str, Any], state: str) -> SandboxInfo:
    return SandboxInfo(
        id=str(value["sandboxID"]),
        state=_STATES.get(state or str(value.get("state")), "started"),
        snapshot=str(value.get("templateID") or ""),
        labels={str(name): str(text) for name, text in (value.get("metadata") or {}).items()},
    )


def _refusal(status: int, value: Any, thing: str) -> Outcome:
    if status == 404:
        return refused(404, "NOT_FOUND", f"Sandbox with ID or name {thing} not found")
    return edge_error(status, json.dumps(value).encode())
