"""E2B's control plane: nine calls, v2 with v1 behind it for servers from before autumn 2026."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from crossfade.operation import Operation
from crossfade.outcome import Fate, Outcome, done, refused, unsupported
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.upstream import Headers, Purpose, Upstream, UpstreamFailed, UpstreamRequest
from router.backends.e2b.envd import Handle
from router.backends.e2b.pauses import pause
from router.backends.e2b.refusals import NOT_RUNNING, Failed, edge_error, lost
from router.backends.e2b.templates import template_for

TTL_SECONDS = 3600  # wall clock; put off while the sandbox is used, paused at its end
RESUMED = 201  # of connect: it was paused
NONCE = "crossfade_nonce"  # metadata that finds a sandbox whose create was not answered
_LIMIT = 16 * 1024 * 1024
_TRIES = 4
_ANSWER_SECONDS = 120.0
_MOST_PAGES = 1000
_AGAIN_SECONDS = 60.0  # until an end that could not be put off is tried again
_STATES = {"running": "started", "paused": "stopped"}
_SECRETS = ("envdAccessToken", "trafficAccessToken")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    value: Any
    headers: Headers

    def header(self, name: bytes) -> str:
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == name), "")


@dataclass(slots=True, kw_only=True)
class Control:
    """Calls to api.<domain>, and what they tell about reaching a sandbox."""

    upstream: Upstream
    origin: Origin
    api_url: str
    key: str
    templates: Mapping[str, str]
    private_ports: bool = False  # of sandboxes that are made from now on
    handles: dict[str, Handle] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)  # Unix seconds, when each sandbox would be paused
    since: dict[str, float] = field(default_factory=dict)  # Unix seconds, when each sandbox's run began
    versions: dict[str, bool] = field(default_factory=dict)  # per call: whether v2 is spoken; absent: not known yet

    async def handle(self, sandbox: str, purpose: Purpose) -> Handle:
        """How to reach a sandbox. Raises Failed when there is none."""
        if (known := self.handles.get(sandbox)) is not None:
            return known
        _, handle = await self._look(sandbox, purpose)
        return handle

    async def verify(self, sandbox: str, purpose: Purpose) -> Handle:
        """The same, asked anew. Raises Failed when it is gone or does not run."""
        state, handle = await self._look(sandbox, purpose)
        if state != "running":
            raise Failed(refused(400, "BAD_REQUEST", NOT_RUNNING))
        return handle

    async def perform(self, operation: Operation, purpose: Purpose) -> Outcome:
        """A lifecycle operation. Raises Failed."""
        sandbox = operation.sandbox
        match operation.name:
            case "sandbox.create":
                return await self._create(operation, purpose)
            case "sandbox.get":
                answer = await self._send("GET", f"/sandboxes/{_id(sandbox)}", None, purpose)
                return done(_info(answer.value)) if answer.status == 200 else _refusal(answer, sandbox)
            case "sandbox.list":
                return await self._list(operation, purpose)
            case "sandbox.start":
                return await self._start(sandbox, purpose)
            case "sandbox.stop" | "sandbox.archive":
                return await self._pause(sandbox, purpose)
            case "sandbox.delete":
                answer = await self._send("DELETE", f"/sandboxes/{_id(sandbox)}", None, purpose, patient=True)
                self.handles.pop(sandbox, None)
                self.ends.pop(sandbox, None)
                self.since.pop(sandbox, None)
                gone = SandboxInfo(id=sandbox, state="destroyed")
                return done(gone) if answer.status == 204 else _refusal(answer, sandbox)
            case name:
                return unsupported(name, "e2b")

    def due(self, sandbox: str) -> bool:
        """Whether its end is to be put off: a third of its time is gone. True once, for whoever is to do it."""
        now, end = time.time(), self.ends.get(sandbox)
        if end is None or end - now > TTL_SECONDS * 2 / 3:
            return False
        self.ends[sandbox] = now + TTL_SECONDS * 2 / 3 + _AGAIN_SECONDS
        return True

    async def extend(self, sandbox: str, purpose: Purpose) -> Outcome:
        """Put the wall-clock end off; never brings it forward. Raises Failed."""
        answer = await self._send(
            "POST", f"/sandboxes/{_id(sandbox)}/refreshes", {"duration": TTL_SECONDS}, purpose, patient=True
        )
        if answer.status != 204:
            return _refusal(answer, sandbox)
        self.ends[sandbox] = time.time() + TTL_SECONDS
        return done()

    async def renew(self, sandbox: str, purpose: Purpose) -> Outcome:
        """Pause and resume, memory kept: the provider's longest run begins anew. Raises Failed."""
        paused = await self._pause(sandbox, purpose)
        if not paused.ok:
            return paused
        # Whatever comes of it, it must run again: clients were told nothing of a stop.
        for wait in (0.2, 1.0, 3.0, 10.0):
            started = await self._start(sandbox, purpose)
            if started.ok:
                break
            await asyncio.sleep(wait)
        return replace(started, status=200) if started.ok else started

    async def reaches_out(self, sandbox: str, purpose: Purpose) -> bool | None:
        """Whether it may reach the internet. None: nothing is said of it. Raises Failed."""
        answer = await self._send("GET", f"/sandboxes/{_id(sandbox)}", None, purpose)
        said = answer.value.get("allowInternetAccess") if answer.status == 200 else None
        return said if isinstance(said, bool) else None

    async def let_out(self, sandbox: str, on: bool, purpose: Purpose) -> Outcome:
        """Let it reach the internet, or no longer. Raises Failed."""
        body = {"allow_internet_access": on}
        answer = await self._send("PUT", f"/sandboxes/{_id(sandbox)}/network", body, purpose, patient=True)
        return done() if answer.status == 204 else _refusal(answer, sandbox)

    async def connected(self, sandbox: str, purpose: Purpose) -> Handle:
        """How to reach it, with the token of its private ports where it has one and runs. Raises Failed."""
        answer = await self._send("GET", f"/sandboxes/{_id(sandbox)}", None, purpose)
        if answer.status != 200:
            raise Failed(_refusal(answer, sandbox))
        handle = self._learn(sandbox, answer.value)
        network = answer.value.get("network")
        public = isinstance(network, dict) and network.get("allowPublicTraffic") is not False
        if public or str(answer.value.get("state") or "running") != "running":
            return handle
        started = await self._start(sandbox, purpose)
        return self.handles[sandbox] if started.ok else handle

    async def _look(self, sandbox: str, purpose: Purpose) -> tuple[str, Handle]:
        answer = await self._send("GET", f"/sandboxes/{_id(sandbox)}", None, purpose)
        if answer.status != 200:
            if answer.status == 404:
                self.handles.pop(sandbox, None)
            raise Failed(_refusal(answer, sandbox))
        return str(answer.value.get("state") or "running"), self._learn(sandbox, answer.value)

    # Creating...

    async def _create(self, operation: Operation, purpose: Purpose) -> Outcome:
        arguments = operation.arguments
        if needs := arguments.get("needs"):
            return unsupported(", ".join(needs), "e2b")
        template, wanted = template_for(arguments, self.templates)
        if not template:
            what = "" if arguments.get("image") else "snapshot "
            message = f"{what}'{wanted}' has no template; add it to origins.new.templates"
            return refused(400, "BAD_REQUEST", message)
        # Labels are kept as they were at birth: metadata cannot be changed later.
        born_with = {**(arguments.get("labels") or {}), **(arguments.get("metadata") or {})}
        metadata = {str(name): str(value) for name, value in born_with.items()}
        body: dict[str, Any] = {
            "templateID": template,
            "timeout": TTL_SECONDS,
            "metadata": metadata,
            "envVars": {str(name): str(value) for name, value in (arguments.get("env") or {}).items()},
            "autoPause": True,
            # Servers inside are asked as Daytona's proxy asks them: dev servers refuse host names they do not know.
            "network": {"maskRequestHost": "localhost:${PORT}"},
        }
        if self.private_ports:
            body["network"]["allowPublicTraffic"] = False
        if arguments.get("internet") is False:
            body["allow_internet_access"] = False
        nonce = metadata.get(NONCE, "")
        try:
            answer = await self._versioned("create", "/sandboxes", body, {**body, "secure": True}, purpose, nonce=nonce)
            if answer.status == 201:
                self._learn(str(answer.value["sandboxID"]), answer.value)
                return done(_info({**answer.value, "metadata": metadata}))
            outcome = _create_refusal(answer, template)
        except Failed as error:
            outcome = error.outcome
        if outcome.fate is Fate.UNKNOWN and nonce:
            return await self._made_after_all(nonce, purpose) or outcome
        return outcome

    async def _made_after_all(self, nonce: str, purpose: Purpose) -> Outcome | None:
        """A create that was not answered may have been carried out: its nonce tells. Never a second create."""
        listed = await self._list(Operation(name="sandbox.list", arguments={"labels": {NONCE: nonce}}), purpose)
        if not listed.ok or len(listed.value) != 1:
            return None
        return done(listed.value[0])

    # The rest of a life...

    async def _start(self, sandbox: str, purpose: Purpose) -> Outcome:
        # The timeout goes along every time: without it a resume gives 300 s.
        body = {"timeout": TTL_SECONDS}
        answer = await self._versioned(
            "connect", f"/sandboxes/{_id(sandbox)}/connect", body, body, purpose, patient=True
        )
        if answer.status not in (200, RESUMED):
            return _refusal(answer, sandbox)
        if answer.status == RESUMED:
            self.since.pop(sandbox, None)
        self._learn(sandbox, answer.value)
        return done(_info({**answer.value, "state": "running"}), status=answer.status)

    async def _pause(self, sandbox: str, purpose: Purpose) -> Outcome:
        answer = await self._send("POST", f"/sandboxes/{_id(sandbox)}/pause", {}, purpose)
        if answer.status == 204:
            return done(SandboxInfo(id=sandbox, state="stopped"))
        # 409: paused already, or on its way from one state to another: what it is now tells.
        if answer.status == 409 and (await self._look(sandbox, purpose))[0] == "paused":
            return done(SandboxInfo(id=sandbox, state="stopped"))
        return _refusal(answer, sandbox)

    async def _list(self, operation: Operation, purpose: Purpose) -> Outcome:
        labels = operation.arguments.get("labels") or {}
        wanted = operation.arguments.get("limit")
        # Keys and values are encoded twice inside the parameter, and the parameter once more.
        pairs = "&".join(f"{_twice(str(key))}={_twice(str(value))}" for key, value in labels.items())
        query = {"limit": "100", **({"metadata": pairs} if pairs else {})}
        found: list[SandboxInfo] = []
        for _ in range(_MOST_PAGES):
            answer = await self._send("GET", f"/v2/sandboxes?{urlencode(query)}", None, purpose)
            if answer.status != 200 or not isinstance(answer.value, list):
                return _refusal(answer, "")
            found.extend(_info(each) for each in answer.value)
            token = answer.header(b"x-next-token")
            if not token or (wanted and len(found) >= int(wanted)):
                break
            query["nextToken"] = token
        return done(tuple(found[: int(wanted)] if wanted else found))

    # Sending...

    async def _versioned(
        self,
        call: str,
        path: str,
        body: Mapping[str, Any],
        body_v1: Mapping[str, Any],
        purpose: Purpose,
        *,
        nonce: str = "",
        patient: bool = False,
    ) -> _Answer:
        """By v2; by v1 where v2 is not known, which is remembered once either has worked."""
        if self.versions.get(call) is not False:
            answer = await self._send("POST", f"/v2{path}", body, purpose, nonce=nonce, patient=patient)
            if answer.status in (200, 201):
                self.versions[call] = True
            if answer.status not in (404, 405) or self.versions.get(call):
                return answer
        answer = await self._send("POST", path, body_v1, purpose, nonce=nonce, patient=patient)
        if answer.status in (200, 201):
            self.versions[call] = False
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        purpose: Purpose,
        *,
        nonce: str = "",
        patient: bool = False,
    ) -> _Answer:
        """`patient`: a sandbox on its way from one state to another (409) is asked again."""
        parts = urlsplit(self.api_url)
        headers = [(b"X-API-KEY", self.key.encode()), (b"Accept", b"application/json")]
        if body is not None:
            headers.append((b"Content-Type", b"application/json"))
        if nonce:
            headers.append((b"Idempotency-Key", nonce.lower().encode()))
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
            idle_seconds=_ANSWER_SECONDS,
        )
        for attempt in range(_TRIES):
            answer = await self._once(request)
            # The answers that say nothing was done, whatever was asked.
            if answer.status not in ((429, 409) if patient else (429,)) or attempt == _TRIES - 1:
                return answer
            await asyncio.sleep(pause(answer.headers, 2.0**attempt, purpose))
        raise AssertionError("the last attempt returns")

    async def _once(self, request: UpstreamRequest) -> _Answer:
        try:
            response = await self.upstream.send(request)
            raw = await response.read(_LIMIT)
        except UpstreamFailed as error:
            raise Failed(lost(error)) from error
        try:
            value = json.loads(raw) if raw else {}
        except ValueError:
            value = {"message": raw.decode("utf-8", "replace")[:300]}
        return _Answer(response.status, value, response.headers)

    def _learn(self, sandbox: str, value: Mapping[str, Any]) -> Handle:
        known = self.handles.get(sandbox)
        handle = Handle(
            id=sandbox,
            token=str(value.get("envdAccessToken") or ""),
            domain=str(value.get("domain") or ""),
            # Only create and connect tell this one.
            traffic_token=str(value.get("trafficAccessToken") or (known.traffic_token if known else "")),
            version=str(value.get("envdVersion") or ""),
        )
        self.handles[sandbox] = handle
        now = time.time()
        self.ends[sandbox] = _seconds(value.get("endAt")) or now + TTL_SECONDS
        # Create and connect do not say; connect of one that runs does not begin a run.
        self.since[sandbox] = _seconds(value.get("startedAt")) or self.since.get(sandbox) or now
        return handle


def _id(sandbox: str) -> str:
    return quote(sandbox, safe="")


def _twice(text: str) -> str:
    return quote(quote(text, safe=""), safe="")


def _seconds(text: object) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp() if text else 0.0
    except ValueError:
        return 0.0


def _info(value: Mapping[str, Any]) -> SandboxInfo:
    metadata = value.get("metadata") or {}
    return SandboxInfo(
        id=str(value["sandboxID"]),
        state=_STATES.get(str(value.get("state") or "running"), "started"),
        snapshot=str(value.get("templateID") or ""),
        labels={str(name): str(text) for name, text in metadata.items()},
        cpu=float(value.get("cpuCount") or 1),
        memory_gib=float(value.get("memoryMB") or 1024) / 1024,
        disk_gib=float(value.get("diskSizeMB") or 3072) / 1024,
        created_at=str(value.get("startedAt") or ""),
        raw={name: each for name, each in value.items() if name not in _SECRETS},
    )


def _create_refusal(answer: _Answer, template: str) -> Outcome:
    if answer.status == 404:
        message = f"E2B has no template '{template}'; build it, or name another in origins.new.templates"
        return refused(400, "BAD_REQUEST", message)
    return _refusal(answer, "")


def _refusal(answer: _Answer, sandbox: str) -> Outcome:
    if answer.status == 404:
        return refused(404, "NOT_FOUND", f"not found: Sandbox with ID or name {sandbox} not found")
    return edge_error(answer.status, json.dumps(answer.value).encode())
