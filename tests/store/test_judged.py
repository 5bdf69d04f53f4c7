"""Words on kinds of difference in the store: kept for ever, and heeded by every sum."""

import tempfile
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.comparison import Change, Difference, Severity
from crossfade.judgement import Judgement, Saying
from crossfade.record import Record
from router.store.database import Database, open_database
from router.store.fold import HOUR
from router.store.hours import evidence_hours
from router.store.judgements import SqlJudgements
from router.store.kinds import kinds_of
from router.store.queries import ToolSums, window
from router.store.records import SqlRecords
from tests.store.store_examples import NOON, differing, record

MODE, SIZE = "fs.info mode value", "fs.info size value"
NOW = NOON + 2 * HOUR
DIFFERENCES = {
    MODE: Difference(path="mode", change=Change.VALUE, severity=Severity.CONTENT, old="0644", new="0600"),
    SIZE: Difference(path="size", change=Change.VALUE, severity=Severity.CONTENT, old="1", new="2"),
    "fs.info status new 500": Difference(
        path="status", change=Change.VALUE, severity=Severity.CONTRACT, old="200", new="500"
    ),
    "fs.info owner value (cosmetic)": Difference(
        path="owner", change=Change.VALUE, severity=Severity.COSMETIC, old="1", new="0"
    ),
}
FAILED = "fs.info status new 500"


def of(*names: str, **fields: Any) -> Record:
    """A call that differs in these kinds."""
    differences = tuple(DIFFERENCES[name] for name in names)
    worst = min((each.severity for each in differences), key=list(Severity).index)
    failed = {"shadow_fate": "failed", "answering": "old", "wish": "old"} if FAILED in names else {}
    return differing(signatures=names, differences=differences, severity=str(worst), **(failed | fields))


def keep(database: Database, *kept: Record) -> None:
    records = SqlRecords(database)
    for each in kept:
        records.add(each)
    records.close()


def say(database: Database, saying: Saying, subject: str, **fields: Any) -> Judgement:
    said = SqlJudgements(database, now=lambda: NOW)
    made = said.make(saying, subject, **({"author": "ada", "reason": "known", "severity": "content"} | fields))
    said.add(made)
    return made


def sums(database: Database) -> ToolSums:
    (found,) = window(database, now=NOW).tools
    return found


def test_words_come_back_as_they_were_said_in_their_order(database: Database) -> None:
    first = say(database, Saying.IGNORE, "fs.list entry.* value", owner="team", until=NOW + 1)
    second = say(database, Saying.REOPEN, "fs.list entry.* value")

    assert SqlJudgements(database).read() == [first, second]


def test_an_accepted_kind_is_taken_out_of_every_count_and_told(database: Database) -> None:
    keep(database, record(), of(MODE), of(MODE, sandbox="b"), of(SIZE, sandbox="b"))
    say(database, Saying.ACCEPT, MODE)

    found = sums(database)
    assert (found.counts["compared"], found.differing, found.explained.calls) == (4, 1, 2)
    assert (found.sandboxes.compared, found.sandboxes.differing) == (2, 1)
    assert [(each.name, each.standing.state) for each in found.signatures] == [(MODE, "accepted"), (SIZE, "open")]
    assert [(each.compared, each.differing) for each in evidence_hours(database, "files")] == [(4, 1)]


def test_an_accepted_kind_of_long_ago_is_told_as_accepted(database: Database) -> None:
    keep(database, of(MODE), of(SIZE))
    say(database, Saying.ACCEPT, MODE)

    (found,) = window(database, now=NOW + 100 * 86_400).tools
    assert {each.name: each.standing.state for each in found.signatures} == {MODE: "accepted", SIZE: "open"}


def test_a_call_that_differs_in_something_else_too_counts(database: Database) -> None:
    keep(database, of(MODE, SIZE))
    say(database, Saying.ACCEPT, MODE)
    assert sums(database).differing == 1

    say(database, Saying.ACCEPT, SIZE)

    assert (sums(database).differing, sums(database).sandboxes.differing) == (0, 0)


def test_what_is_cosmetic_beside_it_does_not_matter(database: Database) -> None:
    keep(database, of(MODE, "fs.info owner value (cosmetic)"))
    say(database, Saying.ACCEPT, MODE)

    assert sums(database).differing == 0


def test_an_accepted_failure_is_no_broken_contract(database: Database) -> None:
    keep(database, of(FAILED), of(FAILED, sandbox="b"))
    assert (sums(database).contract, sums(database).new_failed) == (2, 2)

    say(database, Saying.ACCEPT, FAILED, severity="contract")

    assert (sums(database).contract, sums(database).new_failed, sums(database).differing) == (0, 0, 0)


def test_what_is_reopened_counts_again(database: Database) -> None:
    keep(database, of(MODE))
    say(database, Saying.ACCEPT, MODE)
    say(database, Saying.REOPEN, MODE)

    assert (sums(database).differing, sums(database).explained.calls) == (1, 0)


def test_a_rule_holds_until_its_day(database: Database) -> None:
    keep(database, of(MODE))
    say(database, Saying.IGNORE, MODE, owner="team", until=NOW + 10)

    (before,), (after,) = (window(database, now=NOW + later).tools for later in (9, 10))
    assert (before.differing, after.differing) == (0, 1)


def test_sandboxes_not_written_yet_are_excused_too(url: str) -> None:
    database = open_database(url)
    records = SqlRecords(database)
    records.add(of(MODE))
    assert records.flush()
    say(database, Saying.ACCEPT, MODE)

    found = sums(database)
    records.close()
    database.close()

    assert (found.sandboxes.compared, found.sandboxes.differing) == (1, 0)


def test_a_call_whose_kinds_are_not_all_known_cannot_be_excused(database: Database) -> None:
    names = tuple(f"fs.info field{number} value" for number in range(40))
    keep(database, differing(signatures=names, differences=()))
    for name in names:
        say(database, Saying.ACCEPT, name)

    assert sums(database).differing == 1


def test_a_sandbox_named_by_bytes_that_are_no_text_is_excused_like_any(database: Database) -> None:
    keep(database, of(MODE, sandbox="\udc80"))
    say(database, Saying.ACCEPT, MODE)

    assert (sums(database).counts["calls"], sums(database).sandboxes.differing) == (1, 0)


@pytest.mark.parametrize("name", [*DIFFERENCES])
def test_a_kind_keeps_its_own_severity_beside_worse_ones(name: str) -> None:
    severity = DIFFERENCES[name].severity
    found = dict(kinds_of(of(*DIFFERENCES)))

    assert found.get(name) == (None if severity is Severity.COSMETIC else severity)


kinds = st.lists(st.sampled_from([*DIFFERENCES]), min_size=1, max_size=4, unique=True)
calls = st.lists(st.tuples(kinds, st.sampled_from(["a", "b", "c"])), max_size=12)


@settings(max_examples=25)
@given(calls, st.sets(st.sampled_from([*DIFFERENCES])))
def test_counts_are_those_of_the_calls_that_nobody_explained(
    made: Sequence[tuple[list[str], str]], accepted: set[str]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        database = open_database(f"sqlite:///{directory}/state.db")
        kept = [of(*names, sandbox=sandbox) for names, sandbox in made]
        keep(database, record(sandbox="a"), *kept)
        for name in accepted:
            say(database, Saying.ACCEPT, name, severity="contract")
        found = sums(database)
        database.close()

    counted = [each for each in kept if any(name not in accepted for name, _ in kinds_of(each))]
    assert found.differing == len(counted)
    assert found.contract == sum(each.severity == "contract" for each in counted)
    assert found.new_failed == sum(each.shadow_fate == "failed" for each in counted)
    assert found.sandboxes.differing == len({each.sandbox for each in counted})
