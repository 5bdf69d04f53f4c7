"""Client keys: checked before any call that the old origin does not check itself (design §10)."""

import hashlib
from collections.abc import Container, Iterable
from dataclasses import dataclass
from functools import lru_cache

from crossfade.stage import Origin
from crossfade.upstream import Purpose, Upstream, UpstreamRequest
from router.engine.call import Call
from router.engine.old import OldAddresses
from router.twins.state import Twin
from router.wire import headers as rules

ACCEPTED_SECONDS = 300.0
_LIMIT = 1_048_576
# Headers of the client's call that say nothing about its right and must not go with the question.
_ABOUT_BODY = (b"content-length", b"content-type", b"content-encoding", b"accept-encoding", b"sec-websocket-key",
               b"sec-websocket-version", b"sec-websocket-extensions", b"sec-websocket-protocol")  # fmt: skip


class KeyRefused(Exception):
    """The old origin refused the key: its own answer, to be passed on."""

    def __init__(self, *, status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> None:
        super().__init__(f"key refused with {status}")
        self.status, self.headers, self.body = status, headers, body


@lru_cache(maxsize=1024)
def digest(authorization: bytes) -> str:
    """What is kept of a key."""
    return hashlib.sha256(authorization).hexdigest()


def digests(keys: Iterable[str]) -> frozenset[str]:
    """Of keys as settings have them: a client sends each as a bearer."""
    return frozenset(digest(b"Bearer " + key.encode()) for key in keys if key)


@dataclass(slots=True)
class Keys:
    """Which client keys may use which twin: the creator's, those the old origin accepted lately, and `always`.

    `always` and `never` are digests of keys that the settings name: good although old cannot be asked, and leaked.
    """

    upstream: Upstream
    old: OldAddresses
    always: Container[str] = frozenset()
    never: Container[str] = frozenset()

    def accept(self, call: Call, twin: Twin, now: float) -> None:
        """The old origin has just answered this key for this sandbox."""
        if authorization := call.fields.get(b"authorization"):
            twin.keys[digest(authorization)] = now + ACCEPTED_SECONDS

    async def check(self, call: Call, twin: Twin, now: float) -> None:
        """Returns when the key is good. Raises KeyRefused with the old origin's answer, or UpstreamFailed."""
        key = digest(call.fields.get(b"authorization", b""))
        if key in self.never:
            raise KeyRefused(status=401, headers=(), body=b"")
        if key == twin.row.owner or key in self.always or twin.keys.get(key, 0.0) > now:
            return
        if Origin.OLD not in twin.row.ids:
            raise KeyRefused(status=401, headers=(), body=b"")
        await self._ask_old(call, f"/api/sandbox/{twin.row.ids[Origin.OLD]}")
        self.accept(call, twin, now)

    async def known_to_old(self, call: Call) -> None:
        """Returns when the old origin takes this key at all, or the settings do. Raises KeyRefused, UpstreamFailed."""
        key = digest(call.fields.get(b"authorization", b""))
        if key in self.never:
            raise KeyRefused(status=401, headers=(), body=b"")
        if key in self.always:
            return
        await self._ask_old(call, "/api/sandbox?limit=1")

    async def _ask_old(self, call: Call, path: str) -> None:
        base, target = self.old.control(path)
        request = UpstreamRequest(
            origin=Origin.OLD,
            purpose=Purpose.VALIDATE,
            method="GET",
            base=base,
            target=target,
            headers=[*rules.to_origin(call.headers, drop=_ABOUT_BODY), (b"X-Crossfade-Purpose", b"validate")],
            idle_seconds=30,
        )
        response = await self.upstream.send(request)
        body = await response.read(_LIMIT)
        if response.status != 200:
            raise KeyRefused(
                status=response.status,
                headers=tuple(rules.to_client(response.headers, drop=(b"content-length",))),
                body=body,
            )
