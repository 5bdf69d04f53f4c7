"""Differing calls counted by all their kinds together, so that later words on a kind can excuse whole calls."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

import orjson
from sqlalchemy import Connection

from comparators.signatures import signature
from crossfade.comparison import Severity
from crossfade.record import Record
from router.store import schema
from router.store.bulk import BulkInsert
from router.store.fold import CLIENT_WENT_AWAY, NAME_LIMIT, differs, hour_of, parity

# What does not fit is not counted here, and so cannot be excused: that errs on the safe side.
_MOST_KINDS = 20  # of one call; a comparison keeps 40 of them, and of a cut list nobody knows the rest
_MOST_SETS = 200  # per tool and hour in one batch
_MOST_SANDBOXES = 2_000  # rows in one batch
_KIND_SETS = BulkInsert(schema.kind_sets, adds=("calls", "contract", "new_failed"), replaces=("names",))
_SANDBOX_KINDS = BulkInsert(schema.sandbox_kinds, adds=("calls",))

Names = tuple[tuple[str, str], ...]  # (signature, severity)


class KindSets:
    """What a batch of records adds to kind_sets and to sandbox_kinds."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._sets: dict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        self._names: dict[str, str] = {}
        self._sandboxes: Counter[tuple[int, str, str, str]] = Counter()
        self._sets_of: Counter[tuple[int, str]] = Counter()
        for record in records:
            if record.matched is False and differs(record):
                self._add(record)

    def write(self, connection: Connection) -> None:
        """Add the rows. Raises what the database does."""
        _KIND_SETS.run(connection, [(*key, self._names[key[2]], *counts) for key, counts in self._sets.items()])
        _SANDBOX_KINDS.run(connection, [(*key, calls) for key, calls in self._sandboxes.items()])

    def _add(self, record: Record) -> None:
        names = kinds_of(record)
        if not names:
            return
        hour, kinds = hour_of(record.at), self._key(names)
        if (hour, record.tool, kinds) not in self._sets:
            if self._sets_of[hour, record.tool] >= _MOST_SETS:
                return
            self._sets_of[hour, record.tool] += 1
        counts = self._sets[hour, record.tool, kinds]
        counts[0] += 1
        counts[1] += record.severity == Severity.CONTRACT
        counts[2] += _new_failed(record)
        # As text, whatever bytes a client names a sandbox by, like in sandbox_hours.
        place = hour, record.tool, record.sandbox.encode("utf-8", "replace").decode(), kinds
        if record.sandbox and (place in self._sandboxes or len(self._sandboxes) < _MOST_SANDBOXES):
            self._sandboxes[place] += 1

    def _key(self, names: Names) -> str:
        text = orjson.dumps(names).decode()
        key = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        self._names[key] = text
        return key


def kinds_of(record: Record) -> Names:
    """The kinds for which a call counts as differing, each with its severity; nothing where they are not all known."""
    if len(record.signatures) > _MOST_KINDS:
        return ()
    severities: dict[str, str] = {}
    for difference in record.differences:
        severities.setdefault(signature(record.operation, difference), str(difference.severity))
    # A kind whose sample was capped away is taken to be as bad as the worst.
    found = {name: severities.get(name, record.severity) for name in record.signatures}
    counted = {(name[:NAME_LIMIT], severity) for name, severity in found.items() if severity != Severity.COSMETIC}
    return tuple(sorted(counted))


def names_of(text: str) -> Names:
    """The names of a row of kind_sets."""
    return tuple((name, severity) for name, severity in orjson.loads(text))


def _new_failed(record: Record) -> bool:
    counted = record.shadow_fate and record.answering in ("old", "new") and record.status != CLIENT_WENT_AWAY
    return bool(counted) and parity(record) == "new_failed"
