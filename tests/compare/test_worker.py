"""router/compare/worker.py, with real processes."""

import asyncio
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from comparators import compare, plain, signatures
from comparators.limits import Limits
from crossfade import Pair, done
from crossfade.results import ExecResult, FileInfo, SandboxInfo
from router.compare.process import decode, encode
from router.compare.worker import CompareWorker, WorkerSettings

SECRET = "pl4nted-s3cret-0042"


def ran(output: bytes, code: int = 0) -> dict[str, Any]:
    return plain("process.exec", done(ExecResult(exit_code=code, output=output)))


def exec_pair(old: bytes, new: bytes) -> Pair:
    return Pair(operation="process.exec", old=ran(old), new=ran(new))


def endless() -> Pair:
    """Two lists that agree in nothing: seconds of work for deepdiff, within every cap."""
    old = {
        "status": 200,
        "value": {"entries": [{"name": f"{at}", **dict.fromkeys("abcdefgh", at)} for at in range(4900)]},
    }
    new = {
        "status": 200,
        "value": {"entries": [{"name": f"{at}", **dict.fromkeys("abcdefgh", -at)} for at in range(4900)]},
    }
    return Pair(operation="fs.list", old=old, new=new)


def listing_pair(entries: int, differing: int) -> Pair:
    files = [FileInfo(name=f"file-{at:05}", size=at) for at in range(entries)]
    changed = [replace(file, size=file.size + 1) if at < differing else file for at, file in enumerate(files)]
    random.Random(1).shuffle(changed)
    return Pair(
        operation="fs.list", old=plain("fs.list", done(tuple(files))), new=plain("fs.list", done(tuple(changed)))
    )


def ticks(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11])


async def until_busy(process: int) -> None:
    """Until the process computes, which it does once it has its pair."""
    start = ticks(process)
    async with asyncio.timeout(20):
        while ticks(process) < start + 10:
            await asyncio.sleep(0.01)


def children() -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            if parent == os.getpid():
                found.add(int(entry.name))
    return found


async def test_equal_pairs_start_no_process() -> None:
    async with CompareWorker() as worker:
        for pair in (exec_pair(b"a\n", b"a\n"), exec_pair(b"a", b"a\n"), exec_pair(b"x" * 3_000_000, b"x" * 3_000_000)):
            assert (await worker.compare(pair)).matched

        assert dict(worker.counts) == {"inline": 3}


async def test_a_difference_is_the_one_the_pure_function_finds() -> None:
    async with CompareWorker() as worker:
        for pair in (exec_pair(b"a\nb\n", b"a\n"), listing_pair(20, 3), exec_pair(b"a\xff\n", b"b\xc3\n")):
            assert await worker.compare(pair) == compare(pair)

        assert worker.counts["process"] == 3
        assert worker.counts["started"] == 1


async def test_a_large_pair_that_agrees_after_normalising_is_found_to_agree_in_a_process() -> None:
    lines = b"".join(b"line %d\n" % at for at in range(20_000))
    async with CompareWorker() as worker:
        comparison = await worker.compare(exec_pair(lines, b"\x1b[0m" + lines[:-1]))

        assert comparison.matched
        assert worker.counts["process"] == 1


async def test_many_entries_that_differ_stall_nobody() -> None:
    async with CompareWorker(WorkerSettings(seconds=20)) as worker:
        comparison = await worker.compare(listing_pair(1000, 650))

        assert signatures(comparison) == ("fs.list entry.size value",)


async def test_deep_nesting_is_limited_without_a_process() -> None:
    deep: Any = 0
    for _ in range(900):
        deep = {"k": deep}
    pair = Pair(operation="sandbox.labels", old={"status": 200, "value": deep}, new={"status": 200, "value": {"k": 1}})
    async with CompareWorker() as worker:
        comparison = await worker.compare(pair)

        assert comparison.limited.startswith("nested deeper")
        assert not comparison.matched
        assert worker.counts["limited:size"] == 1


async def test_a_pair_that_takes_too_long_is_limited_and_the_next_one_is_compared() -> None:
    async with CompareWorker(WorkerSettings(seconds=0.5)) as worker:
        await worker.warm()
        before = time.perf_counter()
        comparison = await worker.compare(endless())
        seconds = time.perf_counter() - before

        assert comparison.limited == "took longer than 0.5 s"
        assert seconds < 3
    async with CompareWorker(WorkerSettings(seconds=0.8)) as worker:
        stalled, after = await asyncio.gather(worker.compare(endless()), worker.compare(exec_pair(b"a\n", b"b\n")))

        assert stalled.limited
        assert signatures(after) == ("process.exec output line value",)
        assert worker.counts["started"] == 2


async def test_the_event_loop_turns_while_a_pair_is_stuck() -> None:
    gaps = []

    async def tick() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.005)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    async with CompareWorker(WorkerSettings(seconds=1)) as worker:
        await worker.warm()
        ticking = asyncio.get_running_loop().create_task(tick())
        await worker.compare(endless())
        ticking.cancel()

    assert len(gaps) > 20
    assert sorted(gaps)[len(gaps) // 2] < 0.1


async def test_a_full_queue_limits_the_pair_that_is_too_many() -> None:
    async with CompareWorker(WorkerSettings(seconds=0.5, waiting=2)) as worker:
        comparisons = await asyncio.gather(*(worker.compare(endless()) for _ in range(5)))

        assert [each.limited for each in comparisons].count("too many comparisons were waiting") == 2
        assert worker.counts["limited:queue"] == 2
        assert not any(each.matched for each in comparisons)


async def test_a_cancelled_comparison_leaves_a_worker_that_works() -> None:
    async with CompareWorker(WorkerSettings(seconds=20)) as worker:
        await worker.warm()
        (busy,) = worker._running
        task = asyncio.get_running_loop().create_task(worker.compare(endless()))
        await until_busy(busy.process.pid)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        comparison = await worker.compare(exec_pair(b"a\n", b"b\n"))

        assert comparison.differences
        assert busy not in worker._running


async def test_a_process_that_dies_limits_its_pair_and_is_replaced() -> None:
    async with CompareWorker(WorkerSettings(seconds=20)) as worker:
        await worker.warm()
        (process,) = worker._running
        task = asyncio.get_running_loop().create_task(worker.compare(endless()))
        await until_busy(process.process.pid)
        os.kill(process.process.pid, signal.SIGKILL)

        assert (await task).limited == "the comparison process ended"
        assert (await worker.compare(exec_pair(b"a\n", b"b\n"))).differences


async def test_too_big_a_pair_is_limited_and_never_a_match() -> None:
    async with CompareWorker(WorkerSettings(limits=Limits(size_bytes=1000))) as worker:
        comparison = await worker.compare(exec_pair(b"x" * 2000, b"x" * 2000 + b"\n"))

        assert comparison.limited == "larger than 1000 bytes"
        assert worker.counts["limited:size"] == 1


async def test_memory_is_bounded_in_the_process() -> None:
    async with CompareWorker(WorkerSettings(memory_bytes=16 * 1024 * 1024, start_seconds=5)) as worker:
        comparison = await worker.compare(exec_pair(b"a\n", b"b\n"))

        assert comparison.limited == "no comparison process could start"


async def test_closing_ends_every_process_and_leaves_no_zombie() -> None:
    before = children()
    worker = CompareWorker(WorkerSettings(processes=2, seconds=20))
    await worker.warm()
    assert len(children() - before) == 2
    stuck = [asyncio.get_running_loop().create_task(worker.compare(endless())) for _ in range(4)]
    while worker._idle:
        await asyncio.sleep(0)
    await worker.close()
    comparisons = await asyncio.gather(*stuck)

    assert children() - before == set()
    assert all(each.limited for each in comparisons)
    assert (await worker.compare(exec_pair(b"a\n", b"b\n"))).limited == "comparing has been shut down"
    await worker.close()


async def test_secrets_do_not_reach_the_process_and_their_difference_does() -> None:
    async with CompareWorker() as worker:
        sides = await worker._both_sealed(
            Pair(operation="process.exec", old=ran(f"VNC_PASSWORD={SECRET}\n".encode() * 5000), new=ran(b""))
        )
        side = sides[0]
        comparison = await worker.compare(
            exec_pair(f"VNC_PASSWORD={SECRET}\n".encode(), f"VNC_PASSWORD={SECRET}x\n".encode())
        )

    assert SECRET.encode() not in side["value"]["output"]
    assert SECRET not in str(comparison)
    assert signatures(comparison) == ("process.exec output line value",)


async def test_the_process_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYTONA_API_KEY", SECRET)
    async with CompareWorker() as worker:
        await worker.warm()
        (process,) = worker._running
        environment = Path(f"/proc/{process.process.pid}/environ").read_bytes()

    assert SECRET.encode() not in environment


async def test_streams_are_never_compared() -> None:
    async with CompareWorker() as worker:
        comparison = await worker.compare(Pair(operation="pty.connect", old={"status": 200}, new={"status": 200}))

        assert comparison.limited.startswith("a live stream is not compared")


def test_a_comparison_survives_the_way_back() -> None:
    old = plain("sandbox.get", done(SandboxInfo(id="1", state="started", labels={"a": "\ud800"})))
    new = plain("sandbox.get", done(SandboxInfo(id="1", state="error")))
    comparison = compare(Pair(operation="sandbox.get", old=old, new=new))

    assert signatures(decode(encode(comparison))) == signatures(comparison)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"password: {SECRET}\n", f"qassword: {SECRET}\n"),
        (f"key is {SECRET}\n", f"API_KEY={SECRET}\n"),
        (f"token: {SECRET} ok\n", f"{SECRET}\n"),
    ],
)
async def test_what_is_a_secret_on_one_side_is_shown_of_neither(old: str, new: str) -> None:
    async with CompareWorker() as worker:
        found = await worker.compare(exec_pair(old.encode(), new.encode()))

    assert found.differences
    assert all(SECRET not in each.old + each.new for each in found.differences)


async def test_a_secret_called_like_a_field_hides_no_difference() -> None:
    async with CompareWorker() as worker:
        for word in ("status", "output", "exit_code", "value"):
            text = f"TOKEN={word}xx {word}\n"
            assert (
                await worker.compare(exec_pair(f"TOKEN={word}\n".encode(), f"TOKEN={word}\n2\n".encode()))
            ).differences
            coded = Pair(operation="process.exec", old=ran(text.encode()), new=ran(text.encode(), 1))
            assert [each.path for each in (await worker.compare(coded)).differences] == ["exit_code"]
