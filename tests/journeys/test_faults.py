"""A sick follower, sick flags, crashes, shutdowns: clients notice nothing, no sandbox moves, nothing is lost.

Clauses C8 and C9 of docs/consistency.md.
"""

import asyncio
import contextlib
import json
import os
import sqlite3
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.journeys.probes import Probe, create, recorded, records, twins, use_flags
from tests.journeys.stack import ALL_TOOLS, FILE_TOOLS, PROCESS_TOOLS, Stack, stack
from tests.journeys.trees import clean_twins, tree

FLAGS_SECONDS = 0.8  # a flag change arrives within a second
Fault = Callable[[Stack], Awaitable[None]]


async def _hang(system: Stack) -> None:
    system.new_tap.hung = True


async def _fail(system: Stack) -> None:
    await system.inject(fail=500)


async def _slow(system: Stack) -> None:
    await system.inject(delay_seconds=3.0)


async def _refuse(system: Stack) -> None:
    await system.new_tap.close()


async def _heal(system: Stack) -> None:
    system.new_tap.hung = False
    await system.inject(fail=0, delay_seconds=0.0)
    with contextlib.suppress(OSError):  # it listens already
        await system.new_tap.__aenter__()


FAULTS: dict[str, Fault] = {"hung": _hang, "500": _fail, "slow": _slow, "dead": _refuse}


async def test_calls_of_unsplit_sandboxes_never_await_a_sick_follower(tmp_path: Path) -> None:
    limits = {"lane_calls": 4, "call_seconds": 0.5}
    slowest: dict[str, float] = {}
    waiting: list[float] = []
    async with stack(tmp_path, mirror=limits) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys(ALL_TOOLS, "shadow"))
        probes = [await create(client) for _ in range(2)]
        ids = [probe.id for probe in probes]
        await twins(system, ids, clean=True)
        for name, fault in FAULTS.items():
            await fault(system)
            slowest[name] = max(await asyncio.gather(*(_work(probe, 5) for probe in probes)))
            waiting.append((await system.metrics())["crossfade_evidence_waiting"])
            await _heal(system)
        await twins(system, ids, clean=True)
        await _assert_trees_equal(system, ids)
        await system.new.kill()
        slowest["killed"] = max(await asyncio.gather(*(_work(probe, 5) for probe in probes)))
        awaited = (await system.metrics())["crossfade_awaited_shadow_calls_total"]
        await system.router.stop()
        report = await system.report()

    assert max(slowest.values()) < 1.0, slowest  # a call that awaited the fault would take 3 s, or for ever
    assert awaited == 0
    assert max(waiting) <= limits["lane_calls"] * len(probes)
    dropped: Counter[str] = Counter()
    for tool in report["tools"]:
        dropped.update(tool["dropped"])
    assert dropped["lane full"]
    assert dropped["follower not usable"] + dropped["follower is behind"]
    made = Counter(call for probe in probes for call, _ in probe.calls)
    assert sum(tool["calls"] for tool in report["tools"]) == made.total() + len(probes)
    assert sum(tool["compared"] for tool in report["tools"]) + dropped.total() == made.total()
    assert report["lost_records"] == {}


@pytest.mark.parametrize("fault", [_hang, _refuse], ids=["hung", "dead"])
async def test_the_seat_of_a_split_sandbox_answers_within_the_patience_and_nothing_is_lost(
    tmp_path: Path, fault: Fault
) -> None:
    patience = 0.5
    async with stack(tmp_path, mirror={"patience_seconds": patience}) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys(FILE_TOOLS, "live"))
        probe = await create(client)
        await twins(system, [probe.id], clean=True)
        await probe.upload("/workspace/kept", b"before")
        assert await _answering(system, probe) == "new"

        await fault(system)
        spent = []
        for number in range(10):
            path, data = f"/workspace/f{number % 3}", b"round %d" % number
            spent.append(await _timed(probe.upload(path, data)))
            spent.append(await _timed(probe.download(path), data))
        sick = await recorded(system, [call for _, call in probe.calls])
        kept = (await probe.download("/workspace/kept")).content
        asked = len(system.new_tap.seen)
        spent.append(await _timed(probe.download("/workspace/f0"), b"round 9"))
        passive = len(system.new_tap.seen) == asked

        await _heal(system)
        await twins(system, [probe.id], clean=True, seconds=60)
        await _assert_trees_equal(system, [probe.id])
        async with asyncio.timeout(20):
            while await _answering(system, probe) != "new":
                await asyncio.sleep(0.2)
        healed = (await probe.download("/workspace/f1")).content

    assert max(spent) < patience + 1.0, spent
    assert statistics.median(spent[10:]) < 0.3, spent  # the breaker is open: the seat answers alone
    assert passive
    assert kept == b"before"
    assert healed == b"round 7"
    assert {each["answering"] for each in sick.values()} <= {"new", "old"}
    assert all(each["status"] == 200 for each in sick.values())


@pytest.mark.parametrize("count", [12, pytest.param(200, marks=pytest.mark.full)])
async def test_broken_flags_restarts_and_a_crash_move_no_sandbox(tmp_path: Path, count: int) -> None:
    async with stack(tmp_path) as system:
        async with await system.client() as client:
            await use_flags(system, _ramp(50, 30))
            sandboxes = await _spread(client, system, count)
            await twins(system, sandboxes, clean=True, seconds=30 + count)
            before = await _origins(system, client, sandboxes)
            seen: dict[str, dict[str, tuple[str, str]]] = {}
            with _store(system) as store:
                store.execute("update flags set body = '{\"garbage\": true}'")
            await asyncio.sleep(FLAGS_SECONDS)
            seen["flags are garbage"] = await _origins(system, client, sandboxes)
            with _store(system) as store:
                store.execute("alter table flags rename to flags_hidden")
            await asyncio.sleep(FLAGS_SECONDS)
            seen["flags cannot be read"] = await _origins(system, client, sandboxes)
            with _store(system, locked=True):
                asked = await _asked(client, sandboxes)
            seen["store is locked"] = await _answered(system, asked)
        await twins(system, sandboxes, clean=True, seconds=30 + count)
        kept = system.directory / "crossfade.flags.json"
        assert kept.exists()
        for name in ("restarted", "restarted without the last good flags", "killed"):
            if name == "killed":
                await system.router.kill()
            else:
                await system.router.stop()
            if name != "restarted":
                kept.unlink(missing_ok=True)
            await system.router.start()
            async with await system.client() as client:
                seen[name] = await _origins(system, client, sandboxes)
            await twins(system, sandboxes, clean=True, seconds=30 + count)

    assert {files for files, _ in before.values()} == {"old", "new"}
    assert {processes for _, processes in before.values()} == {"old", "new"}
    moved = {name: [key for key in before if before[key] != each[key]] for name, each in seen.items()}
    assert not any(moved.values()), moved


async def test_after_a_crash_the_seat_of_dirty_sandboxes_serves_at_once_and_followers_wait(tmp_path: Path) -> None:
    grace = 3.0
    async with stack(tmp_path, mirror={"orphan_grace_seconds": grace}, settle=0.5) as system:
        await use_flags(system, dict.fromkeys(FILE_TOOLS, "live"))
        async with await system.client() as client:
            quiet, busy = [await create(client) for _ in range(2)]
            await twins(system, [quiet.id, busy.id], clean=True)
            for probe in (quiet, busy):
                assert (await probe.upload("/workspace/f", b"one")).status_code == 200
            await _timed(busy.exec("sleep 60 >/dev/null 2>&1 &"))  # such a sandbox is never known equal as a whole
            await asyncio.gather(*(_timed(probe.exec("echo two > /workspace/f")) for probe in (quiet, busy)))
            await system.router.kill()
        assert not {quiet.id, busy.id} & clean_twins(system.directory / "crossfade.db").keys()
        asked = len(system.new_tap.seen)
        await system.router.start()
        started = time.monotonic()
        async with await system.client() as client:
            quiet, busy = Probe(client, quiet.id), Probe(client, busy.id)
            first = [await _timed(probe.download("/workspace/f"), b"two\n") for probe in (quiet, busy)]
            while time.monotonic() - started < grace - 1.0:
                await _timed(quiet.download("/workspace/f"), b"two\n")
                await asyncio.sleep(0.1)
            untouched = len(system.new_tap.seen) == asked
            by = {each["answering"] for each in (await recorded(system, [call for _, call in quiet.calls])).values()}
            await twins(system, [quiet.id], clean=True)
            back = time.monotonic() - started
            await _assert_trees_equal(system, [quiet.id])
            for probe in (quiet, busy):
                async with asyncio.timeout(20):
                    while await _answering(system, probe) != "new":
                        await asyncio.sleep(0.2)

    assert max(first) < 1.0
    assert by == {"old"}
    assert untouched, "the follower was asked before the grace was over"
    assert back > grace - 0.5


async def test_sigterm_lowers_readiness_finishes_calls_and_keeps_every_record(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "shadow"))
        probes = [await create(client) for _ in range(3)]
        ids = [probe.id for probe in probes]
        await twins(system, ids, clean=True)
        await system.inject(delay_seconds=0.3)  # so that evidence is still waiting when the end comes
        slow = asyncio.create_task(probes[0].exec("sleep 2; echo done > /workspace/late; echo finished"))
        for probe in probes[1:]:
            await _work(probe, 4)
        assert (await system.metrics())["crossfade_evidence_waiting"] > 0
        ready = [await _ready(system)]
        stopping = asyncio.create_task(system.router.stop())
        while not slow.done():
            ready.append(await _ready(system))
            await asyncio.sleep(0.02)
        answer = slow.result()
        async with asyncio.timeout(30):
            code = await stopping
        kept = records(system)
        clean = clean_twins(system.directory / "crossfade.db")
        await _assert_trees_equal(system, [each for each in ids if each in clean])

    assert ready[0] == 200 and set(ready[2:]) == {503}, ready
    assert answer.status_code == 200 and answer.json()["result"].strip() == "finished"
    assert code == 0
    made = {call for probe in probes for _, call in probe.calls}
    assert made <= kept.keys()
    assert len(kept) == len(made) + len(probes)
    assert all(kept[call]["matched"] is not None or kept[call]["dropped"] for call in made)


# What the tests are made of.


async def _timed(work: Awaitable[httpx2.Response], expected: bytes | None = None) -> float:
    """Seconds that a call took, which must succeed."""
    started = time.perf_counter()
    answer = await work
    spent = time.perf_counter() - started
    assert answer.status_code < 300, answer.text
    assert expected is None or answer.content == expected
    return spent


async def _work(probe: Probe, rounds: int) -> float:
    """Mixed calls, each of which must succeed; the slowest one's seconds."""
    spent = []
    for number in range(rounds):
        path, data = f"/workspace/f{number}", os.urandom(40)
        spent.append(await _timed(probe.upload(path, data)))
        spent.append(await _timed(probe.exec(f"wc -c < {path}")))
        spent.append(await _timed(probe.download(path), data))
        spent.append(await _timed(probe.list("/workspace")))
    return max(spent)


async def _answering(system: Stack, probe: Probe) -> str:
    """Who answers a file call now."""
    await probe.info("/workspace")
    call = probe.calls[-1][1]
    return str((await recorded(system, [call]))[call]["answering"])


async def _assert_trees_equal(system: Stack, sandboxes: Collection[str]) -> None:
    """By `find` and `sha256sum` on the directories of both embedded servers."""
    ids = clean_twins(system.directory / "crossfade.db")
    for sandbox in sandboxes:
        old, new = ids[sandbox]
        roots = [system.directory / side / id / "files" / "workspace" for side, id in (("old", old), ("new", new))]
        there, here = [await tree(root) for root in roots]
        assert there == here
        assert there, "nothing to compare"


async def _ready(system: Stack) -> int:
    async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
        return (await client.get(f"{system.admin}/readyz")).status_code


def _ramp(files: int, processes: int) -> dict[str, str]:
    """Percentages, nested because all flags share one seed."""
    shares = {**dict.fromkeys(FILE_TOOLS, files), **dict.fromkeys(PROCESS_TOOLS, processes)}
    return {tool: f"live={live},shadow={100 - live}" for tool, live in shares.items()}


async def _spread(client: httpx2.AsyncClient, system: Stack, count: int) -> list[str]:
    """So many sandboxes, and more until each kind of seat and split is among them; keys are the router's to draw."""
    found: list[str] = []
    seats: Counter[str] = Counter()
    while len(found) < count or len(seats) < 3:
        assert len(found) < count + 60, seats
        made = await asyncio.gather(*(create(client) for _ in range(4)))
        await twins(system, [each.id for each in made])
        found += [each.id for each in made]
        with _store(system) as store:
            rows = dict(store.execute("select id, body from twins").fetchall())
        for each in made:
            stages = json.loads(rows[each.id])["stages"]
            seats[f"{stages['files']} {stages['shell']}"] += 1
    return found


async def _asked(client: httpx2.AsyncClient, sandboxes: Collection[str]) -> dict[str, tuple[str, str]]:
    """Ask each sandbox for a file and for its processes: the ids of the two calls."""
    gate = asyncio.Semaphore(8)

    async def ask(sandbox: str) -> tuple[str, str]:
        probe = Probe(client, sandbox)
        async with gate:
            await _timed(probe.info("/workspace"))
            await _timed(probe.call("session.list", "GET", "/process/session", tool="shell"))
        return probe.calls[0][1], probe.calls[1][1]

    return dict(zip(sandboxes, await asyncio.gather(*map(ask, sandboxes)), strict=True))


async def _answered(system: Stack, asked: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Which origins answered those calls, by the records the router wrote of them."""
    found = await recorded(system, [call for calls in asked.values() for call in calls])
    return {key: (found[file]["answering"], found[process]["answering"]) for key, (file, process) in asked.items()}


async def _origins(system: Stack, client: httpx2.AsyncClient, sandboxes: Collection[str]) -> dict[str, tuple[str, str]]:
    """Sandbox -> who answers its file calls, and who its process calls."""
    return await _answered(system, await _asked(client, sandboxes))


@contextlib.contextmanager
def _store(system: Stack, *, locked: bool = False) -> Iterator[sqlite3.Connection]:
    """The store, in one transaction; `locked`: nobody else can write meanwhile."""
    connection = sqlite3.connect(system.directory / "crossfade.db", isolation_level=None, timeout=10)
    try:
        connection.execute("begin exclusive" if locked else "begin")
        yield connection
        connection.execute("commit")
    finally:
        connection.close()
