"""Folding: counting kind by kind gives what counting one by one gives."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.comparison import Change, Difference, Severity
from crossfade.record import Record
from router.store.fold import COUNTERS, HOUR, Fold
from router.store.histogram import buckets_of
from router.store.schema import SANDBOX_SUMS
from tests.store.store_examples import NOON, differing, record

MODE = differing().differences[0]
NOISE = Difference(path="pid", change=Change.VALUE, severity=Severity.COSMETIC, old="1", new="2")
ANSWERS: list[dict[str, Any]] = [
    {"matched": None, "shadow_fate": "", "dropped": "lane full"},
    {"matched": None, "shadow_fate": "unknown"},
    {"matched": True},
    {"matched": False, "severity": "content", "differences": (MODE,), "signatures": ("fs.info mode value",)},
    {"matched": False, "severity": "contract", "signatures": ("cut short",)},
    {"matched": False, "severity": "cosmetic", "differences": (NOISE, MODE), "signatures": ("fs.info pid value",)},
]
records = st.fixed_dictionaries(
    {
        "at": st.sampled_from([NOON, NOON + 1, NOON + HOUR - 1e-3, NOON + HOUR, NOON - HOUR]),
        "tool": st.sampled_from(["files", "web"]),
        "sandbox": st.sampled_from(["", "a", "b"]),
        "answering": st.sampled_from(["old", "new", "router"]),
        "wish": st.sampled_from(["old", "new"]),
        "stage": st.sampled_from(["off", "live"]),
        "flag_version": st.integers(1, 3),
        "reason": st.sampled_from(["files is live", "held: behind"]),
        "operation": st.sampled_from(["fs.info", "session.follow", "nobody knows"]),
        "status": st.sampled_from([200, 404, 499]),
        "fate": st.sampled_from(["ok", "failed", "unknown"]),
        "mirrored": st.booleans(),
        "bytes_in": st.integers(0, 9),
        "bytes_out": st.integers(0, 9),
        "origin_seconds": st.sampled_from([0.0, 0.01, 5.0]),
        "shadow_seconds": st.sampled_from([0.0, 0.02]),
        "validation_seconds": st.sampled_from([0.0, 0.25]),
    }
)
batches = st.lists(
    st.builds(lambda some, more: record(**(some | more)), records, st.sampled_from(ANSWERS)), max_size=25
)

CELLS: dict[str, Callable[[Record], int]] = {
    "calls": lambda each: 1,
    "failed": lambda each: each.fate != "ok" and each.status != 499,
    "cancelled": lambda each: each.status == 499,
    "mirrored": lambda each: each.mirrored,
    "compared": lambda each: each.matched is not None,
    "matched": lambda each: each.matched is True,
    "cosmetic": lambda each: each.matched is False and each.severity == "cosmetic",
    "contract": lambda each: each.matched is False and each.severity == "contract",
    "both_ok": lambda each: _pair(each) == (True, True),
    "old_failed": lambda each: _pair(each) == (False, True),
    "new_failed": lambda each: _pair(each) == (True, False),
    "both_failed": lambda each: _pair(each) == (False, False),
    "validated": lambda each: each.validation_seconds > 0,
    "bytes_in": lambda each: each.bytes_in,
    "bytes_out": lambda each: each.bytes_out,
}


def _hour(each: Record) -> int:
    return int(each.at // HOUR) * HOUR


def _pair(each: Record) -> tuple[bool, bool] | None:
    """Whether old and new answered, where both were asked for a client that waited."""
    if not each.shadow_fate or each.answering == "router" or each.status == 499:
        return None
    fates = each.fate == "ok", each.shadow_fate == "ok"
    return fates if each.answering == "old" else (fates[1], fates[0])


@given(batches)
def test_rollups_are_the_sums_of_their_records(batch: Sequence[Record]) -> None:
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(COUNTERS))
    waited: Counter[tuple[Any, ...]] = Counter()
    for each in batch:
        key = _hour(each), each.tool, each.answering, each.wish, each.stage
        sums[key] = [before + CELLS[name](each) for before, name in zip(sums[key], COUNTERS, strict=True)]
        waited[key] += each.validation_seconds  # type: ignore[assignment]

    assert {tuple(row[:5]): row[5:] for row in Fold(batch).rollup_rows()} == {
        key: (*counts, waited[key]) for key, counts in sums.items()
    }


@given(batches)
def test_tallies_are_counted_by_name(batch: Sequence[Record]) -> None:
    tallies: Counter[tuple[int, str, str, str, str]] = Counter()
    for each in batch:
        place = _hour(each), each.tool, each.answering
        tallies[*place, "status", str(each.status)] += 1
        if each.dropped:
            tallies[*place, "dropped", each.dropped] += 1
        if each.answering != each.wish:
            tallies[*place, "held", each.reason] += 1

    assert Fold(batch).tallies == tallies


@given(batches)
def test_latencies_are_those_of_answers_that_an_origin_gave(batch: Sequence[Record]) -> None:
    latencies: dict[tuple[int, str, str, str], Counter[int]] = defaultdict(Counter)
    for each in batch:
        if each.answering == "router" or each.operation == "session.follow":
            continue
        other = {"old": "new", "new": "old"}[each.answering]
        if each.fate == "ok" and each.origin_seconds:
            latencies[_hour(each), each.tool, each.answering, "answer"].update(buckets_of([each.origin_seconds]))
        if each.shadow_fate == "ok" and each.shadow_seconds:
            latencies[_hour(each), each.tool, other, "shadow"].update(buckets_of([each.shadow_seconds]))

    assert Fold(batch).latencies == latencies


@given(batches)
def test_sandboxes_are_counted_where_there_is_one(batch: Sequence[Record]) -> None:
    sandboxes: dict[tuple[int, str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    versions: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    for each in batch:
        if not each.sandbox:
            continue
        place = _hour(each), each.tool, each.sandbox
        sums, gone = sandboxes[place], each.status == 499
        by_origin = each.answering in ("old", "new")
        sums["calls"] += 1
        sums["on_new"] += each.answering == "new"
        sums["compared"] += each.matched is not None
        sums["differing"] += each.matched is False and each.severity != "cosmetic"
        sums["failed"] += each.fate != "ok" and not gone
        sums["wished"] += each.wish == "new"
        if each.shadow_fate and by_origin and not gone:
            fates = {each.answering: each.fate, {"old": "new", "new": "old"}[each.answering]: each.shadow_fate}
            sums["pairs"] += 1
            sums["old_failed"] += fates["old"] != "ok" and fates["new"] == "ok"
            sums["new_failed"] += fates["new"] != "ok" and fates["old"] == "ok"
        if by_origin and each.fate == "ok" and each.origin_seconds and each.operation != "session.follow":
            sums["timed"] += 1
            sums["log_seconds"] += math.log(each.origin_seconds)
        versions[place].append(0 if each.stage == "off" else each.flag_version)

    found = Fold(batch).sandboxes
    assert {key: pytest.approx([sums[name] for name in SANDBOX_SUMS]) for key, sums in sandboxes.items()} == {
        key: sums[: len(SANDBOX_SUMS)] for key, sums in found.items()
    }
    assert {key: sums[len(SANDBOX_SUMS) :] for key, sums in found.items()} == {
        key: [min(each), max(each)] for key, each in versions.items()
    }


@given(batches)
def test_signatures_are_counted_with_their_times_and_the_newest_samples(batch: Sequence[Record]) -> None:
    fold = Fold(batch)

    named = [
        (_hour(each), each.tool, name, each) for each in batch for name in each.signatures if each.matched is False
    ]
    for (hour, tool, name), sums in fold.signatures.items():
        times = [each.at for *key, each in named if key == [hour, tool, name]]
        assert (sums.count, sums.first_seen, sums.last_seen) == (len(times), min(times), max(times))
    assert fold.signatures.keys() == {tuple(key) for *key, _ in named}
    for tool in ("files", "web"):
        shown = [
            each.id
            for _, of, name, each in named
            if (of, name, each.operation) == (tool, "fs.info mode value", "fs.info")
        ]
        assert [each.call for each in fold.samples if (each.tool, each.name) == (tool, "fs.info mode value")] == shown[
            -5:
        ]


def test_names_without_end_share_a_row_behind_the_first_five_hundred() -> None:
    fold = Fold([differing(signatures=(f"path {number}",), differences=()) for number in range(700)])

    assert len(fold.signatures) == 501
    assert next(sums.count for key, sums in fold.signatures.items() if key[2] == "(more)") == 200


@pytest.mark.parametrize("field", ["dropped", "reason"])
def test_reasons_without_end_share_a_row_behind_the_first_two_thousand(field: str) -> None:
    batch = [record(answering="old", **{field: f"{field} {number}"}) for number in range(3_000)]

    tallies = Fold(batch).tallies

    assert len(tallies) <= 2_003
    assert sum(count for key, count in tallies.items() if key[3] == "held") == 3_000
    assert sum(count for key, count in tallies.items() if key[4] == "(more)") >= 990


def test_no_records_fold_into_nothing() -> None:
    fold = Fold([])

    assert not any((list(fold.rollup_rows()), fold.tallies, fold.latencies, fold.sandboxes, fold.samples))


def test_a_kind_whose_sample_was_capped_away_is_no_worse_than_the_last_that_is_shown() -> None:
    status = Difference(path="status", change=Change.VALUE, severity=Severity.CONTRACT, old="200", new="500")
    names = ("fs.info status new 500", "fs.info mode value", "fs.info size value", "fs.info pid value (cosmetic)")
    batch = [differing(severity="contract", differences=(status, MODE), signatures=names)]

    found = {key[2]: sums.severity for key, sums in Fold(batch).signatures.items()}

    assert found == dict(zip(names, ("contract", "content", "content", "cosmetic"), strict=True))
