"""The trail of acts: appended, read newest first, also in a store of an earlier program."""

from pathlib import Path

from sqlalchemy import text

from router.store.audit import SqlAudit
from router.store.database import open_database


def test_entries_are_read_newest_first_and_paged(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    moments = iter((1.0, 2.0, 3.0))
    audit = SqlAudit(database, now=lambda: next(moments))
    assert list(audit.entries()) == []

    for target in ("a", "b", "a"):
        audit.add(author="ada", reason="r", action="twin.settle", target=target, details={"to": "old"})

    assert [(each.at, each.target) for each in audit.entries()] == [(3.0, "a"), (2.0, "b"), (1.0, "a")]
    assert [each.at for each in audit.entries(before=3.0, limit=1)] == [2.0]
    assert [each.at for each in audit.entries(target="a")] == [3.0, 1.0]
    assert audit.entries()[0].details == {"to": "old"}
    database.close()


def test_another_process_reads_it_and_a_store_without_it_has_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    database = open_database(url)
    with database.reading() as connection:
        tables = {row[0] for row in connection.execute(text("SELECT name FROM sqlite_master"))}
    assert "audit" not in tables
    SqlAudit(database).add(author="ada", reason="r", action="twin.move", target="a", details={})
    database.close()

    other = open_database(url, create=False)
    assert [each.action for each in SqlAudit(other).entries()] == ["twin.move"]
    other.close()
