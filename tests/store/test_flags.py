"""Flags on disk and their history."""

import functools
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from crossfade.errors import Conflict, SettingsError
from router.cli.flags import flags as commands
from router.flags.embedded import EmbeddedFlags
from router.flags.schema import build, check, shares
from router.store.database import Database
from router.store.flags import SqlFlagRows, open_flag_rows
from router.store.wishes import tool_flags
from tests.flags.conftest import stage, until

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


def break_body(url: str, key: str, body: str) -> None:
    """Damage one stored flag from outside, as a hand on the database would."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("update flags set body = ? where key = ?", (body, key))
        connection.execute("update meta set value = value + 1 where name = 'flags_revision'")


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


@pytest.mark.parametrize("body", ["not JSON", '{"key": "sandbox-mig', "[1, 2]", '"text"', "null", "[" * 5000, ""])
def test_a_body_that_is_no_flag_is_garbage_for_the_schema_and_can_be_replaced(
    body: str, url: str, rows: SqlFlagRows
) -> None:
    rows.write(flag(1), author="me", reason="start", expected_version=None)
    rows.write(flag(1, tool="web"), author="me", reason="start", expected_version=None)
    break_body(url, "sandbox-migration-files", body)

    _, found = rows.read()
    with pytest.raises(SettingsError, match="flag 'sandbox-migration-files' cannot be read"):
        check(found["sandbox-migration-files"])
    assert found["sandbox-migration-web"] == flag(1, tool="web")
    rows.write(flag(2), author="me", reason="mended", expected_version=1)
    assert rows.read()[1]["sandbox-migration-files"] == flag(2)
    assert rows.history("sandbox-migration-files")[0].before == {}


def test_a_router_keeps_the_last_good_form_of_a_flag_whose_body_breaks(
    url: str, rows: SqlFlagRows, tmp_path: Path
) -> None:
    rows.write(build("files", shares("live"), version=1, seed=7), author="me", reason="go", expected_version=None)
    flags = EmbeddedFlags(rows, tmp_path / "last.json", poll_seconds=0.01)
    flags.start()
    try:
        break_body(url, "sandbox-migration-files", "{")
        rows.write(build("web", shares("live"), version=1, seed=7), author="me", reason="go", expected_version=None)
        until(lambda: stage(flags, "web") == "live")

        assert stage(flags, "files") == "live"
    finally:
        flags.close()


def test_the_commands_show_a_broken_body_and_set_it_anew(url: str, rows: SqlFlagRows, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(f'[origins.old]\nurl = "http://127.0.0.1:1/api"\n[store]\nurl = "{url}"\n')
    rows.write(flag(1), author="me", reason="start", expected_version=None)
    break_body(url, "sandbox-migration-files", "{")
    run = functools.partial(CliRunner().invoke, commands, catch_exceptions=False)
    config = ["--config", str(tmp_path / "x.toml")]

    assert "cannot be read" in run(["list", *config]).output.splitlines()[0]
    assert "cannot be read" in run(["show", "files", *config]).output.splitlines()[0]
    run(["set", "files", "shadow", "--reason", "mend", "--author", "me", "--yes", *config])
    assert run(["list", *config]).output.splitlines()[0].split() == ["files", "shadow", "100", "%", "v2"]


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
