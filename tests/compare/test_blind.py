"""Blind injection: kinds drawn at run time, compared by a real process, kept in a real store, read from report.json."""

import json
import os
import random
import secrets
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from comparators.judging import unexplainable
from crossfade.comparison import Comparison
from crossfade.operation import Operation
from crossfade.stage import Origin
from reports import render
from router.admin.reporting import report_data
from router.compare.kinds import kinds as named
from router.compare.pairing import pair_of
from router.compare.worker import CompareWorker
from router.store.database import open_database
from router.store.records import SqlRecords
from tests.compare.blind_kinds import kinds
from tests.store.store_examples import NOON, record

HOSTS = {"dt-1": "<sandbox>", "e2b.local": "<sandbox>"}
CALLS_EACH = 3  # so that a report which tells a kind once and loses its count is caught


@pytest.fixture
def chance() -> random.Random:
    """A generator whose seed is drawn at run time and printed with a failure; CROSSFADE_TEST_SEED repeats a run."""
    seed = int(os.environ.get("CROSSFADE_TEST_SEED") or secrets.randbits(32))
    print(f"seed {seed}: repeat with CROSSFADE_TEST_SEED={seed}")
    return random.Random(seed)


def test_there_are_kinds_to_find_and_kinds_to_ignore() -> None:
    found = [kind for kind in kinds().values() if kind.named]

    assert len(found) >= 40
    assert len(kinds()) - len(found) >= 20


@pytest.mark.parametrize(
    "draw", [0, 1, *(pytest.param(number, marks=pytest.mark.full) for number in range(2, 12))], ids=lambda n: f"draw{n}"
)
async def test_the_report_names_exactly_the_kinds_drawn(tmp_path: Path, chance: random.Random, draw: int) -> None:
    drawn = set(chance.sample(sorted(kinds()), chance.randint(0, len(kinds()))))
    print(f"drawn: {sorted(drawn)}")

    found = await _reported(tmp_path, chance, drawn)

    assert found == _expected(drawn)


@pytest.mark.full
@pytest.mark.parametrize("kind", sorted(kinds()))
async def test_a_kind_alone_is_named_alone(tmp_path: Path, chance: random.Random, kind: str) -> None:
    assert await _reported(tmp_path, chance, {kind}) == _expected({kind})


async def test_all_kinds_at_once_and_none_at_all(tmp_path: Path, chance: random.Random) -> None:
    everything, nothing = tmp_path / "all", tmp_path / "none"
    everything.mkdir()
    nothing.mkdir()

    assert await _reported(everything, chance, kinds()) == _expected(kinds())
    assert await _reported(nothing, chance, ()) == {}


def test_a_pair_that_was_not_looked_at_in_full_has_a_name_that_nobody_can_explain_away() -> None:
    (name,) = named("process.exec", Comparison(operation="process.exec", limited="took longer than 2 s"))

    assert unexplainable(name)


def _expected(drawn: Collection[str]) -> dict[str, int]:
    return Counter(name for kind in drawn for name in kinds()[kind].named for _ in range(CALLS_EACH))


async def _reported(folder: Path, chance: random.Random, drawn: Collection[str]) -> dict[str, int]:
    """Every kind's calls, differing where it was drawn: report.json's calls of each name, without cosmetic ones."""
    database = open_database(f"sqlite:///{folder}/state.db")
    records = SqlRecords(database)
    calls = [name for name in kinds() for _ in range(CALLS_EACH)]
    chance.shuffle(calls)
    async with CompareWorker() as worker:
        for name in calls:
            records.add(await _record(worker, name, injected=name in drawn))
    records.flush()
    records.close()
    files = render(report_data(database, since=NOON - 60, now=NOON + 60))
    database.close()
    return _told(json.loads(files["report.json"]))


async def _record(worker: CompareWorker, name: str, *, injected: bool) -> Any:
    kind = kinds()[name]
    operation = Operation(name=kind.operation, sandbox="box-1")
    new = kind.new if injected else kind.old
    compared = await worker.compare(pair_of(operation, kind.old, new, Origin.OLD, names=HOSTS))
    return record(
        operation=kind.operation, tool=operation.kind.tool, sandbox=f"box-{name}", answering="old", wish="old",
        status=kind.old.status, fate=str(kind.old.fate), shadow_status=new.status, shadow_fate=str(new.fate),
        matched=compared.matched, severity=str(compared.severity or ""), differences=compared.differences,
        signatures=named(kind.operation, compared),
    )  # fmt: skip


def _told(report: dict[str, Any]) -> dict[str, int]:
    return {
        each["name"]: each["count"]
        for tool in report["tools"]
        for each in tool["signatures"]
        if each["severity"] != "cosmetic"
    }
