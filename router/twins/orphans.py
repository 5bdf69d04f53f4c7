"""Orphans: sandboxes that carry our label and that no twin owns any more, on either side (twins.md P17).

A provider bills for them until somebody looks. Nothing is removed by itself: only what a twin of this store has left
behind is ours without doubt; anything else may belong to another router with the same account.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from crossfade.operation import Operation
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from crossfade.upstream import Purpose
from router.twins.reaper import NONCE
from router.twins.registry import Registry
from router.twins.sides import Sides

_TWIN = "dt_id"  # the label that names the client-visible sandbox
_YOUNG_SECONDS = 3600.0  # longer than a lost create is looked for
_SECONDS = 120.0


class Why(StrEnum):
    """Why nobody owns it."""

    DELETED = "its twin was deleted"
    LOST = "the create that made it was lost"
    SECOND = "its twin has another one"
    UNKNOWN = "no twin of this store knows it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A sandbox that nobody owns. `twin`: the sandbox that it was made for, as its label says."""

    origin: Origin
    id: str
    twin: str
    why: Why
    state: str
    created_at: str  # as its provider says it

    @property
    def ours(self) -> bool:
        """Whether it was left behind by a twin of this store, so that nobody else can want it."""
        return self.why is not Why.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found; `unread`: sides that could not be asked, with the reason."""

    orphans: tuple[Orphan, ...]
    unread: dict[Origin, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Orphans:
    """Looks for them, and removes them on somebody's word."""

    registry: Registry
    sides: Sides

    async def find(self) -> Found:
        """All of them, changing nothing. Raises Unreachable where the store does not answer."""
        listed = await asyncio.gather(*(self._labelled(origin) for origin in Origin))
        # Read after the lists: whatever they hold had its intent on disk before it was made.
        rows = {row.id: row for row in await self.registry.rows.load()}
        rows |= {twin.id: twin.row for twin in self.registry}
        known = _Known(list(rows.values()), self.sides.clock.now())
        found: list[Orphan] = []
        unread: dict[Origin, str] = {}
        for origin, infos in zip(Origin, listed, strict=True):
            if isinstance(infos, str):
                unread[origin] = infos
                continue
            for info in infos:
                if (why := known.why(origin, info)) is not None:
                    found.append(_orphan(origin, info, why))
        return Found(orphans=tuple(found), unread=unread)

    async def remove(self, orphans: Collection[Orphan]) -> dict[str, str]:
        """Delete them, one after the other. What each got: "deleted", or why it is still there."""
        told: dict[str, str] = {}
        for each in orphans:
            delete = Operation(name="sandbox.delete", sandbox=each.id)
            try:
                async with asyncio.timeout(_SECONDS):
                    outcome = await self.sides.backends[each.origin].perform(delete, Purpose.KEEPER)
            except TimeoutError:
                told[each.id] = "no answer"
                continue
            gone = outcome.ok or outcome.status == 404
            told[each.id] = "deleted" if gone else f"{outcome.status} {outcome.message}"
        return told

    async def _labelled(self, origin: Origin) -> Sequence[SandboxInfo] | str:
        """Sandboxes that carry our label, or why nobody knows."""
        try:
            async with asyncio.timeout(_SECONDS):
                outcome = await self.sides.backends[origin].perform(Operation(name="sandbox.list"), Purpose.KEEPER)
        except TimeoutError:
            return "no answer"
        if not outcome.ok:
            return f"{outcome.status} {outcome.message}"
        return [each for each in outcome.value if each.labels.get(NONCE)]


class _Known:
    """What the store knows of sandboxes on both sides."""

    def __init__(self, rows: Sequence[TwinRow], now: float) -> None:
        self._now = now
        self._by_nonce = {row.nonce: row for row in rows if row.nonce}
        alive = [row for row in rows if row.follower is not FollowerState.GONE]
        self._owned = {(Origin(origin), there) for row in alive for origin, there in row.ids.items()}

    def why(self, origin: Origin, info: SandboxInfo) -> Why | None:
        """Why nobody owns it; None where somebody does, or may yet."""
        if (origin, info.id) in self._owned:
            return None
        row = self._by_nonce.get(info.labels[NONCE])
        if row is not None and row.follower is FollowerState.GONE:
            return Why.DELETED
        if row is None:
            return Why.UNKNOWN
        if row.follower in (FollowerState.CREATING, FollowerState.DELETING) or self._young(info):
            return None  # on its way, or looked for by those who lost it
        return Why.SECOND if origin in row.ids else Why.LOST

    def _young(self, info: SandboxInfo) -> bool:
        try:
            made = datetime.fromisoformat(info.created_at).timestamp()
        except ValueError:
            return True
        return self._now - made < _YOUNG_SECONDS


def _orphan(origin: Origin, info: SandboxInfo, why: Why) -> Orphan:
    twin = str(info.labels.get(_TWIN, ""))
    return Orphan(origin=origin, id=info.id, twin=twin, why=why, state=info.state, created_at=info.created_at)
