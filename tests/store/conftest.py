"""A store in a file of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from router.store.database import Database, open_database
from router.store.records import SqlRecords


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/state.db"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = open_database(url)
    yield database
    database.close()


@pytest.fixture
def records(database: Database) -> Iterator[SqlRecords]:
    records = SqlRecords(database)
    yield records
    records.close()
