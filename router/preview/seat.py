"""What a preview means to its sandbox: it is served by the seat, and may change anything while it is open."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from crossfade.errors import Unreachable
from crossfade.ports import Clock
from crossfade.stage import Origin
from router import tasks
from router.twins.admit import Ask, admit, finish
from router.twins.birth import FENCE_SECONDS
from router.twins.keeper import Keeper
from router.twins.registry import Registry
from router.twins.state import Twin

log = logging.getLogger("crossfade.preview")
_WHOLE_TREE = frozenset(("/",))


@dataclass(slots=True, eq=False)
class Seated:
    """Admits preview calls to the seats of their twins."""

    registry: Registry
    keeper: Keeper
    missed: Callable[[Twin], None]  # hears of a mutation that the follower is not sent
    clock: Clock

    @contextlib.asynccontextmanager
    async def open(self, twin: Twin | None, *, mutates: bool) -> AsyncIterator[tuple[Origin, float]]:
        """The side that serves, for as long as the call is open, and the seconds spent waiting for a fence."""
        if twin is None:
            yield Origin.OLD, 0.0
            return
        waited = await _fences(twin)
        ask = Ask(wish=twin.seat, paths=_WHOLE_TREE, mutates=mutates, unbounded=mutates)
        go = admit(twin, ask, self.clock.monotonic())
        tasks.answering.set(None if twin.active else twin)
        try:
            if go.mark_dirty_first:
                await self._mark_dirty(twin)
            yield go.side, waited
        finally:
            finish(twin, go.call, equal=False)
            if mutates:
                self.missed(twin)
                self.keeper.settle_soon(twin)

    def active(self, twin: Twin | None) -> None:
        """Somebody looks at it now."""
        if twin is not None:
            twin.last_activity = self.clock.monotonic()

    async def _mark_dirty(self, twin: Twin) -> None:
        try:
            await self.registry.mark_dirty(twin)
        except Unreachable as error:
            log.error("dirty mark not written", extra={"sandbox": twin.id, "reason": str(error)})
            self.keeper.mark_later(twin)


async def _fences(twin: Twin) -> float:
    """Wait at the fences, each as long as its patience; then it is served where it is. Returns the seconds."""
    started = time.perf_counter()
    for fence in (twin.fence_process, twin.fence):
        if fence is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(twin.fence_seconds or FENCE_SECONDS):
                    await fence.wait()
    return time.perf_counter() - started
