"""Flags of a LaunchDarkly account as routers saw them, for reports: which arm a sandbox was drawn for."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Column, Connection, Float, Integer, MetaData, String, Table, Text, insert, select

from router.store.database import Database
from router.store.flags import FlagChange, SqlFlagRows

AUTHOR = "LaunchDarkly"
_ours = MetaData()
# Made when it is first needed, so that a store of an earlier program gets it too; an earlier program does not mind it.
_table = Table(
    "flags_seen",
    _ours,
    Column("key", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("body", Text, nullable=False),
)
# Which source the routers of this store go by since when; the newest counts.
_sources = Table("flag_sources", _ours, Column("at", Float, primary_key=True), Column("source", String, nullable=False))


class SqlSeenFlags:
    """What was seen, in the store. Methods block and raise Unreachable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, source: str, flags: Mapping[str, Mapping[str, Any]], now: float) -> None:
        """The flags a router goes by at this moment (Unix seconds), and whose they are: embedded or launchdarkly.

        Those of an account are kept, each version once; our own have a history of their own.
        """
        with self._database.writing() as connection:
            _ours.create_all(connection, checkfirst=True)
            if _source(connection) != source:
                connection.execute(insert(_sources).values(at=now, source=source))
            if source == "embedded":
                return
            known = {(row.key, row.version) for row in connection.execute(select(_table.c.key, _table.c.version))}
            rows = [
                {"key": key, "version": flag["version"], "at": now, "body": orjson.dumps(dict(flag)).decode()}
                for key, flag in flags.items()
                # Version 0: not there, or without its like in the account.
                if flag.get("version") and (key, flag["version"]) not in known
            ]
            if rows:
                connection.execute(insert(_table), rows)

    def source(self) -> str:
        """Whose flags the routers go by, as last noted; embedded where nothing was."""
        with self._database.reading() as connection:
            if not connection.dialect.has_table(connection, _sources.name):
                return "embedded"
            return _source(connection) or "embedded"

    def history(self, *, before: float | None = None, limit: int) -> Sequence[FlagChange]:
        """Changes of the account's flags as they came to routers, newest first."""
        query = select(_table).order_by(_table.c.at, _table.c.version)
        if before is not None:
            query = query.where(_table.c.at < before)
        with self._database.reading() as connection:
            if not connection.dialect.has_table(connection, _table.name):
                return ()
            rows = connection.execute(query).all()
        last: dict[str, Mapping[str, Any]] = {}
        changes = []
        for seq, row in enumerate(rows, start=1):
            after = orjson.loads(row.body)
            why = f"version {row.version}"
            before_it = last.get(row.key)
            changes.append(
                FlagChange(seq=seq, at=row.at, key=row.key, author=AUTHOR, reason=why, before=before_it, after=after)
            )
            last[row.key] = after
        return list(reversed(changes))[:limit]


def known_flags(
    database: Database, *, before: float | None = None, limit: int
) -> tuple[Mapping[str, Mapping[str, Any]], Sequence[FlagChange]]:
    """The flags of now and their changes, newest first, of whichever source the routers go by. Raises Unreachable."""
    seen = SqlSeenFlags(database)
    if seen.source() == "embedded":
        rows = SqlFlagRows(database)
        return rows.read()[1], rows.history(before=before, limit=limit)
    latest = {change.key: change.after for change in reversed(seen.history(limit=limit))}
    return latest, seen.history(before=before, limit=limit)


def _source(connection: Connection) -> str | None:
    found = connection.execute(select(_sources.c.source).order_by(_sources.c.at.desc()).limit(1)).scalar()
    return None if found is None else str(found)
