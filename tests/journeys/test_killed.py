"""The router is killed again and again under load: no write is lost, no read is stale, no command runs twice.

Clauses C1, C2 and C8 of docs/consistency.md.
"""

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from tests.journeys.probes import Probe, create, twins, use_flags
from tests.journeys.stack import ALL_TOOLS, FILE_TOOLS, Stack, stack
from tests.journeys.trees import clean_twins, tree

PATHS = tuple(f"/workspace/f{number}" for number in range(6))
LOG = "/workspace/log"


@dataclass(eq=False)
class Told:
    """What one sandbox's client knows of its files: of each the last acknowledged value, and those nobody answered."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    maybe: dict[str, set[int]] = field(default_factory=dict)  # sent since, and never answered
    ran: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)

    def allowed(self, path: str) -> set[int]:
        """The values that a read of it may give now."""
        return {self.acknowledged[path], *self.maybe.get(path, ())} if path in self.acknowledged else set()


async def _answer(work: Awaitable[httpx2.Response]) -> httpx2.Response | None:
    """None: the router went away, or said that it does not know."""
    try:
        answer = await work
    except httpx2.HTTPError:
        return None
    return answer if answer.status_code < 500 else None


async def _write(probe: Probe, told: Told, path: str, value: int) -> None:
    told.maybe.setdefault(path, set()).add(value)
    answer = await _answer(probe.upload(path, b"%d" % value))
    if answer is not None and answer.status_code == 200:
        told.acknowledged[path] = value
        # One writer a path: what it sent before is over, whatever became of it.
        told.maybe[path] = set()
        told.answered["write"] += 1


async def _read(probe: Probe, told: Told, path: str) -> None:
    before = told.allowed(path)
    answer = await _answer(probe.download(path))
    if not before or answer is None:
        return
    told.answered["read"] += 1
    allowed = before | told.allowed(path)
    if answer.status_code != 200 or int(answer.content) not in allowed:
        told.wrong.append(f"{path}: {answer.status_code} {answer.content[:40]!r}, not one of {sorted(allowed)}")


async def _run(probe: Probe, told: Told, name: str, path: str, value: int) -> None:
    """A command that says that it ran, and writes a file: on the seat alone, so the follower is behind."""
    told.sent.add(name)
    told.maybe.setdefault(path, set()).add(value)
    answer = await _answer(
        probe.exec(f"echo {name} >> {LOG}; printf %d {value} > {path}.{name}; mv {path}.{name} {path}")
    )
    if answer is not None and answer.status_code == 200 and answer.json().get("exitCode") == 0:
        told.ran.add(name)
        told.acknowledged[path], told.maybe[path] = value, set()
        told.answered["run"] += 1


async def _client(probe: Probe, told: Told, seed: int, stop: asyncio.Event) -> None:
    """Writes, reads and commands, one after the other, as one agent would; several of these run beside each other."""
    chance = random.Random(seed)
    own = PATHS[seed % 3 :: 3]
    for number in itertools.count():
        if stop.is_set():
            return
        what, path, value = chance.random(), chance.choice(own), seed * 1_000_000 + number
        if what < 0.3:
            await _write(probe, told, path, value)
        elif what < 0.6:
            await _run(probe, told, f"{seed}-{number}", path, value)
        else:
            await _read(probe, told, path)
        await asyncio.sleep(0.01)


async def _crash(system: Stack, probes: list[Probe], chance: random.Random) -> None:
    await asyncio.sleep(chance.uniform(0.05, 0.6))
    await system.router.kill()
    await system.router.start()
    for probe in probes:
        with contextlib.suppress(Exception):
            await probe.client.aclose()
        probe.client = await system.client()


@pytest.mark.parametrize("times", [10, pytest.param(50, marks=pytest.mark.full)])
async def test_a_router_that_is_killed_loses_nothing_and_repeats_nothing(tmp_path: Path, times: int) -> None:
    async with stack(tmp_path) as system, contextlib.AsyncExitStack() as clients:
        # Files are split off to new, everything else is on old: what a crash may leave behind is on both sides.
        await use_flags(system, {**dict.fromkeys(ALL_TOOLS, "shadow"), **dict.fromkeys(FILE_TOOLS, "live")})
        probes = [await create(await system.client()) for _ in range(2)]
        ids = [probe.id for probe in probes]
        await twins(system, ids, clean=True)
        told, stop, chance = {id: Told() for id in ids}, asyncio.Event(), random.Random(times)
        load = [
            asyncio.create_task(_client(probe, told[probe.id], seed, stop)) for probe in probes for seed in range(3)
        ]
        for _ in range(times):
            await _crash(system, probes, chance)
        await asyncio.sleep(1)
        stop.set()
        await asyncio.gather(*load)
        for probe in probes:
            for path in PATHS:
                await _read(probe, told[probe.id], path)
        logs = {probe.id: (await probe.exec(f"cat {LOG}")).json()["result"].split() for probe in probes}
        await twins(system, ids, clean=True, seconds=90)
        await _equal(system, ids)
        for probe in probes:
            clients.push_async_callback(probe.client.aclose)

    for id in ids:
        seen, counts = told[id], Counter(logs[id])
        assert seen.wrong == []
        assert seen.ran - counts.keys() == set(), "acknowledged, and not done"
        assert {name: count for name, count in counts.items() if count > 1} == {}, "done twice"
        assert counts.keys() <= seen.sent
        assert min(seen.answered[what] for what in ("write", "read", "run")) > times, "or it proves little"


async def _equal(system: Stack, ids: list[str]) -> None:
    pairs = clean_twins(system.directory / "crossfade.db")
    for id in ids:
        roots = [
            system.directory / side / each / "files" / "workspace"
            for side, each in zip(("old", "new"), pairs[id], strict=True)
        ]
        there, here = [await tree(root) for root in roots]
        assert there == here
        assert there, "nothing to compare"
