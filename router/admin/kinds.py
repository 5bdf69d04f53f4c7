"""The kinds of difference of a store as they stand, and what may be said of them."""

import dataclasses
import difflib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from comparators.judging import LONGEST_DAYS, Judged, too_broad, unexplainable
from crossfade.errors import Refused, SettingsError
from crossfade.judgement import Judgement, Saying
from router.store.database import Database
from router.store.explained import explained
from router.store.judgements import SqlJudgements
from router.store.queries import SampleRow, samples_of
from router.store.span import Span
from router.store.standings import Kind, kinds


class Differences:
    """The kinds of difference of an open store, as they stand at one moment."""

    def __init__(self, database: Database, now: float) -> None:

        self.now = now
        self._database, self._said = database, SqlJudgements(database)
        self.judgements = self._said.read()
        self.judged = Judged(self.judgements)
        with database.reading() as connection:
            self.kinds = kinds(connection, self.judged, now)

    def samples(self, name: str) -> Sequence[SampleRow]:
        """The newest differences of a kind, of all tools."""
        return samples_of(self._database, name)

    def make(self, saying: Saying, subject: str, **said: Any) -> Judgement:
        """A judgement of this moment, not kept yet."""
        return self._said.make(saying, subject, **said)

    def effect(self, judgement: Judgement) -> int:
        """How many recorded calls would count less (positive) or again (negative)."""
        with self._database.reading() as connection:
            before, after = (
                sum(each.calls for each in explained(connection, judged, span=Span(0), now=self.now).values())
                for judged in (self.judged, Judged([*self.judgements, judgement]))
            )
        return after - before

    def add(self, judgement: Judgement) -> None:
        """Keep it."""
        self._said.add(judgement)


def kind_named(differences: Differences, name: str) -> Kind:
    """The kind of that name. Raises SettingsError with names that are close."""
    kinds = {kind.name: kind for kind in differences.kinds}
    if name in kinds:
        return kinds[name]
    close = difflib.get_close_matches(name, kinds, n=3, cutoff=0.4)
    meant = f"; did you mean {' or '.join(repr(each) for each in close)}?" if close else ""
    raise SettingsError(f"no kind '{printable(name)}' was seen in the last 60 days{meant}")


def judged(
    differences: Differences,
    saying: Saying,
    subject: str,
    *,
    author: str,
    reason: str,
    owner: str = "",
    until: str = "",
) -> Judgement:
    """What is to be said, not kept yet. `until`, `owner`: of an ignore rule. Raises Refused, SettingsError."""
    match saying:
        case Saying.ACCEPT | Saying.FIXED:
            kind = kind_named(differences, subject)
            if saying is Saying.ACCEPT and (refusal := unexplainable(kind.name)):
                raise Refused(f"'{printable(kind.name)}' cannot be accepted: {refusal}")
            return differences.make(saying, kind.name, author=author, reason=reason, severity=kind.severity)
        case Saying.IGNORE:
            if refusal := too_broad(subject, [(kind.name, kind.severity) for kind in differences.kinds]):
                raise Refused(f"the rule '{printable(subject)}' is refused: {refusal}")
            if not owner.strip():
                raise SettingsError("a rule needs an owner: somebody who answers for it when it ends")
            end = until_of(until, now=differences.now)
            return differences.make(saying, subject, author=author, reason=reason, owner=owner.strip(), until=end)
        case Saying.REOPEN:
            _must_be_said(differences, subject)
            return differences.make(saying, subject, author=author, reason=reason)


def _must_be_said(differences: Differences, subject: str) -> None:
    rule = next((rule for rule in differences.judged.rules(differences.now) if rule.subject == subject), None)
    if rule is not None or differences.judged.named(subject) is not None:
        return
    standing = kind_named(differences, subject).standing
    covered = standing.judgement.subject if standing.judgement and standing.explained else ""
    raise Refused(
        f"'{printable(subject)}' is ignored by the rule '{printable(covered)}': reopen that"
        if covered
        else f"nothing was said of '{printable(subject)}' that could be taken back"
    )


def until_of(text: str, *, now: float) -> float:
    """The end of a rule in Unix seconds: `30d`, or a date, whose day still belongs to it. Raises SettingsError."""
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


def printable(text: str) -> str:
    """Text whose control characters cannot steer the reader's terminal."""
    return text if text.isprintable() else ascii(text)
