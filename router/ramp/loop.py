"""The minute: every running ramp is looked at, on a thread, for as long as the router runs."""

import asyncio
import logging
from collections.abc import Callable

from crossfade.errors import CrossfadeError
from router.ramp.pilot import Pilot

log = logging.getLogger("crossfade.ramp")
SECONDS = 60.0


async def ramping(pilot: Pilot, *, may: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Runs until it is cancelled. `may`: not while the router drains, for it could not see what its step does."""
    while True:
        await asyncio.sleep(max(0.05, seconds))
        if not may():
            continue
        try:
            await asyncio.to_thread(pilot.evaluate)
        except CrossfadeError as error:  # the store is away: nothing can be decided, and nothing is
            log.warning("ramps cannot be looked at", extra={"reason": str(error)})
        except Exception:  # an edge: a defect in one minute must not end all others
            log.exception("ramps cannot be looked at")
