"""A fresh place."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from router.store.database import open_database
from tests.ramp.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    database = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    place = Place(database)
    place.set(0.0)
    yield place
    database.close()
