"""Many rows in one statement.

`executemany` runs one step per row and lets go of the interpreter lock at each: beside a busy event loop a batch then
waits for its turn thousands of times. One statement with many rows waits once.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table

_PARAMETERS = 30_000  # SQLite takes 32,766 in one statement


class BulkInsert:
    """Inserts rows. A row whose key is there already is merged into it, column by column, as told."""

    def __init__(
        self,
        table: Table,
        *,
        adds: Sequence[str] = (),
        replaces: Sequence[str] = (),
        lowest: Sequence[str] = (),
        highest: Sequence[str] = (),
    ) -> None:
        # A numbered key is left to the database.
        self._columns = [column.name for column in table.columns if column is not table.autoincrement_column]
        names = ", ".join(f'"{name}"' for name in self._columns)
        self._head = f'INSERT INTO "{table.name}" ({names}) VALUES '
        there = f'"{table.name}"'
        changes = [f'"{name}" = {there}."{name}" + excluded."{name}"' for name in adds]
        changes += [f'"{name}" = excluded."{name}"' for name in replaces]
        for names_, sign in ((lowest, "<"), (highest, ">")):
            changes += [
                f'"{name}" = CASE WHEN excluded."{name}" {sign} {there}."{name}" '
                f'THEN excluded."{name}" ELSE {there}."{name}" END'
                for name in names_
            ]
        keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
        self._tail = f" ON CONFLICT ({keys}) DO UPDATE SET {', '.join(changes)}" if changes else ""

    def run(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Insert the rows, whose values stand in the order of the table's columns."""
        # Written for the driver's own marks: compiling thousands of bound values would cost more than inserting them.
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        one = f"({', '.join([mark] * len(self._columns))})"
        size = _PARAMETERS // len(self._columns)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            statement = f"{self._head}{', '.join([one] * len(part))}{self._tail}"
            connection.exec_driver_sql(statement, tuple(value for row in part for value in row))
