"""The database."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from crossfade.errors import Refused, SettingsError, Unreachable
from router.store.database import Database, WriteGate, open_database


def test_a_missing_directory_is_named_with_its_cause(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"nowhere.* does not exist; create it"):
        open_database(f"sqlite:///{tmp_path}/nowhere/state.db")


def test_a_reader_does_not_make_a_store(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no such file"):
        open_database(f"sqlite:///{tmp_path}/state.db", create=False)

    assert not (tmp_path / "state.db").exists()


def test_a_file_that_is_no_database_is_unreachable_and_named(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("a letter to a friend, longer than a database's head " * 40)

    with pytest.raises(Unreachable, match=r"state\.db.*not a database"):
        open_database(f"sqlite:///{tmp_path}/state.db")


@pytest.mark.parametrize("url", ["state.db", "postgresql://user:hidden-word@host/db", "sqlite://"])
def test_a_url_that_cannot_be_meant_is_a_settings_error_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_database(url)

    assert "hidden-word" not in str(caught.value)


def test_a_store_of_a_newer_program_is_refused_untouched(url: str) -> None:
    newer = open_database(url)
    with newer.writing() as connection:
        connection.execute(text("UPDATE meta SET value = '99' WHERE name = 'schema_version'"))
    newer.close()

    with pytest.raises(Refused, match=r"schema 99.*upgrade crossfade"):
        open_database(url)


def test_opening_twice_finds_what_was_there(url: str, database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("INSERT INTO losses VALUES (0, 'why', 3)"))

    again = open_database(url, create=False)

    with again.reading() as connection:
        assert connection.execute(text("SELECT count FROM losses")).scalar_one() == 3
    again.close()


def test_an_urgent_writer_goes_before_a_patient_one_that_came_first() -> None:
    gate, order = WriteGate(), list[str]()
    holding, go = threading.Event(), threading.Event()

    def hold() -> None:
        with gate.patient():
            holding.set()
            go.wait(5)

    def patient() -> None:
        with gate.patient():
            order.append("patient")

    def urgent() -> None:
        with gate.urgent():
            order.append("urgent")

    holder = threading.Thread(target=hold)
    holder.start()
    holding.wait(5)
    second, third = threading.Thread(target=patient), threading.Thread(target=urgent)
    second.start()
    third.start()
    while not gate.urgent_waiting:
        pass
    go.set()
    for thread in (holder, second, third):
        thread.join(5)

    assert order == ["urgent", "patient"]
