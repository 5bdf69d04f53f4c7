"""Flags of a LaunchDarkly account leave a history in the store, and reports go by it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfade.stage import Stage
from router.admin.reporting import evidence, report_data
from router.flags import schema
from router.store.database import Database, open_database
from router.store.flags import SqlFlagRows
from router.store.records import SqlRecords
from router.store.seen import AUTHOR, SqlSeenFlags, known_flags
from router.store.wishes import flag_pasts
from tests.admin.test_evidence import sandbox
from tests.store.store_examples import NOON, differing

FILES = schema.key_of("files")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path}/state.db")
    yield database
    database.close()


def flag(version: int, live: int) -> dict[str, object]:
    """A percentage live, the rest shadow."""
    parts = {Stage.SHADOW: 100_000 - 1_000 * live, Stage.LIVE: 1_000 * live}
    return dict(schema.build("files", parts, version=version, seed=7))


def test_each_version_is_kept_once_with_the_moment_it_came(database: Database) -> None:
    seen = SqlSeenFlags(database)
    for at, version, live in ((10.0, 3, 10), (11.0, 3, 10), (20.0, 8, 50)):
        seen.note("launchdarkly", {FILES: flag(version, live)}, at)

    history = seen.history(limit=10)
    assert [(each.at, each.after["version"], each.author) for each in history] == [
        (20.0, 8, AUTHOR),
        (10.0, 3, AUTHOR),
    ]
    assert history[0].before == history[1].after and history[1].before is None
    assert [each.at for each in seen.history(before=20.0, limit=10)] == [10.0]


def test_a_share_that_an_account_asks_for_again_begins_no_new_step(database: Database) -> None:
    """An account's versions leave gaps: they count every change of the environment."""
    seen = SqlSeenFlags(database)
    for at, version, live in ((10.0, 3, 10), (20.0, 8, 50), (30.0, 11, 50)):
        seen.note("launchdarkly", {FILES: flag(version, live)}, at)

    assert flag_pasts(seen.history(limit=10))["files"].share_since == 20.0


def test_the_flags_that_count_are_those_of_the_source_that_routers_go_by(database: Database) -> None:
    SqlFlagRows(database).write(flag(1, 100), author="ada", reason="r", expected_version=None)
    before = known_flags(database, limit=10)
    SqlSeenFlags(database).note("launchdarkly", {FILES: flag(4, 10)}, 10.0)
    account = known_flags(database, limit=10)
    SqlSeenFlags(database).note("embedded", {FILES: flag(1, 100)}, 20.0)
    after = known_flags(database, limit=10)

    assert [found[0][FILES]["version"] for found in (before, account, after)] == [1, 4, 1]
    assert [found[1][0].author for found in (before, account, after)] == ["ada", AUTHOR, "ada"]


def test_flags_that_an_account_does_not_have_are_not_kept(database: Database) -> None:
    SqlSeenFlags(database).note("launchdarkly", {FILES: flag(0, 10)}, 10.0)

    assert known_flags(database, limit=10) == ({}, [])


def test_sandboxes_under_an_account_s_flag_are_counted_by_arm_and_the_report_shows_the_flag(database: Database) -> None:
    SqlSeenFlags(database).note("launchdarkly", {FILES: flag(2, 50)}, NOON)
    writer = SqlRecords(database)
    for number in range(60):
        for each in sandbox(number):
            writer.add(each)
    writer.add(differing(at=NOON))
    writer.close()
    now = NOON + 100 * 3600

    found = evidence(database, since=NOON - 1, now=now)["files"]
    data = report_data(database, since=NOON - 1, now=now)
    assert {"error rate of arms", "p50", "p95"} <= {metric.name for metric in found.metrics}
    assert next(each for each in data.tools if each.tool == "files").stages == {"shadow": 0.5, "live": 0.5}
    assert [change.author for change in data.flag_changes] == [AUTHOR]
