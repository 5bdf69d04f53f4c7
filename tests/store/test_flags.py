"""Flags on disk and their history."""

import subprocess
import sys
from collections.abc import Mapping

import pytest

from crossfade.errors import Conflict, SettingsError
from router.store.database import Database
from router.store.flags import SqlFlagRows, open_flag_rows
from router.store.queries import tool_flags

STAGES = ["off", "dualwrite", "shadow", "live", "rampdown", "complete"]


def flag(version: int, live: int = 10_000, tool: str = "files") -> dict[str, object]:
    weights = [{"variation": 2, "weight": 100_000 - live}, {"variation": 3, "weight": live}]
    return {
        "key": f"sandbox-migration-{tool}",
        "version": version,
        "on": True,
        "variations": STAGES,
        "offVariation": 0,
        "fallthrough": {"rollout": {"variations": weights}},
    }


@pytest.fixture
def rows(database: Database) -> SqlFlagRows:
    return SqlFlagRows(database, now=lambda: 77.0)


def test_a_flag_comes_back_with_a_higher_revision(rows: SqlFlagRows) -> None:
    before, none = rows.read()
    revision = rows.write(flag(1), author="me", reason="start", expected_version=None)

    assert none == {}
    assert revision > before
    assert rows.read() == (revision, {"sandbox-migration-files": flag(1)})


def test_two_writers_of_one_version_meet_in_a_conflict(rows: SqlFlagRows) -> None:
    rows.write(flag(1), author="me", reason="start", expected_version=None)
    rows.write(flag(2, 50_000), author="you", reason="ramp", expected_version=1)

    with pytest.raises(Conflict, match="at version 2, not 1"):
        rows.write(flag(2, 0), author="me", reason="back", expected_version=1)
    with pytest.raises(Conflict, match="exists already"):
        rows.write(flag(1), author="me", reason="start", expected_version=None)
    with pytest.raises(Conflict, match="does not exist any more"):
        rows.write(flag(4, tool="web"), author="me", reason="ramp", expected_version=3)


def test_a_version_that_is_not_the_next_is_refused(rows: SqlFlagRows) -> None:
    with pytest.raises(SettingsError, match="must be version 1"):
        rows.write(flag(2), author="me", reason="start", expected_version=None)


def test_every_change_is_kept_with_author_reason_before_and_after(rows: SqlFlagRows) -> None:
    rows.write(flag(1), author="me", reason="start", expected_version=None)
    rows.write(flag(2, 50_000), author="you", reason="ramp", expected_version=1)
    rows.write(flag(1, tool="web"), author="me", reason="start", expected_version=None)

    newest, oldest = rows.history("sandbox-migration-files")
    assert (newest.author, newest.reason, newest.at) == ("you", "ramp", 77.0)
    assert (newest.before, newest.after) == (flag(1), flag(2, 50_000))
    assert oldest.before is None
    assert len(rows.history()) == 3


def test_a_change_by_another_process_is_seen(url: str, rows: SqlFlagRows) -> None:
    rows.read()
    program = (
        "from router.store.flags import open_flag_rows; from tests.store.test_flags import flag; import sys;"
        "open_flag_rows(sys.argv[1]).write(flag(1), author='them', reason='far away', expected_version=None)"
    )
    subprocess.run([sys.executable, "-c", program, url], check=True)

    assert "sandbox-migration-files" in rows.read()[1]


def test_flags_can_be_opened_before_the_router_ever_ran(url: str) -> None:
    rows = open_flag_rows(url)

    assert rows.read() == (0, {})
    rows.close()


@pytest.mark.parametrize(
    ("change", "shares"),
    [
        ({}, {"shadow": 0.9, "live": 0.1}),
        ({"on": False}, {"off": 1.0}),
        ({"fallthrough": {"variation": 5}}, {"complete": 1.0}),
    ],
    ids=["rollout", "switched off", "one stage"],
)
def test_shares_are_read_from_a_flag(change: Mapping[str, object], shares: Mapping[str, float]) -> None:
    assert tool_flags({"sandbox-migration-files": {**flag(1), **change}})["files"].shares == shares


def test_a_flag_of_another_shape_is_left_out() -> None:
    odd: dict[str, Mapping[str, object]] = {
        "sandbox-migration-kill": {"version": 1, "variations": [True, False], "fallthrough": {"variation": 0}},
        "sandbox-migration-web": {"version": "one"},
        "something-else": flag(1),
    }

    assert tool_flags(odd) == {}
