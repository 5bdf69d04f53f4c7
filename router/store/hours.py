"""One tool's evidence by the hour, for a line over time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from comparators.judging import Judged
from router.store import schema
from router.store.database import Database
from router.store.explained import explained_by_hour
from router.store.fold import HOUR
from router.store.judgements import judgements


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceHour:
    """What was compared in the hour that began at `hour` (Unix seconds). `differing`: what counts as such."""

    hour: int
    calls: int
    on_new: int
    compared: int
    differing: int


def evidence_hours(database: Database, tool: str, since: float = 0.0) -> Sequence[EvidenceHour]:
    """The hours in which the tool was called, oldest first. Raises Unreachable."""
    table = schema.rollups
    names = ("calls", "compared", "matched", "cosmetic")
    query = (
        select(
            table.c.hour,
            *(func.sum(table.c[name]).label(name) for name in names),
            func.sum(table.c.calls).filter(table.c.answering == "new").label("on_new"),
        )
        .where(table.c.tool == tool, table.c.hour >= int(since // HOUR) * HOUR)
        .group_by(table.c.hour)
        .order_by(table.c.hour)
    )
    with database.reading() as connection:
        rows = connection.execute(query).all()
        judged = Judged(judgements(connection))
        excused = explained_by_hour(connection, judged, tool, first=int(since // HOUR) * HOUR, now=time.time())
    return [
        EvidenceHour(
            hour=row.hour,
            calls=int(row.calls),
            on_new=int(row.on_new or 0),
            compared=int(row.compared),
            differing=int(row.compared - row.matched - row.cosmetic) - excused.get(row.hour, 0),
        )
        for row in rows
    ]
