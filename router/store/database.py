"""The database: opened once per process, shared by its writers and readers."""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from crossfade.errors import Refused, SettingsError, Unreachable
from router.store import schema
from router.store.late import WRITTEN
from router.store.migration import migrate

log = logging.getLogger("crossfade.store")

_BUSY_SECONDS = 10.0  # how long a writer waits for one of another process
# Without a checkpoint by the records' writer the log still must not grow for ever (pages of 4 KiB).
_DURABLE_CHECKPOINT_PAGES = 20_000
_PAUSE_SECONDS = 0.02  # how long a patient writer lets itself be overtaken at a time


class WriteGate:
    """One writer at a time in this process, the urgent before the patient.

    SQLite's own waiting is a sleep with growing pauses, unfair and slow: a dirty mark, which a client's write waits
    for, must not queue behind batches of records.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._writing = False
        self._urgent = 0

    @property
    def urgent_waiting(self) -> int:
        return self._urgent

    @contextlib.contextmanager
    def urgent(self) -> Iterator[None]:
        with self._changed:
            self._urgent += 1
            while self._writing:
                self._changed.wait()
            self._urgent -= 1
            self._writing = True
        yield from self._held()

    @contextlib.contextmanager
    def patient(self) -> Iterator[None]:
        with self._changed:
            while self._writing or self._urgent:
                self._changed.wait(_PAUSE_SECONDS)
            self._writing = True
        yield from self._held()

    def _held(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()


class Database:
    """An open store. Use `open_database`, which checks its shape."""

    def __init__(self, url: URL, *, busy_seconds: float = _BUSY_SECONDS) -> None:
        self.url = url
        self.name = url.render_as_string(hide_password=True)
        self.gate = WriteGate()
        self.unreadable: set[int] = set()  # segments that were complained of
        self._engine = _engine(url, durable=False, busy_seconds=busy_seconds)
        self._durable = _engine(url, durable=True, busy_seconds=busy_seconds)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view. Raises Unreachable."""
        with self._translated("read"), self._engine.connect() as connection:
            yield connection.execution_options(reader=True)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that gives way to urgent ones. Raises Unreachable; then nothing was written."""
        with self.gate.patient(), self._translated("write"), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def writing_durably(self) -> Iterator[Connection]:
        """An urgent transaction, on disk when the block is left. Raises Unreachable; then nothing was written."""
        with self.gate.urgent(), self._translated("write"), self._durable.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of the connections; the store stays usable and would open new ones."""
        self._engine.dispose()
        self._durable.dispose()

    @contextlib.contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, InterfaceError, ProgrammingError, DataError, NotSupportedError):
            raise  # says something of the row or the statement, not of the store
        except (DBAPIError, PoolTimeout) as error:
            raise Unreachable(f"cannot {verb} store '{self.name}': {_cause(error)}") from error


def open_database(url: str, *, create: bool = True, busy_seconds: float = _BUSY_SECONDS) -> Database:
    """Open the store; make its tables if it is new and `create` allows.

    Raises Unreachable, SettingsError, and Refused for a store of a newer program.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError(f"store url '{url}' is not a database url; write sqlite:////path/to/state.db") from None
    if parsed.get_backend_name() != "sqlite":
        raise SettingsError(f"store url '{parsed.render_as_string()}': only sqlite:///PATH is supported yet")
    _check_path(parsed, create=create)
    database = Database(parsed, busy_seconds=busy_seconds)
    try:
        _prepare(database, create=create)
    except BaseException:
        database.close()
        raise
    return database


def size_bytes(connection: Connection) -> int:
    """Bytes in use, free pages left out."""
    pages, free, page = (
        connection.execute(text(f"PRAGMA {name}")).scalar_one()
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page)


def release_free_pages(connection: Connection, pages: int) -> None:
    """Give some of the pages that deleting has freed back to the file system."""
    connection.execute(text(f"PRAGMA incremental_vacuum({int(pages)})")).close()


def _engine(url: URL, *, durable: bool, busy_seconds: float) -> Engine:
    engine = create_engine(url, connect_args={"timeout": busy_seconds, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _opened(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver's own BEGIN is late and deferred; ours is in _begun.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heeded by a new file only
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        if durable:
            # A checkpoint copies and syncs the main file: not on the way of a client's write.
            cursor.execute(f"PRAGMA wal_autocheckpoint = {_DURABLE_CHECKPOINT_PAGES}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # A deferred transaction that turns to writing fails at once with "locked" when another one wrote meanwhile.
        connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reader") else "BEGIN IMMEDIATE")

    return engine


def _check_path(url: URL, *, create: bool) -> None:
    if not url.database or url.database == ":memory:":
        raise SettingsError("store url names no file; write sqlite:////path/to/state.db")
    path = Path(url.database)
    if not path.parent.is_dir():
        raise Unreachable(
            f"cannot open store '{url}': the directory {path.parent.absolute()} does not exist; create it"
        )
    if not create and not path.exists():
        raise Unreachable(f"cannot open store '{url}': no such file; it is made when the router first runs")


def _prepare(database: Database, *, create: bool) -> None:
    try:
        with database._engine.connect().execution_options(reader=True) as connection:
            has_meta = database._engine.dialect.has_table(connection, schema.meta.name)
            found = int(_meta(connection, "schema_version") or 0) if has_meta else 0
    except (DBAPIError, ValueError) as error:
        raise Unreachable(f"cannot open store '{database.name}': {_cause(error)}") from error
    if found > schema.SCHEMA_VERSION:
        raise Refused(
            f"store '{database.name}' has schema {found}, made by a newer crossfade; this one knows schema "
            f"{schema.SCHEMA_VERSION}: upgrade crossfade, or name another store"
        )
    if found == schema.SCHEMA_VERSION:
        return
    if found and not create:
        raise Refused(
            f"store '{database.name}' has schema {found}, of an older crossfade; this one knows schema "
            f"{schema.SCHEMA_VERSION}, and converts it when its router first runs"
        )
    if found:
        migrate(database)
        return
    if not create:
        raise Unreachable(f"store '{database.name}' holds no crossfade tables; it is made when the router first runs")
    with database.writing() as connection:
        # Asked again inside the transaction: another process may have been first.
        schema.metadata.create_all(connection, checkfirst=True)
        if _meta(connection, "schema_version") is None:
            connection.execute(insert(schema.meta).values(name="schema_version", value=str(schema.SCHEMA_VERSION)))
            connection.execute(insert(schema.meta).values(name="flags_revision", value="0"))
            connection.execute(insert(schema.meta).values(name=WRITTEN, value="0"))


def _meta(connection: Connection, name: str) -> str | None:
    return connection.execute(select(schema.meta.c.value).where(schema.meta.c.name == name)).scalar_one_or_none()


def _cause(error: BaseException) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) and error.orig is not None else str(error)
