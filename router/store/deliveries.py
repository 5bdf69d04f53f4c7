"""Which weeks' reports have reached which targets, so that a restart sends none twice."""

from sqlalchemy import Column, Float, MetaData, String, Table, select

from router.store.bulk import BulkInsert
from router.store.database import Database

_ours = MetaData()
# Made when it is first needed, as ramps are.
_table = Table(
    "deliveries",
    _ours,
    Column("week", String, primary_key=True),
    Column("target", String, primary_key=True),
    Column("at", Float, nullable=False),
)
_ADD = BulkInsert(_table, replaces=("at",))


def delivered(database: Database, week: str) -> frozenset[str]:
    """The targets that have the report of a week. Raises Unreachable."""
    with database.reading() as connection:
        if not connection.dialect.has_table(connection, _table.name):
            return frozenset()
        return frozenset(connection.execute(select(_table.c.target).where(_table.c.week == week)).scalars())


def mark_delivered(database: Database, week: str, target: str, at: float) -> None:
    """Durable when it returns. Raises Unreachable."""
    with database.writing_durably() as connection:
        _ours.create_all(connection, checkfirst=True)
        _ADD.run(connection, [(week, target, at)])
