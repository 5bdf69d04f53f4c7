"""What docs/operations.md says for ordinary days and for going back is done, section by section."""

import asyncio
import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

from tests.journeys.probes import Probe, create, recorded, twins, use_flags
from tests.journeys.runbook import codes, follow
from tests.journeys.stack import ALL_TOOLS, FILE_TOOLS, Stack, stack
from tests.journeys.test_moves import until

EVERYTHING = (*ALL_TOOLS, "lifecycle")
PATIENCE = 40.0


async def _answering(system: Stack, probe: Probe) -> str:
    """Who answers a file call now."""
    await probe.download("/workspace/f")
    call = probe.calls[-1][1]
    return str((await recorded(system, [call]))[call]["answering"])


async def _until_answered_by(system: Stack, probe: Probe, origin: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while await _answering(system, probe) != origin:
            await asyncio.sleep(0.2)


@contextlib.contextmanager
def _no_room(pid: int) -> Iterator[None]:
    """No file of the process grows beyond a page, which is how a full disk looks to it."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def test_a_week_of_looking_stepping_and_going_back(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        await use_flags(system, {**dict.fromkeys(EVERYTHING, "shadow"), **dict.fromkeys(FILE_TOOLS, "live")})
        probe = await create(client)
        await twins(system, [probe.id], clean=True)
        assert (await probe.upload("/workspace/f", b"kept")).status_code == 200
        await twins(system, [probe.id], clean=True)
        await probe.exec("echo $RANDOM$RANDOM")
        await _until_answered_by(system, probe, "new")
        names = {"ID": probe.calls[-1][1], "SANDBOX": probe.id}
        watched = [*await follow(system, "## Watch"), *await follow(system, "## A mismatch", names)]
        watched += await follow(system, "## Calls fail", names | {"--follow": "--limit=5"})
        *looked, orphan = await follow(system, "## Look at one sandbox", names)
        await follow(system, "## Rollback")
        await _until_answered_by(system, probe, "old")
        stepped = await follow(system, "## A step forward")
        bypassed = await follow(system, "## Bypass the router")
        content = (await probe.download("/workspace/f")).content

    assert set(codes(watched).values()) == {0}, watched
    assert "  files: set 100 %, effective 100 %\n" in watched[0].out, "every sandbox reads its files on new"
    assert set(codes(looked).values()) <= {0, 1}, looked  # 1: something was found
    assert (orphan.code, "Traceback" in orphan.err) == (2, False), "there is none of that name"
    assert set(codes(stepped).values()) == {0}, stepped
    assert set(codes(bypassed).values()) == {0}, bypassed
    assert content == b"kept"


async def test_the_disk_of_the_store_is_full(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys(EVERYTHING, "shadow"))
        probe = await create(client)
        await until(system, probe.id, follower="joined")
        await twins(system, [probe.id], clean=True)
        await probe.upload("/workspace/f", b"kept")
        await twins(system, [probe.id], clean=True)
        assert system.router.process is not None
        with _no_room(system.router.process.pid):
            answers = [await probe.download("/workspace/f") for _ in range(20)]
            waiting = (await system.metrics())["crossfade_records_waiting"]
            written = await probe.upload("/workspace/f", b"late")
            looked = await follow(system, "## Watch")
        await twins(system, [probe.id], clean=True)
        last = await probe.download("/workspace/f")
        found = await recorded(system, [probe.calls[-1][1]])

    assert {answer.content for answer in answers} == {b"kept"}
    assert waiting > 0, "the disk was not full"
    assert (written.status_code, last.content) == (200, b"late"), written.text
    assert set(codes(looked).values()) == {0}, looked
    assert len(found) == 1, "records are written again without a restart"
