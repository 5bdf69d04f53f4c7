"""The overseer: what looks at the running router each minute, beside its answering."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Protocol

from router.admin.desk import desk_of
from router.admin.ramps import DeskBoard, facts_of
from router.admin.reporting import evidence
from router.admin.running import measuring
from router.flags.embedded import EmbeddedFlags
from router.ramp.loop import ramping
from router.ramp.pilot import Pilot
from router.settings import Settings
from router.store.audit import SqlAudit
from router.store.database import Database
from router.store.flags import SqlFlagRows
from router.store.ramps import SqlRamps
from router.tasks import spawn
from router.twins.registry import Registry


class Overseen(Protocol):
    """The parts of a router that are looked at."""

    settings: Settings
    registry: Registry
    database: Database
    flags: EmbeddedFlags
    draining: bool


def pilot_of(app: Overseen) -> Pilot:
    """Ramps of this router's store, turning the flags that its settings name."""
    database, audit = app.database, SqlAudit(app.database)
    return Pilot(
        ramps=SqlRamps(database),
        board=DeskBoard(desk_of(app.settings.flags, app.flags, SqlFlagRows(database), audit)),
        evidence=lambda since, now: evidence(database, since=since, now=now),
        facts=lambda: facts_of(app.registry),
        trail=audit,
        now=time.time,
    )


@contextlib.asynccontextmanager
async def overseeing(app: Overseen, pilot: Pilot) -> AsyncIterator[None]:
    """Looks for as long as it is entered."""
    # A router that drains could not see what its step does.
    work = ramping(pilot, may=lambda: not app.draining, seconds=app.settings.ramp.every_seconds)
    keep = app.settings.store.keep_rollups_days * 86_400
    tasks = [spawn(work, name="ramps"), spawn(measuring(app.registry, app.database, keep_seconds=keep), name="running")]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=5)
