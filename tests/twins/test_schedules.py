"""Schedules of twins.md §5 on two real sandboxes: whatever comes between, nothing stale is claimed equal.

Clauses C3, C4 and C5 of docs/consistency.md.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.stage import Origin
from crossfade.twin import TwinRow
from crossfade.upstream import Purpose
from router.engine import split
from router.twins.admit import Ask, Go, How, admit, finish
from router.twins.keeper import Keeper
from router.twins.registry import Registry
from tests.backends.asking import until
from tests.twins.stand import ROOT, Held, HeldClock, Rows, Stand, tree
from tests.twins.talking import talking
from tests.twins.test_settle import EXECUTE, how, read

pytestmark = pytest.mark.asyncio(loop_scope="module")
F = f"{ROOT}/f"
THROUGH = Ask(wish=Origin.NEW, paths=frozenset((F,)), bounded=True, mutates=True)


async def put(stand: Stand, origin: Origin, data: object) -> Outcome:
    upload = Operation(name="fs.upload", arguments={"path": F}, body=data)  # type: ignore[arg-type]
    return await stand.sides.perform(stand.twin, origin, upload, Purpose.ANSWER)


async def write_through(stand: Stand, data: bytes) -> Go:
    """A write that goes to both sides, as the engine does it."""
    go = admit(stand.twin, THROUGH, stand.clock.monotonic())
    try:
        if go.mark_dirty_first:
            await stand.registry.mark_dirty(stand.twin)
        outcomes = await asyncio.gather(*(put(stand, origin, data) for origin in Origin))
    except BaseException:
        finish(stand.twin, go.call, equal=False)
        raise
    finish(stand.twin, go.call, equal=split.same_class(outcomes[:1], outcomes[1:]))
    return go


async def test_two_writes_that_reach_the_sides_in_another_order_are_copied_and_never_ordered(stand: Stand) -> None:
    """P2: both are acknowledged, each side holds another one's bytes."""
    await stand.settler.everything(stand.twin)
    one, two = (admit(stand.twin, THROUGH, stand.clock.monotonic()) for _ in range(2))
    for origin, data in ((Origin.OLD, b"1"), (Origin.OLD, b"2"), (Origin.NEW, b"2"), (Origin.NEW, b"1")):
        await put(stand, origin, data)
    for go in (one, two):
        finish(stand.twin, go.call, equal=True)
    forked = how(stand, F)
    await stand.settler.everything(stand.twin)

    assert forked is How.SEAT
    assert how(stand, F) is How.CLEAN
    assert await stand.new.get(F) == b"2"


async def test_one_write_at_a_time_leaves_the_path_clean(stand: Stand) -> None:
    await stand.settler.everything(stand.twin)
    for data in (b"1", b"2"):
        await write_through(stand, data)

    assert how(stand, F) is How.CLEAN
    assert await stand.same_trees()


async def test_an_upload_cancelled_half_way_is_settled_from_the_seat(stand: Stand) -> None:
    await write_through(stand, b"before")
    await stand.settler.everything(stand.twin)
    half = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"half of "
        half.set()
        await asyncio.Event().wait()

    go = admit(stand.twin, THROUGH, stand.clock.monotonic())
    writing = [asyncio.create_task(put(stand, Origin.OLD, body())), asyncio.create_task(put(stand, Origin.NEW, b"all"))]
    await half.wait()
    await writing[1]
    writing[0].cancel()
    with suppress(asyncio.CancelledError):
        await writing[0]
    finish(stand.twin, go.call, equal=False)
    in_doubt = how(stand, F)
    await stand.settler.everything(stand.twin)

    assert in_doubt is How.SEAT
    assert how(stand, F) is How.CLEAN
    assert await tree(stand.old) == await tree(stand.new)


async def test_a_file_that_an_answered_command_goes_on_to_write_is_read_as_the_seat_has_it(stand: Stand) -> None:
    """P3: 202, then a file is read that the command writes later."""
    await stand.old.put(F, b"old")
    await stand.old.session("s")
    go = admit(stand.twin, EXECUTE, stand.clock.monotonic())
    await stand.old.ask("session.exec", session="s", command=f"read go; echo new > {F}; echo done", run_async=True)
    finish(stand.twin, go.call, equal=False)
    await stand.settler.everything(stand.twin)
    filled = await stand.settler.path(stand.twin, F)
    token = stand.twin.tokens[F]
    before = await _read(stand, token)
    command = (await stand.old.ask("session.get", session="s")).value.commands[0].id
    channel = await stand.old.channel("session.follow", session="s", command_id=command)
    await stand.old.ask("session.input", session="s", command_id=command, data="go\n")
    await until(channel.output(), b"done")
    await channel.close()
    after = await _read(stand, token)

    assert filled
    assert how(stand, F) is How.TOKEN, "hot: never read without proof"
    assert (before.outcomes is None, after.outcomes is None) == (False, True)
    await stand.old.ask("session.delete", session="s")


async def _read(stand: Stand, token: split.Token) -> split.SplitRead:
    download = Operation(name="fs.download", arguments={"path": F})
    got = await split.read(stand.sides, stand.twin, How.TOKEN, [download], [token], 20.0)
    for outcome in got.outcomes or ():
        await outcome.value.stream.aclose()
    return got


async def test_what_a_terminal_has_shown_is_listed_by_the_seat(stand: Stand) -> None:
    """P3: the client saw the marker in the terminal, and lists before the terminal is closed."""
    await stand.settler.everything(stand.twin)
    await stand.old.ask("pty.create", pty="p")
    go = admit(stand.twin, EXECUTE, stand.clock.monotonic())
    channel = await stand.old.channel("pty.connect", pty="p")
    await channel.send(f"touch {ROOT}/made; echo mar''ker\n".encode())
    await until(channel.output(), b"marker")
    listing = admit(stand.twin, Ask(wish=Origin.NEW, paths=frozenset((ROOT,)), bounded=True, lists=True), 0.0)
    await channel.close()
    finish(stand.twin, go.call, equal=False)

    assert (listing.side, listing.reason) == (Origin.OLD, "a write of it is under way")
    await stand.old.ask("pty.delete", pty="p")


@dataclass
class Crashes:
    """Looks at what is on disk at every point where the router may be killed."""

    stand: Stand
    looks: int = 0
    trusted: int = 0
    wrong: list[str] = field(default_factory=list)

    async def look(self, where: str) -> None:
        """A router that starts with these rows: may it trust the follower in anything?"""
        self.looks += 1
        rows = Rows(dict(self.stand.rows.rows))
        clock = HeldClock()
        registry = Registry(rows, clock, orphan_grace_seconds=60)
        await registry.load()
        twin = registry.get(self.stand.twin.id)
        assert twin is not None
        clock.seconds += 61
        if twin.known_equal(frozenset((F,)), clock.monotonic()):
            self.trusted += 1
            if await tree(self.stand.old) != await tree(self.stand.new):
                self.wrong.append(where)

    def watch(self) -> None:
        """Before and after each request to either side, and each write to disk."""
        for origin, gate in self.stand.gates.items():
            for name in ("fs.upload", "fs.download", "fs.info", "process.exec"):
                gate.before[name] = self._before(f"{origin} before {name}")
                gate.after[name] = self._after(f"{origin} after {name}")
        self.stand.registry.rows = _Watched(self.stand.rows, self)

    def _before(self, where: str):  # type: ignore[no-untyped-def]
        async def before(_operation: Operation) -> None:
            await self.look(where)

        return before

    def _after(self, where: str):  # type: ignore[no-untyped-def]
        async def after(_operation: Operation, outcome: Outcome) -> Outcome:
            await self.look(where)
            return outcome

        return after


@dataclass
class _Watched:
    rows: Rows
    crashes: Crashes

    async def load(self) -> list[TwinRow]:
        return await self.rows.load()

    async def save(self, row: TwinRow) -> None:
        await self.crashes.look("before save")
        await self.rows.save(row)
        await self.crashes.look("after save")

    async def mark_dirty(self, twin: str, dirty: bool) -> None:
        await self.crashes.look(f"before mark {dirty}")
        await self.rows.mark_dirty(twin, dirty)
        await self.crashes.look(f"after mark {dirty}")


async def test_a_router_killed_at_any_await_trusts_nothing_that_is_not_equal(stand: Stand) -> None:
    """Acknowledged, then killed, at each await of writes, executes, fills and settles."""
    crashes = Crashes(stand)
    crashes.watch()
    async with talking(stand) as talk:
        keeper = Keeper(stand.registry, stand.sides, stand.settler, talk.lanes, 0.02)
        for number in range(2):
            await write_through(stand, f"write {number}".encode())
            await asyncio.gather(*(write_through(stand, f"{number} {each}".encode()) for each in range(3)))
            await asyncio.gather(keeper.settle_now(stand.twin), write_through(stand, b"meanwhile"))
            await keeper.settle_now(stand.twin)
            go = admit(stand.twin, EXECUTE, stand.clock.monotonic())
            if go.mark_dirty_first:
                await stand.registry.mark_dirty(stand.twin)
            command = Operation(name="process.exec", arguments={"command": f"echo {number} >> {F}"})
            await stand.sides.perform(stand.twin, Origin.OLD, command, Purpose.ANSWER)
            finish(stand.twin, go.call, equal=False)
            await stand.settler.path(stand.twin, F)
            stand.twin.hot, stand.twin.gen = False, stand.twin.gen + 1  # as the probe would
            await keeper.settle_now(stand.twin)

    assert crashes.wrong == []
    assert crashes.looks > 60
    assert crashes.trusted > 0, "else nothing was ever clean, and nothing was tested"


async def test_a_settle_that_a_dead_router_sent_may_land_and_is_settled_again(stand: Stand) -> None:
    """P9: the upload of a settle reaches the follower after the next router has started."""
    await stand.old.put(F, b"as it was")
    late = stand.follower.before["fs.upload"] = Held()
    dying = asyncio.create_task(stand.settler.everything(stand.twin))
    await late.reached.wait()
    clock = HeldClock()
    again = Registry(stand.rows, clock, orphan_grace_seconds=60)
    await again.load()
    twin = again.get(stand.twin.id)
    assert twin is not None
    during = admit(twin, read(F), clock.monotonic())
    late.go.set()
    await dying
    await stand.old.put(F, b"as it is")
    clock.seconds += 61
    after = admit(twin, read(F), clock.monotonic())
    settled = await stand.settler.everything(twin)

    assert (during.side, after.side, settled.clean) == (Origin.OLD, Origin.OLD, True)
    assert await stand.new.get(F) == b"as it is"
