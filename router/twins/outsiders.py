"""Somebody writes to a sandbox past the router, or may: its seat stays; nothing known of it outlives a call (P16)."""

import logging

from crossfade.errors import Unreachable
from router.twins.registry import Registry
from router.twins.settle import rejoin
from router.twins.state import Twin

log = logging.getLogger("crossfade.outsiders")
SSH = "ssh access was given out: what is written by it comes past the router"
DRIFTED = "its sides differed more than once though believed equal: somebody writes past the router"


async def distrust(registry: Registry, twin: Twin, why: str) -> None:
    """From now on, until `crossfade twins trust`. With the store away it holds in this process, and is logged."""
    if twin.row.bypass:
        return
    rejoin(twin)
    log.warning("written past the router, or may be", extra={"sandbox": twin.id, "reason": why})
    try:
        await registry.change(twin, bypass=True, held=why)
    except Unreachable as error:
        log.error("that it is distrusted is not written", extra={"sandbox": twin.id, "reason": str(error)})
