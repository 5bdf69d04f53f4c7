"""How long sandboxes ran, by the hour: what a provider bills, as the router saw it."""

from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, Float, MetaData, String, Table, func, inspect, select

from router.store.bulk import BulkInsert
from router.store.database import Database
from router.store.fold import hour_of
from router.store.span import Span

_ours = MetaData()
# Made when it is first needed, so that a store of an earlier program gets it too; an earlier program does not mind it.
_table = Table(
    "running_seconds",
    _ours,
    Column("hour", BigInteger, primary_key=True),
    Column("origin", String, primary_key=True),
    Column("role", String, primary_key=True),  # seat: it serves; follower: it is the shadow
    Column("seconds", Float, nullable=False),
)
_ADD = BulkInsert(_table, adds=("seconds",))


def add_running(database: Database, at: float, seconds: Mapping[tuple[str, str], float]) -> None:
    """Add sandbox-seconds, by origin and role, to the hour of a moment. Blocks; raises Unreachable."""
    rows = [(hour_of(at), *key, each) for key, each in seconds.items() if each > 0]
    with database.writing() as connection:
        _ours.create_all(connection, checkfirst=True)
        if rows:
            _ADD.run(connection, rows)


def running(database: Database, span: Span) -> tuple[Mapping[tuple[str, str], float], float | None]:
    """Sandbox-seconds by (origin, role) in the window, and the hour from which on they were measured at all."""
    with database.reading() as connection:
        if not inspect(connection).has_table(_table.name):
            return {}, None
        columns = _table.c.origin, _table.c.role
        query = select(*columns, func.sum(_table.c.seconds)).where(span.holds(_table.c.hour)).group_by(*columns)
        found = {(row[0], row[1]): float(row[2]) for row in connection.execute(query)}
        first = connection.execute(select(func.min(_table.c.hour))).scalar_one()
    return found, None if first is None else float(first)


def forget_running(database: Database, before: float) -> None:
    """Drop hours before a moment."""
    with database.writing() as connection:
        if inspect(connection).has_table(_table.name):
            connection.execute(_table.delete().where(_table.c.hour < before))
