"""Replaying: in order and at the calls' own pace, each sandbox apart, and no sandbox left behind."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import pytest_asyncio

from comparators import plain
from crossfade import Operation, Outcome, done, refused, unsupported
from crossfade.ports import Channel
from crossfade.results import ExecResult, SandboxInfo, SessionExec, SessionLogs
from crossfade.upstream import Purpose
from router.capture.call import CapturedCall
from router.capture.masks import Masks
from router.capture.replay import Driven, Replay, with_signature
from router.capture.tally import tally
from router.compare.worker import CompareWorker
from router.doctor.scratch import NotMade

MASKS = Masks(b"k" * 32)
BROKEN = "process.exec exit_code value"


@dataclass(eq=False)
class Side:
    """A backend whose commands print their sandbox and what they were told to; notes what it was asked, and when."""

    asked: list[tuple[str, str, str, float]] = field(default_factory=list)  # sandbox, operation, command, when
    living: set[str] = field(default_factory=set)
    made: int = 0
    exit_code: int = 0
    most: int = 1_000

    name = "side"

    async def perform(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Outcome:
        if operation.name == "sandbox.create":
            if self.made >= self.most:
                return refused(429, "TOO_MANY_REQUESTS", "no more")
            self.made += 1
            self.living.add(f"made-for-a-replay-{self.made}")
            return done(SandboxInfo(id=f"made-for-a-replay-{self.made}", state="started"))
        if operation.name == "sandbox.delete":
            self.living.discard(operation.sandbox)
            return done()
        told = str(operation.arguments.get("command") or operation.arguments.get("command_id") or "")
        self.asked.append((operation.sandbox, operation.name, told, asyncio.get_running_loop().time()))
        if operation.name == "session.exec":
            return done(SessionExec(command_id=f"here-{told}", marked=b"\1\1\1x\n", exit_code=0))
        if operation.name == "session.logs":
            return done(SessionLogs(marked=b"\1\1\1x\n"))
        return done(ExecResult(exit_code=self.exit_code, output=f"{operation.sandbox} {told}\n".encode()))

    async def open(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Channel | Outcome:
        return unsupported(operation.name, self.name)


def ran(sandbox: str, at: float, command: str, **rest: Any) -> CapturedCall:
    """A command as it was captured: it printed its sandbox's own name."""
    id = f"sandbox-of-old-{sandbox}"
    answer = MASKS.answer(
        plain("process.exec", done(ExecResult(exit_code=0, output=f"{id} {command}\n".encode()))), (id,)
    )
    values: dict[str, Any] = {"id": f"{sandbox}{at:09.3f}", "at": at, "operation": "process.exec", "old": answer}
    values |= {"sandbox": MASKS.word(id), "own": (MASKS.word(id),), "arguments": {"command": command}}
    return CapturedCall(**values | rest)


@pytest_asyncio.fixture
async def worker() -> AsyncIterator[CompareWorker]:
    async with CompareWorker() as found:
        yield found


async def replayed(side: Side, worker: CompareWorker, calls: list[CapturedCall], speed: float = 0.0) -> list[Driven]:
    return await Replay(backend=side, worker=worker, masks=MASKS, speed=speed).run(calls)


async def test_each_sandbox_has_one_of_its_own_and_its_calls_in_order(worker: CompareWorker) -> None:
    side = Side()
    calls = [ran(sandbox, at, f"{sandbox}{at}") for at in (3, 1, 2) for sandbox in "ab"]

    found = await replayed(side, worker, calls)

    by_sandbox: dict[str, list[str]] = {}
    for sandbox, _, command, _ in side.asked:
        by_sandbox.setdefault(sandbox, []).append(command)
    assert sorted(by_sandbox.values()) == [["a1", "a2", "a3"], ["b1", "b2", "b3"]]
    assert all(each.comparison and each.comparison.matched for each in found)
    assert side.living == set()


async def test_calls_come_at_their_own_pace_times_the_speed(worker: CompareWorker) -> None:
    side = Side()

    await replayed(side, worker, [ran("a", at, str(at)) for at in (1_000.0, 1_000.4, 1_001.0)], speed=2.0)

    at = [when for _, _, _, when in side.asked]
    # Never early; late is the machine's doing.
    assert at[1] - at[0] > 0.19
    assert at[2] - at[0] > 0.49


async def test_what_differs_now_is_new_and_what_differed_then_is_gone(worker: CompareWorker) -> None:
    calls = [ran("a", 1, "one", signatures=("process.exec output line value",)), ran("a", 2, "two")]

    counted = tally(await replayed(Side(exit_code=1), worker, calls))

    assert (counted.driven, counted.compared, counted.differing) == (2, 2, 2)
    assert [(row.signature, row.state, row.captured, row.now) for row in counted.rows] == [
        (BROKEN, "new", 0, 2),
        ("process.exec output line value", "gone", 1, 0),
    ]


async def test_after_an_upload_that_was_not_kept_nothing_is_driven(worker: CompareWorker) -> None:
    side = Side()
    lost = ran("a", 2, "", operation="fs.upload", complete=False)
    calls = [ran("a", 1, "before"), lost, ran("a", 3, "after"), ran("b", 3, "elsewhere")]

    counted = tally(await replayed(side, worker, calls))

    assert sorted(command for _, _, command, _ in side.asked) == ["before", "elsewhere"]
    assert counted.skipped == {
        "not all of it was kept": 1,
        "what came before it is not whole: fs.upload": 1,
    }


async def test_a_command_of_a_session_is_asked_for_by_the_name_it_has_here(worker: CompareWorker) -> None:
    side = Side()
    said = plain("session.exec", done(SessionExec(command_id="id-on-old", marked=b"\1\1\1x\n", exit_code=0)))
    logs = plain("session.logs", done(SessionLogs(marked=b"\1\1\1x\n")))
    started = ran("a", 1, "run", operation="session.exec", old=said)
    asked = ran("a", 2, "", operation="session.logs", arguments={"session": "s", "command_id": "id-on-old"}, old=logs)

    found = await replayed(side, worker, [started, asked])

    assert [told for _, _, told, _ in side.asked] == ["run", "here-run"]
    assert tally(found).differing == 0


@pytest.mark.parametrize(
    "operation", ["pty.connect", "pty.create", "sandbox.stop", "interpreter.execute", "session.follow"]
)
async def test_what_cannot_be_driven_is_counted_as_such(operation: str, worker: CompareWorker) -> None:
    side = Side()

    counted = tally(await replayed(side, worker, [ran("a", 1, "x", operation=operation), ran("a", 2, "next")]))

    assert [name for _, name, _, _ in side.asked] == ["process.exec"]
    assert sum(counted.skipped.values()) == 1
    assert counted.driven == 1


async def test_where_a_sandbox_cannot_be_made_it_is_said_and_the_others_are_removed(worker: CompareWorker) -> None:
    side = Side(most=1)

    with pytest.raises(NotMade, match="no more"):
        await replayed(side, worker, [ran("a", 1, "x"), ran("b", 1, "x")], speed=1)

    assert side.living == set()


def test_a_signature_takes_the_sandboxes_that_showed_it_up_to_the_last_call_that_did() -> None:
    shown = replace(ran("a", 2, "2"), signatures=(BROKEN,))
    calls = [ran("a", 1, "1"), shown, ran("a", 3, "3"), ran("b", 1, "1")]

    assert [call.arguments["command"] for call in with_signature(calls, BROKEN)] == ["1", "2"]
    assert with_signature(calls, "fs.info mode value") == []
