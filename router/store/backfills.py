"""The last backfill, sandbox by sandbox, so that a router that starts anew goes on with it."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, delete, insert, select, update

from router.store.database import Database

_ours = MetaData()
# Made when it is first needed, so that a store of an earlier program gets it too; an earlier program does not mind it.
_table = Table(
    "backfill",
    _ours,
    Column("place", Integer, primary_key=True),
    Column("sandbox", String, nullable=False, unique=True),
    Column("how", String, nullable=False),
    Column("why", Text, nullable=False),
)


class SqlBackfills:
    """The backfill in the store. Methods block and raise Unreachable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, sandboxes: Sequence[str], how: str) -> None:
        """Another one, in the place of the last."""
        rows = [{"place": place, "sandbox": each, "how": how, "why": ""} for place, each in enumerate(sandboxes)]
        with self._database.writing_durably() as connection:
            _ours.create_all(connection, checkfirst=True)
            connection.execute(delete(_table))
            if rows:
                connection.execute(insert(_table), rows)

    def tell(self, sandbox: str, how: str, why: str) -> None:
        """What became of one."""
        with self._database.writing() as connection:
            connection.execute(update(_table).where(_table.c.sandbox == sandbox).values(how=how, why=why))

    def give_up(self, left: Sequence[str]) -> None:
        """Whoever is still on one of these ways is not gone on with."""
        with self._database.writing_durably() as connection:
            if connection.dialect.has_table(connection, _table.name):
                connection.execute(delete(_table).where(_table.c.how.in_(left)))

    def read(self) -> Mapping[str, tuple[str, str]]:
        """What became of each, and why, in the order in which they were asked for."""
        with self._database.reading() as connection:
            if not connection.dialect.has_table(connection, _table.name):
                return {}
            rows = connection.execute(select(_table).order_by(_table.c.place)).all()
        return {row.sandbox: (row.how, row.why) for row in rows}
