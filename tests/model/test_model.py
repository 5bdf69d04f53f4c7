"""Random histories keep the promises of docs/consistency.md."""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.journeys.stack import Stack, stack
from tests.model.machine import Histories, Totals

STEPS = 2_000
# Of each at least so many, otherwise a run proves little: it goes on until then.
ENOUGH = {
    "fs.download by follower": 21,
    "fs.upload by follower": 21,
    "fs.list by follower": 6,
    "clean": 50,
    "killed": 3,
    "moved from old to new": 1,
}
_OF_ONE_HISTORY = 110


@contextlib.contextmanager
def running(directory: Path) -> Iterator[type[Histories]]:
    """Both sides and a router, for histories one after the other."""
    with asyncio.Runner() as runner, contextlib.ExitStack() as ends:
        context = stack(directory)
        system: Stack = runner.run(context.__aenter__())
        ends.callback(lambda: runner.run(context.__aexit__(None, None, None)))
        parts = {"system": system, "runner": runner, "totals": Totals()}
        yield type("Histories", (Histories,), parts)


def told(histories: type[Histories], count: int) -> None:
    """Run so many histories. A failure is told as it came: with real processes it cannot be made smaller."""
    run_state_machine_as_test(
        histories,
        settings=settings(
            max_examples=count,
            stateful_step_count=_OF_ONE_HISTORY,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def lacking(totals: Totals) -> dict[str, int]:
    """What was done too seldom, and how often."""
    return {what: totals.counted.get(what, 0) for what, least in ENOUGH.items() if totals.counted.get(what, 0) < least}


def test_random_histories_keep_the_promises(tmp_path: Path) -> None:
    with running(tmp_path) as histories:
        totals = histories.totals
        rounds = itertools.count(0 if "CI" in os.environ else time.time_ns())
        while totals.steps < STEPS or (totals.steps < 2 * STEPS and lacking(totals)):
            # Where settings ask for the same examples each run, every round would be the first one again.
            told(seed(next(rounds))(histories), 5)
    print(totals.steps, totals.counted)
    assert not lacking(totals)


@pytest.mark.full
@pytest.mark.skipif("SOAK_SECONDS" not in os.environ, reason="make soak sets SOAK_SECONDS")
def test_they_keep_them_for_as_long_as_they_run(tmp_path: Path) -> None:
    until = time.monotonic() + float(os.environ["SOAK_SECONDS"])
    with running(tmp_path) as histories:
        while time.monotonic() < until:
            told(histories, 5)
            print(histories.totals.steps, histories.totals.counted, flush=True)
