"""Measures how long sandboxes run: each minute, every twin's side that is there and not stopped, as far as we know."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable

from crossfade.errors import CrossfadeError
from crossfade.twin import FollowerState
from router.store.database import Database
from router.store.running import add_running, forget_running
from router.twins.state import Twin

log = logging.getLogger("crossfade.running")
_EVERY_SECONDS = 60.0
_RUNNING = (FollowerState.FILLING, FollowerState.JOINED, FollowerState.DETACHED, FollowerState.QUARANTINED)


def sandboxes_running(registry: Iterable[Twin]) -> Counter[tuple[str, str]]:
    """Sandboxes by (origin, role). A stopped twin's sides are both stopped."""
    found: Counter[tuple[str, str]] = Counter()
    for twin in registry:
        row = twin.row
        if row.stopped_at or twin.stopped:
            continue
        found[str(row.seat), "seat"] += 1
        if row.follower in _RUNNING and str(row.seat.other) in row.ids:
            found[str(row.seat.other), "follower"] += 1
    return found


async def measuring(
    registry: Iterable[Twin],
    database: Database,
    *,
    keep_seconds: float,
    seconds: float = _EVERY_SECONDS,
    now: Callable[[], float] = time.time,
) -> None:
    """Measure for ever. What a store does not take now is added with the next look."""
    waiting: Counter[tuple[str, str]] = Counter()
    looked, failing = time.monotonic(), False
    while True:
        await asyncio.sleep(seconds)
        # A machine that slept measured nothing meanwhile.
        passed, looked = min(time.monotonic() - looked, 2 * seconds), time.monotonic()
        for key, count in sandboxes_running(registry).items():
            waiting[key] += count * passed  # type: ignore[assignment]
        try:
            await asyncio.to_thread(add_running, database, now(), dict(waiting))
            await asyncio.to_thread(forget_running, database, now() - keep_seconds)
            waiting.clear()
            failing = False
        except CrossfadeError as error:
            if not failing:
                log.warning("running sandboxes are not written down", extra={"reason": str(error)})
            failing = True
