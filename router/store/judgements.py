"""What people said of kinds of difference: append-only."""

import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, insert, select

from crossfade.judgement import Judgement, Saying
from router.store import schema
from router.store.database import Database


class SqlJudgements:
    """Judgements in the store. Safe with other processes reading and writing."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    def read(self) -> Sequence[Judgement]:
        """All that was ever said, oldest first. Raises Unreachable."""
        with self._database.reading() as connection:
            return judgements(connection)

    def make(
        self,
        saying: Saying,
        subject: str,
        *,
        author: str,
        reason: str,
        owner: str = "",
        severity: str = "",
        until: float | None = None,
    ) -> Judgement:
        """A judgement as it would be kept, at this moment."""
        return Judgement(
            at=self._now(),
            saying=saying,
            subject=subject,
            author=author,
            reason=reason,
            owner=owner,
            severity=severity,
            until=until,
        )

    def add(self, judgement: Judgement) -> None:
        """Keep it; it is on disk when this returns. Raises Unreachable."""
        with self._database.writing_durably() as connection:
            connection.execute(
                insert(schema.judgements).values(
                    at=judgement.at,
                    saying=str(judgement.saying),
                    subject=judgement.subject,
                    author=judgement.author,
                    owner=judgement.owner,
                    reason=judgement.reason,
                    severity=judgement.severity,
                    until=judgement.until,
                )
            )


def judgements(connection: Connection) -> Sequence[Judgement]:
    """All that was ever said, oldest first, in a reader's own view."""
    rows = connection.execute(select(schema.judgements).order_by(schema.judgements.c.seq)).all()
    return [
        Judgement(
            at=row.at,
            saying=Saying(row.saying),
            subject=row.subject,
            author=row.author,
            reason=row.reason,
            owner=row.owner,
            severity=row.severity,
            until=row.until,
        )
        for row in rows
    ]
