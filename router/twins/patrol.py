"""The patrol: now and then two trees that are believed equal are compared by content, whole. Off the answering path."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from crossfade.errors import CrossfadeError
from router.twins.keeper import Keeper
from router.twins.outsiders import DRIFTED, distrust
from router.twins.settle import SettleFailed, rejoin
from router.twins.state import Twin
from router.wire.headers import call_id

log = logging.getLogger("crossfade.patrol")
_HOUR = 3_600.0
_SECONDS = 120.0  # for one comparison
_HELD = 2  # times that a sandbox differed, after which somebody writes to it past us

# Writes down that a twin's trees differed (its id, paths) though nothing said so. Blocks, so it is asked on a thread.
Tell = Callable[[str, Sequence[str]], None]


@dataclass(slots=True, eq=False)
class Patrol:
    """One router's. `results`: of each look, "equal", "differing", "moved" (a call came in) or "failed"."""

    keeper: Keeper
    tell: Tell
    per_hour: float
    chance: random.Random = field(default_factory=random.Random)
    results: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)  # how often each sandbox differed

    async def run(self) -> None:
        """Look for ever."""
        call_id.set("")
        while True:
            # Not all routers at the same minute.
            await asyncio.sleep(_HOUR / self.per_hour * self.chance.uniform(0.5, 1.5))
            try:
                await self.look()
            except Exception:  # an edge: a look that fails is no reason to look no more
                log.exception("two sides could not be compared")

    async def look(self) -> None:
        """Compare one twin that is believed equal, chosen by chance. One that differs is told of and settled anew."""
        found = [twin for twin in self.keeper.registry if self._believed(twin)]
        if not found:
            return
        twin = self.chance.choice(found)
        paths = await self._differing(twin)
        if paths:
            # Once more: what one look saw half of, the other sees whole.
            paths = await self._differing(twin)
        if not paths:
            return
        self.results["differing"] += 1
        log.error("two sides that were believed equal differ", extra={"sandbox": twin.id, "differing": len(paths)})
        self.found[twin.id] += 1
        if self.found[twin.id] >= _HELD:
            await distrust(self.keeper.registry, twin, DRIFTED)
        rejoin(twin)
        self.keeper.settle_soon(twin)
        try:
            await asyncio.to_thread(self.tell, twin.id, paths)
        except CrossfadeError as error:
            log.error("that they differed is not written down", extra={"sandbox": twin.id, "reason": str(error)})

    def _believed(self, twin: Twin) -> bool:
        """Whether its trees are said to be equal. Past a bypass they are never (P16)."""
        quiet = not twin.open and not twin.settling and not twin.transitions and not twin.stopped
        return (
            quiet and not twin.row.bypass and not twin.unsettled() and twin.clean(self.keeper.sides.clock.monotonic())
        )

    async def _differing(self, twin: Twin) -> tuple[str, ...]:
        """Paths that differ; none also where it moved meanwhile or could not be read."""
        gen, mutations = twin.gen, twin.mutations
        try:
            async with asyncio.timeout(_SECONDS), self.keeper.parallel:
                paths = await self.keeper.settler.differing(twin)
        except (SettleFailed, TimeoutError):
            self.results["failed"] += 1
            return ()
        if (twin.gen, twin.mutations) != (gen, mutations) or not self._believed(twin):
            self.results["moved"] += 1
            return ()
        if not paths:
            self.results["equal"] += 1
        return paths
