"""What origins know of a preview: whether there is such a sandbox, who may see it, and where its ports are."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.ports import Backend, Clock
from crossfade.results import PreviewLink, SandboxInfo
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from crossfade.upstream import Headers, Purpose, Upstream, UpstreamFailed, UpstreamRequest
from router.preview.memory import Remembered
from router.twins.registry import Registry
from router.twins.state import Twin
from router.wire.limits import Bucket

ACCEPTED_SECONDS = 120.0
REFUSED_SECONDS = 5.0
_ANSWER_LIMIT = 1_048_576
_ANSWER_SECONDS = 30.0
_DELETED = (FollowerState.DELETING, FollowerState.GONE)
# Refusals that say nothing about the right that was asked for.
_BUSY = (408, 429)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A sandbox whose ports may be looked at. `id` is the client-visible one."""

    id: str
    public: bool
    twin: Twin | None = None

    @property
    def on_old(self) -> str:
        """Its id on old; empty when it has no old side."""
        return self.id if self.twin is None else self.twin.row.ids.get(Origin.OLD, "")


class OriginFailed(Exception):
    """An origin could not say. `status` is what the client gets."""

    def __init__(self, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True, eq=False)
class Origins:
    """Asks origins with the router's own keys, but for a client's right, which is asked with the client's."""

    upstream: Upstream
    backends: Mapping[Origin, Backend]
    registry: Registry
    clock: Clock
    old_url: str  # of the control plane, ending in /api
    described: Remembered[str, Outcome] = field(init=False)
    linked: Remembered[tuple[str, int], Outcome] = field(init=False)
    allowed: Remembered[tuple[str, str], bool] = field(init=False)
    strangers: Bucket = field(init=False)

    def __post_init__(self) -> None:
        self.described = Remembered(self.clock, _kept)
        self.linked = Remembered(self.clock, _kept)
        self.allowed = Remembered(self.clock, lambda good: ACCEPTED_SECONDS if good else REFUSED_SECONDS)
        self.strangers = Bucket(self.clock)

    async def sandbox(self, name: str) -> Sandbox | None:
        """The sandbox of that id, or None when there is none. Raises OriginFailed."""
        # Browsers write host names in lower case.
        twin = self.registry.get(name) or self.registry.get(name.lower())
        if twin is None:
            outcome = await self._describe(name, stranger=True)
            if isinstance(outcome.value, SandboxInfo):
                return Sandbox(id=outcome.value.id, public=outcome.value.public)
            if outcome.status in (400, 401, 403, 404):
                return None
            raise OriginFailed(f"old does not say whether there is a sandbox {name}: {outcome.message}")
        if twin.row.follower in _DELETED:
            return None
        public = bool(twin.row.control.get("public"))
        if there := twin.row.ids.get(Origin.OLD):
            outcome = await self._describe(there)
            # While old cannot say, what it said when the sandbox was made.
            public = outcome.value.public if isinstance(outcome.value, SandboxInfo) else public
        return Sandbox(id=twin.id, public=public, twin=twin)

    def forget(self, name: str) -> None:
        """It was changed through us: what is known of it is asked for anew."""
        twin = self.registry.get(name)
        ids = {name, *(twin.row.ids.values() if twin else ())}
        for there in ids:
            self.described.forget(there)
        for key in [key for key in self.linked.kept if key[0] in ids]:
            self.linked.forget(key)

    async def _describe(self, there: str, *, stranger: bool = False) -> Outcome:
        async def ask() -> Outcome:
            if stranger and not self.strangers.take():
                raise OriginFailed("too many sandboxes that nobody knows are asked for", 429)
            operation = Operation(name="sandbox.get", sandbox=there)
            return await self.backends[Origin.OLD].perform(operation, Purpose.VALIDATE)

        return await self.described.get(there, ask)

    async def link(
        self,
        sandbox: Sandbox,
        side: Origin,
        port: int,
        purpose: Purpose = Purpose.VALIDATE,
        *,
        asked_after: float = float("-inf"),
        refused: bool = False,
    ) -> Outcome:
        """Where that side serves a port: a PreviewLink, or why not. Old's answer is kept for a while.

        `refused`: what the last link brought was no answer of the sandbox.
        """
        twin = sandbox.twin
        there = sandbox.on_old if twin is None or side is Origin.OLD else twin.row.ids.get(side, "")
        arguments = {"port": port, **({"anew": True} if refused and side is Origin.NEW else {})}
        operation = Operation(name="sandbox.preview", sandbox=there, arguments=arguments)
        if side is Origin.NEW:
            # Known without a request; asked each time, so that what is looked at counts as being in use.
            return await self.backends[side].perform(operation, purpose)

        async def ask() -> Outcome:
            return await self.backends[side].perform(operation, Purpose.VALIDATE)

        return await self.linked.get((there, port), ask, asked_after=asked_after)

    async def token_of_old(self, sandbox: Sandbox, port: int, *, asked_after: float = float("-inf")) -> str:
        """Old's own preview token; empty when there is none."""
        if not sandbox.on_old:
            return ""
        outcome = await self.link(sandbox, Origin.OLD, port, asked_after=asked_after)
        return outcome.value.token if isinstance(outcome.value, PreviewLink) else ""

    def token_asked_at(self, sandbox: Sandbox, port: int) -> float:
        """When old was last asked for it, monotonic."""
        return self.linked.asked_at((sandbox.on_old, port))

    async def may_use(self, sandbox: Sandbox, authorization: bytes, organization: bytes) -> bool:
        """Whether a client's key or JWT may use the sandbox, as the old origin sees it. Raises OriginFailed."""
        digest = hashlib.sha256(authorization).hexdigest()
        if sandbox.twin is not None and knows(sandbox.twin, authorization, self.clock.monotonic()):
            return True
        if not sandbox.on_old:
            return False
        headers = [(b"Authorization", authorization)]
        if organization:
            headers.append((b"X-Daytona-Organization-ID", organization))

        async def ask() -> bool:
            if not self.strangers.take():
                raise OriginFailed("too many keys that nobody knows are shown", 429)
            there = quote(sandbox.on_old, safe="")
            # What Daytona's own proxy asks; servers from before it know the second only.
            status = await self._status(f"/preview/{there}/access", headers)
            if status == 404:
                status = await self._status(f"/sandbox/{there}", headers)
            return status == 200

        return await self.allowed.get((sandbox.id, digest), ask)

    async def _status(self, path: str, headers: Headers) -> int:
        parts = urlsplit(self.old_url)
        request = UpstreamRequest(
            origin=Origin.OLD,
            purpose=Purpose.VALIDATE,
            method="GET",
            base=f"{parts.scheme}://{parts.netloc}",
            target=parts.path.rstrip("/") + path,
            headers=[*headers, (b"X-Crossfade-Purpose", b"validate")],
            idle_seconds=_ANSWER_SECONDS,
        )
        try:
            response = await self.upstream.send(request)
            await response.read(_ANSWER_LIMIT)
        except UpstreamFailed as error:
            raise OriginFailed(f"the key cannot be checked: {error}") from error
        if response.status >= 500 or response.status in _BUSY:
            raise OriginFailed(f"the key cannot be checked: old answered {response.status}")
        return response.status


def knows(twin: Twin, authorization: bytes, now: float) -> bool:
    """Whether this is a key that made the sandbox, or that old accepted for it lately."""
    digest = hashlib.sha256(authorization).hexdigest()
    return digest == twin.row.owner or twin.keys.get(digest, 0.0) > now


def _kept(outcome: Outcome) -> float:
    return ACCEPTED_SECONDS if outcome.ok else REFUSED_SECONDS
