"""Flags of the embedded source, and the append-only history of their changes."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, insert, select, update

from crossfade.errors import Conflict, SettingsError
from router.store import schema
from router.store.database import Database, open_database

_REVISION = "flags_revision"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagChange:
    """One change of a flag: who, why, and the flag before and after."""

    seq: int
    at: float  # Unix seconds
    key: str
    author: str
    reason: str
    before: Mapping[str, Any] | None  # None: the flag was made by this change
    after: Mapping[str, Any]


class SqlFlagRows:
    """Flags in the store, as LaunchDarkly flag JSON. Safe with other processes reading and writing."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now
        self._lock = threading.Lock()
        self._read: tuple[int, Mapping[str, Mapping[str, object]]] | None = None

    def read(self) -> tuple[int, Mapping[str, Mapping[str, object]]]:
        """(revision, flags by key). Cheap while nothing has changed. Raises Unreachable.

        A body that is no JSON object reads as a flag of that key and version with nothing in it, for the flags' schema
        to report: one broken row must not hide the others.
        """
        with self._database.reading() as connection:
            revision = _revision(connection)
            with self._lock:
                if self._read is not None and self._read[0] == revision:
                    return self._read
            rows = connection.execute(select(schema.flags)).all()
        read = revision, MappingProxyType({row.key: _stored(row.key, row.version, row.body) for row in rows})
        with self._lock:
            self._read = read
        return read

    def write(self, flag: Mapping[str, object], *, author: str, reason: str, expected_version: int | None) -> int:
        """Store one flag and its history line together. Returns the new revision of all flags.

        `expected_version` None means that the flag must be new. Raises Conflict, Unreachable, SettingsError.
        """
        key, version = str(flag.get("key", "")), flag.get("version")
        if not key:
            raise SettingsError('a flag needs a "key"')
        if version != (expected_version or 0) + 1:
            raise SettingsError(
                f"flag '{key}' has version {version!r}; a change of version {expected_version or 0} must be "
                f"version {(expected_version or 0) + 1}"
            )
        after = orjson.dumps(flag).decode()
        with self._database.writing_durably() as connection:
            row = connection.execute(select(schema.flags).where(schema.flags.c.key == key).with_for_update()).first()
            found = row.version if row else None
            if found != expected_version:
                raise Conflict(_conflict(key, found, expected_version))
            values = {"version": version, "body": after}
            if row is None:
                connection.execute(insert(schema.flags).values(key=key, **values))
            else:
                connection.execute(update(schema.flags).where(schema.flags.c.key == key).values(**values))
            connection.execute(
                insert(schema.flag_history).values(
                    at=self._now(), key=key, author=author, reason=reason, before=row.body if row else None, after=after
                )
            )
            revision = _revision(connection) + 1
            connection.execute(update(schema.meta).where(schema.meta.c.name == _REVISION).values(value=str(revision)))
        return revision

    def history(
        self, key: str | None = None, *, since: float = 0.0, before: float | None = None, limit: int = 100
    ) -> Sequence[FlagChange]:
        """The newest changes first, of one flag or of all. Raises Unreachable."""
        table = schema.flag_history
        query = select(table).where(table.c.at >= since).order_by(table.c.seq.desc()).limit(limit)
        if key is not None:
            query = query.where(table.c.key == key)
        if before is not None:
            query = query.where(table.c.at < before)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [
            FlagChange(
                seq=row.seq,
                at=row.at,
                key=row.key,
                author=row.author,
                reason=row.reason,
                before=None if row.before is None else _flag(row.before),
                after=_flag(row.after),
            )
            for row in rows
        ]

    def close(self) -> None:
        """Let go of the store."""
        self._database.close()


def open_flag_rows(url: str, *, create: bool = True) -> SqlFlagRows:
    """The flags of the store at a url. Raises Unreachable, Refused, SettingsError."""
    return SqlFlagRows(open_database(url, create=create))


def _revision(connection: Connection) -> int:
    statement = select(schema.meta.c.value).where(schema.meta.c.name == _REVISION)
    return int(connection.execute(statement).scalar_one())


def _stored(key: str, version: int, body: str) -> Mapping[str, Any]:
    return _flag(body) or {"key": key, "version": version, "unreadable": True}


def _flag(body: str) -> Mapping[str, Any]:
    """The flag; nothing where the body is not one."""
    try:
        flag = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return flag if isinstance(flag, dict) else {}


def _conflict(key: str, found: int | None, expected: int | None) -> str:
    if found is None:
        return f"flag '{key}' does not exist any more; read the flags again"
    if expected is None:
        return f"flag '{key}' exists already, at version {found}; read it and change that"
    return (
        f"flag '{key}' is at version {found}, not {expected}: changed by someone else meanwhile; read it and try again"
    )


if TYPE_CHECKING:
    from crossfade.ports import FlagRows

    _: type[FlagRows] = SqlFlagRows
