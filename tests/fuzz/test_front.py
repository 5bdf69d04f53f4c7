"""The front takes malformed input: every case ends in time, well, and without a trace; the process lives."""

import asyncio
import os
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fuzz.cases import Case, case
from tests.fuzz.client import send
from tests.fuzz.front import Front, front
from tests.fuzz.gauge import Held
from tests.fuzz.rules import broken

AT_ONCE = 12
WARM = 300  # cases until pools, caches and learned shapes are there
MEMORY_PER_CASE = 4096  # records not yet written, fragmentation: a body or a call that is kept is more
MEMORY_ALWAYS = 24 * 1024 * 1024
SETTLE_SECONDS = 60.0
IN_CI = 4


def seed() -> int:
    """The same in CI every time; elsewhere new, or as it is given."""
    given = os.environ.get("CROSSFADE_TEST_SEED")
    return int(given) if given else IN_CI if os.environ.get("CI") else secrets.randbits(32)


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[Front]:
    async with front(tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(int(os.environ.get("CROSSFADE_TEST_CASES", "1000")), id="some"),
        pytest.param(10_000, id="many", marks=pytest.mark.full),
    ],
)
async def test_malformed_input_is_refused_and_leaves_nothing_behind(running: Front, cases: int) -> None:
    chosen = seed()
    bad = await fuzz(running, chosen, range(WARM))
    before = await settled(running, None)
    bad += await fuzz(running, chosen, range(WARM, WARM + cases))
    after = await settled(running, before)

    said = f"seed {chosen}, {len(bad)} of {cases} cases: "
    assert bad == [], said + "\n".join(
        f"case {each.number} ({each.kind}, {each.what}): {why}" for each, why in bad[:20]
    )
    logs = running.logs()
    trace = logs.find("Traceback")
    assert trace < 0, f"seed {chosen}: {logs[max(0, trace - 1000) : trace + 4000]}"
    assert await running.works(), f"seed {chosen}"
    assert after.descriptors <= before.descriptors + AT_ONCE, f"seed {chosen}: {before} then {after}"
    assert more_tasks(before, after) == {}, f"seed {chosen}"
    allowed = MEMORY_ALWAYS + cases * MEMORY_PER_CASE
    assert after.memory - before.memory < allowed, f"seed {chosen}: {before.memory} then {after.memory}"


async def fuzz(running: Front, chosen: int, numbers: range) -> list[tuple[Case, str]]:
    """The cases whose answers broke a rule, and which."""
    left = iter(numbers)
    bad: list[tuple[Case, str]] = []

    async def some() -> None:
        for number in left:
            one = case(chosen, number, running.places)
            heard = await send(one, *running.address)
            if why := broken(one, heard):
                bad.append((one, why))
            if one.creates and heard.answers and heard.answers[0].status == 200:
                await running.remove(heard.answers[0])

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return bad


async def settled(running: Front, before: Held | None) -> Held:
    """What the router holds once it is back at rest: as before, or for ever more."""
    await running.tidy()
    deadline = time.monotonic() + SETTLE_SECONDS
    found = await running.held()
    while time.monotonic() < deadline:
        await asyncio.sleep(1)
        last, found = found, await running.held()
        if before is None and last.tasks == found.tasks and last.descriptors == found.descriptors:
            break
        if before is not None and not more_tasks(before, found) and found.descriptors <= before.descriptors + AT_ONCE:
            break
    return found


def more_tasks(before: Held, after: Held) -> Counter[str]:
    """Kinds of tasks of which there are more than before; a few may be under way."""
    more = after.tasks - before.tasks
    return Counter({name: count for name, count in more.items() if count > 3})
