"""All twins: loaded at start, changed on disk before they are changed for calls."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from crossfade.ports import Clock, Twins
from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from router.twins.settle import rejoin
from router.twins.state import Twin

_DEAD = (FollowerState.GONE,)


@dataclass(slots=True, eq=False)
class Registry:
    """Twins by client-visible id. `rows` is where they are kept."""

    rows: Twins
    clock: Clock
    orphan_grace_seconds: float
    twins: dict[str, Twin] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)  # ids of the sandboxes that bear a name of their own

    async def load(self) -> None:
        """Read every row. Dirty twins restart with nothing trusted on the follower; the seat serves at once."""
        for row in await self.rows.load():
            if row.follower in _DEAD:
                continue
            twin = Twin(row=row, last_activity=self.clock.monotonic(), ran_at=-math.inf)
            # Of a sandbox on new alone ours is the only word on it; any other is asked for when it matters.
            alone = Origin.OLD not in row.ids and row.control.get("state") in ("stopped", "archived")
            twin.stopped = bool(row.stopped_at) or alone
            twin.baseline = None if row.baseline is None else Counter(row.baseline)
            twin.handles = {handle: Origin(origin) for handle, origin in row.handles.items()}
            if row.dirty or row.bypass or row.follower is not FollowerState.JOINED:
                rejoin(twin)
                # Requests of the router that died may still land there (P9).
                twin.unusable_until = self.clock.monotonic() + self.orphan_grace_seconds
            else:
                twin.clean_gen = twin.gen
            self.twins[row.id] = twin
            self._name(twin)

    def get(self, sandbox: str) -> Twin | None:
        return self.twins.get(sandbox)

    def named(self, name: str, organization: str | None = None) -> Twin | None:
        """The one sandbox of this name, in an organization if one is given. None: there is none, or more than one."""
        found = [twin for id in self.names.get(name, ()) if (twin := self.twins.get(id)) is not None]
        found = [twin for twin in found if organization is None or twin.row.organization == organization]
        return found[0] if len(found) == 1 else None

    def _name(self, twin: Twin) -> None:
        if (name := name_of(twin)) and self.twins.get(twin.id) is twin:
            self.names.setdefault(name, set()).add(twin.id)

    def __iter__(self) -> Iterator[Twin]:
        return iter(list(self.twins.values()))

    def __len__(self) -> int:
        return len(self.twins)

    def add(self, row: TwinRow) -> Twin:
        """A newborn twin, known to calls from now on; `change` makes it durable."""
        twin = Twin(row=row, last_activity=self.clock.monotonic())
        self.twins[row.id] = twin
        return twin

    async def change(self, twin: Twin, **changes: Any) -> None:
        """Change the row in memory and on disk; returns once it is durable."""
        if twin.marking:
            changes["dirty"] = True  # a mark is on its way to disk; saving the row must not undo it
        before, twin.row = twin.row.control, replace(twin.row, **changes)
        if twin.row.control is not before:
            self._name(twin)
        await self.rows.save(twin.row)

    async def mark_dirty(self, twin: Twin) -> None:
        """The durable mark: before the first upstream byte of a mutation. Callers at once share one commit."""
        twin.marking += 1
        try:
            await self.rows.mark_dirty(twin.id, True)
        finally:
            twin.marking -= 1
        twin.row = replace(twin.row, dirty=True)

    async def mark_clean(self, twin: Twin) -> None:
        """Take the mark back when the trees are equal and nothing is under way."""
        # In memory first: a mutation admitted while the disk is written then writes a mark of its own, after ours.
        twin.row = replace(twin.row, dirty=False)
        await self.rows.mark_dirty(twin.id, False)

    async def remove(self, twin: Twin) -> None:
        """Both sides are gone: keep the tombstone on disk, forget the twin."""
        await self.change(twin, follower=FollowerState.GONE)
        self.twins.pop(twin.id, None)
        if (ids := self.names.get(name_of(twin))) is not None:
            ids.discard(twin.id)
            if not ids:
                del self.names[name_of(twin)]


def name_of(twin: Twin) -> str:
    """The name it was given; empty where that is its id."""
    name = str(twin.row.control.get("name") or "")
    return "" if name == twin.id else name
