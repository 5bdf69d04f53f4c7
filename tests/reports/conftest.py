"""A report of a realistic store, made once."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from reports import ReportData, render
from router.admin.reporting import report_data
from router.store.database import open_database
from tests.reports.report_examples import NOW, fill


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/state.db"
    database = open_database(url)
    fill(database)
    database.close()
    yield url


@pytest.fixture(scope="session")
def data(store: str) -> ReportData:
    database = open_database(store, create=False)
    data = report_data(database, since=0.0, now=NOW)
    database.close()
    return data


@pytest.fixture(scope="session")
def files(data: ReportData) -> Mapping[str, bytes]:
    return render(data)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[ReportData]:
    database = open_database(f"sqlite:///{tmp_path}/state.db")
    yield report_data(database, since=0.0, now=NOW)
    database.close()
