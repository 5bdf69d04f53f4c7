"""From the store's counts to a verdict: what a sandbox did decides, however many calls it made."""

import random
from collections.abc import Iterator

import pytest

from crossfade.evidence import Evidence, Word
from crossfade.record import Record
from policies.promotion import next_steps
from router.admin.evidence import evidence_of, growth
from router.store.database import Database, open_database
from router.store.fold import HOUR
from router.store.queries import ToolSums, window
from router.store.records import SqlRecords
from router.store.wishes import FlagPast, ToolFlag
from tests.store.store_examples import NOON, differing, record

HALF = ToolFlag(version=2, shares={"shadow": 0.5, "live": 0.5})
PAST = FlagPast(versions={2: HALF}, share_since=NOON - 8 * 86_400)
NOW = NOON + 500 * HOUR


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('store')}/state.db")
    yield database
    database.close()


def sums(database: Database, records: list[Record]) -> ToolSums:
    writer = SqlRecords(database)
    for each in records:
        writer.add(each)
    writer.close()
    return window(database).tools[0]


def sandbox(number: int, *, calls: int = 4, **fields: object) -> list[Record]:
    """A sandbox of its own hour; every second one is on new."""
    side = "new" if number % 2 else "old"
    named = {"sandbox": f"sb-{number:04d}", "flag_version": 2, "wish": side, "answering": side}
    return [record(at=NOON + number * HOUR, **(named | fields)) for _ in range(calls)]


def judged(found: ToolSums) -> tuple[Evidence, Word]:
    evidence = evidence_of(found, HALF, PAST, lost=0, now=NOW)
    return evidence, next_steps([evidence])[found.tool].word


def test_many_sandboxes_that_agree_advance(database: Database) -> None:
    evidence, word = judged(sums(database, [each for number in range(300) for each in sandbox(number)]))

    assert word is Word.ADVANCE
    assert {metric.name: metric.units for metric in evidence.metrics} == {
        "error rate": 300,
        "mismatch": 300,
        "error rate of arms": 300,
        "p50": 150,
        "p95": 150,
    }


def test_as_many_calls_of_few_sandboxes_do_not(database: Database) -> None:
    records = [each for number in range(6) for each in sandbox(number, calls=200)]
    evidence, word = judged(sums(database, records))
    verdict = next_steps([evidence])["files"]

    assert (word, evidence.metrics[0].units) == (Word.HOLD_DATA, 6)
    assert verdict.more_units is not None and verdict.more_units > 200
    assert "more sandboxes" in verdict.text


def test_one_sandbox_that_fails_throughout_weighs_as_one(database: Database) -> None:
    good = [each for number in range(300) for each in sandbox(number)]
    bad = [differing(sandbox="bad", at=NOON, flag_version=2) for _ in range(2_000)]
    evidence, _ = judged(sums(database, good + bad))
    mismatch = next(each for each in evidence.metrics if each.name == "mismatch")

    assert mismatch.estimate == pytest.approx(1 / 301)


def test_failures_of_many_sandboxes_on_new_alone_go_back(database: Database) -> None:
    records = [
        each
        for number in range(300)
        for each in sandbox(number, **({"fate": "failed", "status": 500} if number % 4 == 1 else {}))
    ]
    evidence, word = judged(sums(database, records))
    by_name = {each.name: each for each in evidence.metrics}

    assert word is Word.ROLLBACK
    assert by_name["error rate"].lower > 0.01
    assert by_name["error rate of arms"].surely_worse


def test_new_that_is_much_slower_is_looked_at_and_milliseconds_are_not(database: Database) -> None:
    chance = random.Random(5)
    slow = [
        each
        for number in range(300)
        for each in sandbox(number, origin_seconds=chance.uniform(0.9, 1.1) * (1.0 if number % 2 else 0.2))
    ]
    _, word = judged(sums(database, slow))
    quick = evidence_of(
        sums(database, [each._replace(tool="web", origin_seconds=each.origin_seconds / 100) for each in slow]),
        *(HALF, PAST),
        lost=0,
        now=NOW,
    )

    assert word is Word.HOLD_HARM
    assert next_steps([quick])["files"].because == "p50"  # files still; web is the second tool of the window
    web = evidence_of(window(database).tools[1], HALF, PAST, lost=0, now=NOW)
    assert next_steps([web])["web"].word is Word.ADVANCE


def test_a_split_that_is_not_the_flags_blocks(database: Database) -> None:
    records = [each for number in range(300) for each in sandbox(number)]
    lost = [each for each in records if each.wish == "old" or int(each.sandbox[3:]) % 4 == 1]
    evidence, word = judged(sums(database, lost))

    assert (word, evidence.quality.moved) == (Word.BLOCKED, 0)
    assert evidence.quality.sample_ratio_log_e > 7


def test_a_sandbox_that_changes_sides_under_one_version_blocks(database: Database) -> None:
    records = [each for number in range(100) for each in sandbox(number)]
    records += [each._replace(wish="new", at=each.at + HOUR) for each in sandbox(0)]
    evidence, word = judged(sums(database, records))

    assert (word, evidence.quality.moved) == (Word.BLOCKED, 1)


def test_sandboxes_under_way_are_not_counted_yet(database: Database) -> None:
    found = sums(database, [each for number in range(300) for each in sandbox(number)])
    evidence = evidence_of(found, HALF, PAST, lost=0, now=NOON + 101 * HOUR)

    assert evidence.metrics[0].units == 100  # the rest has an hour to rest, or is not born yet
    assert growth(found, NOON + 101 * HOUR)[-1].units == 100


def test_the_bound_narrows_and_ends_where_the_verdict_looks(database: Database) -> None:
    found = sums(database, [each for number in range(200) for each in sandbox(number)])
    points = growth(found, NOW)
    evidence = evidence_of(found, HALF, PAST, lost=0, now=NOW)

    assert [each.upper for each in points] == sorted((each.upper for each in points), reverse=True)
    assert len(points) == 60
    assert points[-1].upper == pytest.approx(evidence.metrics[1].upper)
