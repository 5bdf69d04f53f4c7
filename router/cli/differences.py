"""What the commands of `crossfade diffs` read and say: the store's kinds in one view."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crossfade.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossfade.judgement import Judgement, Saying
    from router.store.database import Database
    from router.store.queries import SampleRow
    from router.store.standings import Kind


class Differences:
    """The kinds of difference of an open store, as they stand at one moment."""

    def __init__(self, database: Database, now: float) -> None:
        from comparators.judging import Judged
        from router.store.judgements import SqlJudgements
        from router.store.standings import kinds

        self.now = now
        self._database, self._said = database, SqlJudgements(database)
        self.judgements = self._said.read()
        self.judged = Judged(self.judgements)
        with database.reading() as connection:
            self.kinds = kinds(connection, self.judged, now)

    def samples(self, name: str) -> Sequence[SampleRow]:
        """The newest differences of a kind, of all tools."""
        from router.store.queries import samples_of

        return samples_of(self._database, name)

    def make(self, saying: Saying, subject: str, **said: Any) -> Judgement:
        """A judgement of this moment, not kept yet."""
        return self._said.make(saying, subject, **said)

    def effect(self, judgement: Judgement) -> int:
        """How many recorded calls would count less (positive) or again (negative)."""
        from comparators.judging import Judged
        from router.store.explained import explained

        with self._database.reading() as connection:
            before, after = (
                sum(each.calls for each in explained(connection, judged, first=0, now=self.now).values())
                for judged in (self.judged, Judged([*self.judgements, judgement]))
            )
        return after - before

    def add(self, judgement: Judgement) -> None:
        """Keep it."""
        self._said.add(judgement)


@contextlib.contextmanager
def opened(config: str | None, store: str | None) -> Iterator[Differences]:
    """The kinds of the store named, or the settings'. Raises Unreachable, Refused, SettingsError."""
    from router.cli.report import store_url
    from router.store.database import open_database

    database = open_database(store_url(config, store), create=False)
    try:
        yield Differences(database, time.time())
    finally:
        database.close()


def kind_named(differences: Differences, name: str) -> Kind:
    """The kind of that name. Raises SettingsError with names that are close."""
    kinds = {kind.name: kind for kind in differences.kinds}
    if name in kinds:
        return kinds[name]
    close = difflib.get_close_matches(name, kinds, n=3, cutoff=0.4)
    meant = f"; did you mean {' or '.join(repr(each) for each in close)}?" if close else ""
    raise SettingsError(f"no kind '{shown(name)}' was seen in the last 60 days{meant}")


def until_of(text: str, *, now: float) -> float:
    """The end of a rule in Unix seconds: `30d`, or a date, whose day still belongs to it. Raises SettingsError."""
    from comparators.judging import LONGEST_DAYS

    if days := re.fullmatch(r"(\d{1,4})d", text):
        end = now + float(days[1]) * 86_400
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise SettingsError(f"--until '{text}' is no end; write 30d or a date such as 2026-12-24") from None
        end = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() + 86_400 * (len(text) == 10)
    if not now < end <= now + LONGEST_DAYS * 86_400 + 86_400:
        raise SettingsError(f"--until '{text}' must lie ahead, and at most {LONGEST_DAYS} days: a rule is not for ever")
    return end


def found(effect: int) -> str:
    """An effect in words."""
    if effect < 0:
        return f"{-effect:,} recorded calls count again"
    return f"{effect:,} recorded calls no longer count as differing"


def plain(kind: Kind) -> dict[str, Any]:
    """A kind as JSON."""
    standing = kind.standing
    return {
        "signature": kind.name,
        "severity": kind.severity,
        "state": str(standing.state),
        "because": standing.because,
        "judgement": dataclasses.asdict(standing.judgement) if standing.judgement else None,
        "tools": list(kind.tools),
        "calls": kind.count,
        "first_seen": kind.first_seen,
        "last_seen": kind.last_seen,
    }


def day(at: float | None) -> str:
    """A moment, to the minute."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" if at is not None else "-"


def shown(text: str) -> str:
    """Text whose control characters cannot steer the reader's terminal."""
    return text if text.isprintable() else ascii(text)
