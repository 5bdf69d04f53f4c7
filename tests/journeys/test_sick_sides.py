"""One side fails in the middle: no acknowledged write is lost, no stale read answered, no command run twice.

Clauses C8 and C9 of docs/consistency.md.
"""

import asyncio
import contextlib
import resource
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from demo.programs import Program
from tests.journeys.probes import Probe, create, twins, use_flags
from tests.journeys.stack import ALL_TOOLS, FILE_TOOLS, Stack, stack
from tests.journeys.tap import Tap
from tests.journeys.trees import clean_twins, tree

ROUNDS = 6
SIZE = 60_000  # of a file: more than a full disk takes, and than passes before a cut
ROOM = 20_000
LOG = "/workspace/log"
Fault = Callable[[Stack, str], Awaitable[None]]


def _tap(system: Stack, side: str) -> Tap:
    return system.new_tap if side == "new" else system.old_tap


def _room(program: Program, most: int) -> None:
    """The largest file that this program may write from now on, as on a disk that is full."""
    assert program.process is not None
    _, hard = resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(program.process.pid, resource.RLIMIT_FSIZE, (most, hard))


async def _status(system: Stack, side: str, status: int) -> None:
    assert side == "new"
    await system.inject(fail=status)


async def _garbage(system: Stack, side: str) -> None:
    _tap(system, side).garbage = b"\x00\xffthis is not HTTP\r\n\r\n"


async def _no_json(system: Stack, side: str) -> None:
    _tap(system, side).garbage = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{}}}]"


async def _cut_upload(system: Stack, side: str) -> None:
    _tap(system, side).cut_up = ROOM


async def _cut_answer(system: Stack, side: str) -> None:
    _tap(system, side).cut_down = 0


async def _cut_in_answer(system: Stack, side: str) -> None:
    _tap(system, side).cut_down = 30


async def _full(system: Stack, side: str) -> None:
    _room(system.new if side == "new" else system.old, ROOM)


async def _heal(system: Stack) -> None:
    for tap in (system.new_tap, system.old_tap):
        tap.garbage, tap.cut_up, tap.cut_down = b"", 0, -1
    for program in (system.new, system.old):
        _room(program, resource.RLIM_INFINITY)
    await system.inject(fail=0)


FAULTS: dict[str, tuple[Fault, str]] = {
    "new answers 500": (lambda system, side: _status(system, side, 500), "new"),
    "new answers 429": (lambda system, side: _status(system, side, 429), "new"),
    "new answers garbage": (_garbage, "new"),
    "new answers what is no JSON": (_no_json, "new"),
    "new is cut off in uploads": (_cut_upload, "new"),
    "new is cut off before answers": (_cut_answer, "new"),
    "new is cut off in answers": (_cut_in_answer, "new"),
    "the disk of new is full": (_full, "new"),
    "old is cut off in uploads": (_cut_upload, "old"),
    "old is cut off before answers": (_cut_answer, "old"),
    "old is cut off in answers": (_cut_in_answer, "old"),
    "the disk of old is full": (_full, "old"),
}
SHORT = ("new answers garbage", "the disk of new is full", "old is cut off before answers")


@dataclass
class Register:
    """What was written and acknowledged, and what may have been written."""

    held: dict[str, set[bytes]] = field(default_factory=dict)  # path -> what a read may give
    unsure: set[str] = field(default_factory=set)  # paths whose last write was not acknowledged: a part may stand there
    ran: Counter[str] = field(default_factory=Counter)  # commands that were acknowledged
    asked: Counter[str] = field(default_factory=Counter)

    def wrote(self, path: str, data: bytes, *, acknowledged: bool) -> None:
        self.held[path] = {data} if acknowledged else {data, *self.held.get(path, ())}
        (self.unsure.discard if acknowledged else self.unsure.add)(path)

    def may(self, path: str, data: bytes, on_disk: bytes) -> bool:
        """Whether a read may give it. Of a write that was cut, what stands on the seat's disk is right."""
        return data in self.held[path] or (path in self.unsure and data == on_disk)


@pytest.mark.parametrize(
    "fault", [pytest.param(each, marks=() if each in SHORT else pytest.mark.full) for each in FAULTS]
)
@pytest.mark.parametrize("stage", ["live", pytest.param("shadow", marks=pytest.mark.full)])
async def test_a_side_that_fails_in_the_middle_loses_nothing_and_repeats_nothing(
    tmp_path: Path, fault: str, stage: str
) -> None:
    begin, side = FAULTS[fault]
    register = Register()
    async with (
        stack(tmp_path, mirror={"patience_seconds": 1.0}) as system,
        await system.client() as client,
        contextlib.AsyncExitStack() as ends,
    ):
        ends.push_async_callback(_heal, system)
        await use_flags(system, {**dict.fromkeys(ALL_TOOLS, "shadow"), **dict.fromkeys(FILE_TOOLS, stage)})
        probe = await create(client)
        await twins(system, [probe.id], clean=True)
        seat, follower = (
            system.directory / name / id / "files"
            for name, id in zip(("old", "new"), clean_twins(tmp_path / "crossfade.db")[probe.id], strict=True)
        )
        await _work(probe, register, seat, range(2))
        await begin(system, side)
        await _work(probe, register, seat, range(2, 2 + ROUNDS))
        if side == "old":
            assert register.unsure, "the fault was met"
        await _heal(system)
        # On old this writes over whatever was left half written.
        await _work(probe, register, seat, range(2 + ROUNDS, 4 + ROUNDS), sure=True)
        await twins(system, [probe.id], clean=True, seconds=90)
        one, other = await tree(seat / "workspace"), await tree(follower / "workspace")
        logged = Counter((seat / LOG.lstrip("/")).read_text().split())
        sent = (each for each in system.old_tap.seen if each.target.endswith("/process/execute"))
        external = Counter(each.call for each in sent if each.call)  # the others are the router's own

    assert one == other
    # Every command that was acknowledged ran, and none ran twice.
    assert set(register.ran) <= set(logged) <= set(register.asked)
    assert set(logged.values()) == {1}
    assert set(external.values()) == {1}, "a command was sent to the seat again"


async def _work(probe: Probe, register: Register, seat: Path, rounds: range, *, sure: bool = False) -> None:
    """A write, a read and a command in each round, checked against the register. `sure`: nothing may fail."""
    for number in rounds:
        path = f"/workspace/f{number % 3}"
        data = b"%06d" % number * (SIZE // 6)
        written = await probe.upload(path, data)
        register.wrote(path, data, acknowledged=written.status_code < 300)
        read = await probe.download(path)
        if read.status_code == 200:
            on_disk = await asyncio.to_thread((seat / path.lstrip("/")).read_bytes)
            assert register.may(path, read.content, on_disk), f"round {number}: {read.content[:20]!r}"
        id = f"id-{number}"
        register.asked[id] += 1
        ran = await probe.exec(f"echo {id} >> {LOG}")
        if ran.status_code == 200 and ran.json()["exitCode"] == 0:
            register.ran[id] += 1
        if sure:
            assert (written.status_code, read.status_code, ran.status_code) == (200, 200, 200)
