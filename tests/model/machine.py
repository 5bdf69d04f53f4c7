"""The steps of a history: hypothesis chooses them, a sandbox carries them out, and after each something must hold."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx2
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.journeys.probes import SDK_HEADERS, create, set_flags, twins, use_flags
from tests.journeys.stack import ALL_TOOLS, FILE_TOOLS, PROCESS_TOOLS, Stack
from tests.model.sandbox import DIRECTORY, FILES, Sandbox, Value, Writer

WISHES = ("off", "shadow", "live", "live", "complete")
_RARELY = 60  # steps between two of what costs a second
_PHASE = 15  # the least steps between two changes of whether anything runs
_OFTEN = 8  # steps between two of what takes a few hundred milliseconds

names = st.sampled_from(FILES)
WRITES = ("upload", "upload", "execute", "delete", "upload", "execute", "move", "chmod", "mkdir", "delete all")
READS = ("read", "info", "read", "list", "read")
OUTSIDE = ("flags", "wait", "flags", "cut", "trouble", "heal")
GOES_ON = ("session", "type", "later", "write", "write in place")
tools = st.sampled_from((FILE_TOOLS, PROCESS_TOOLS, ALL_TOOLS))
# What calls that overlap are made of: more of what can go wrong.
overlapping = st.lists(
    st.tuples(st.sampled_from(("upload", "upload", "run", "read", "read", "info", "delete", "list")), names),
    min_size=2,
    max_size=5,
)


class Totals:
    """What all histories of one run did, so that a run which did nothing is seen."""

    def __init__(self) -> None:
        self.steps = 0
        self.counted: dict[str, int] = {}


class Histories(RuleBasedStateMachine):
    """One sandbox from its birth to its end."""

    system: Stack
    runner: asyncio.Runner
    totals: Totals

    def __init__(self) -> None:
        super().__init__()
        self.box: Sandbox | None = None
        self.http: httpx2.AsyncClient | None = None
        self.since = 0  # steps since the last rare one
        self.phase = 0  # steps since the last change of `busy`
        self.settled = 0  # steps since the last reads of what is settled
        self.busy = False  # whether anything may go on running

    # Around the steps.

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """One step, and what must hold after every step."""
        self.totals.steps += 1
        self.since += 1
        self.phase += 1
        self.settled += 1

        async def step() -> None:
            await work
            await self.sandbox.hold()

        self.runner.run(step())

    @property
    def sandbox(self) -> Sandbox:
        assert self.box is not None
        return self.box

    @property
    def rarely(self) -> bool:
        return self.since >= _RARELY

    @initialize(files=st.sampled_from(("live", "complete")))
    def born(self, files: str) -> None:
        async def work() -> None:
            await use_flags(self.system, {**dict.fromkeys(ALL_TOOLS, "shadow"), **dict.fromkeys(FILE_TOOLS, files)})
            self.http = await self.system.client()
            probe = await create(self.http)
            await twins(self.system, [probe.id])
            self.box = Sandbox(self.system, probe, "old", {})
            ids = (await self.box.shown())["ids"]
            self.box.disks = {
                side: self.system.directory / side / ids[side] / "files" / "workspace" for side in ("old", "new")
            }
            assert await self.box.execute("mkdir -p d; echo first > a")
            assert all(isinstance(each, Path) and each.is_dir() for each in (self.box.disks["old"],))

        self.runner.run(work())

    def teardown(self) -> None:
        if self.box is None:
            return

        async def work() -> None:
            try:
                await self._heal()
                await self._end_writers()
                await self.sandbox.end_shells()
                # With every tool off there would be no follower.
                await use_flags(
                    self.system, {**dict.fromkeys(ALL_TOOLS, "shadow"), **dict.fromkeys(FILE_TOOLS, "live")}
                )
                await self.sandbox.converge()
                await self.sandbox.told()
            finally:
                for name, count in self.sandbox.counted.items():
                    self.totals.counted[name] = self.totals.counted.get(name, 0) + count
                if self.http is not None:
                    await self.http.delete(f"/api/sandbox/{self.sandbox.probe.id}", headers=SDK_HEADERS)
                    await self.http.aclose()

        self.runner.run(work())

    # Calls that no other overlaps: exactly what the seat's disk holds.

    @rule(what=st.sampled_from(WRITES), name=names, other=names)
    def write(self, what: str, name: str, other: str) -> None:
        self.run(self._call(what, name, other))

    @rule(what=st.sampled_from(READS), name=names, other=names)
    def read(self, what: str, name: str, other: str) -> None:
        self.run(self._call(what, name, other))

    @rule(what=st.sampled_from(READS), name=names, written=st.sampled_from(WRITES))
    def write_and_read(self, what: str, name: str, written: str) -> None:
        self.run(self._both(what, name, written))

    async def _both(self, what: str, name: str, written: str) -> None:
        await self._call(written, name, "d/y")
        await self._call(what, name, "d/y")

    async def _call(self, what: str, name: str, other: str) -> None:
        box, value = self.sandbox, self.sandbox.new_value()
        match what:
            case "upload":
                if await box.upload(name, value):
                    self._holds(name, value)
            case "execute":
                if await box.execute(f"mkdir -p d; printf {value} > {name}"):
                    self._holds(name, value)
            case "read":
                await box.read(name)
            case "info":
                await box.info(name)
            case "list":
                await box.list(other.partition("/")[0] if "/" in other else "", exact=self._all_quiet())
            case "delete":
                if await box.delete(name) and self._is_quiet(name):
                    self._holds(name, None)
            case "delete all":
                if await box.delete("d") and self._is_quiet("d"):
                    self._holds("d", None)
            case "move":
                before = box.disk(name)
                if await box.move(name, other) and name != other and box.quiet(name):
                    self._holds(other, before)
                    self._holds(name, None)
            case "chmod":
                await box.chmod(name, "600" if name < other else "755")
            case "mkdir":
                if await box.mkdir("d"):
                    self._holds("d", DIRECTORY)
            case _:
                raise ValueError(what)

    def _all_quiet(self) -> bool:
        return all(self.sandbox.quiet(each) for each in FILES)

    def _is_quiet(self, name: str) -> bool:
        return all(self.sandbox.quiet(each) for each in FILES if each == name or each.startswith(f"{name}/"))

    def _holds(self, name: str, value: Value) -> None:
        """Acknowledged: the seat has it (I1)."""
        if self.sandbox.quiet(name) and self.sandbox.disk(name) != value:
            self.sandbox.wrong(f"{name}: {value!r} was acknowledged, and the seat holds {self.sandbox.disk(name)!r}")

    @precondition(lambda self: not self.busy and self.settled >= _OFTEN)
    @rule(waited=st.sampled_from((0.2, 1.0)), name=names)
    def reads_of_what_is_settled(self, waited: float, name: str) -> None:
        """Where the flags allow it the follower answers these, with a write in between."""

        async def work() -> None:
            box, self.settled = self.sandbox, 0
            await box.wait_until_clean(waited)
            for each in FILES:
                await box.read(each)
            await self._call("upload", name, name)
            await box.info("a")
            await box.list("", exact=True)
            await box.read(name)

        self.run(work())

    # Calls that overlap, and what goes on after its answer.

    @rule(calls=overlapping)
    def at_once(self, calls: "list[tuple[str, str]]") -> None:
        async def work() -> None:
            box = self.sandbox
            written = [(what, name, box.new_value()) for what, name in calls]
            values = [value for what, _, value in written if what in ("upload", "run")]
            held = [box.disk(name) for name in FILES]
            also: list[Value] = [*held, *values, None, ""]

            async def one(what: str, name: str, value: str) -> None:
                match what:
                    case "upload":
                        await box.upload(name, value)
                    case "run":
                        await box.execute(f"printf {value} > {name}")
                    case "read":
                        await box.read(name, also)
                    case "info":
                        await box.info(name, also)
                    case "delete":
                        await box.delete(name)
                    case _:
                        await box.list("", exact=False)

            box.history.append(f"at once: {calls}")
            await asyncio.gather(*(one(*each) for each in written))
            for name in {name for what, name, _ in written if what == "read"}:
                await box.read(name)

        self.run(work())

    @precondition(lambda self: self.phase >= _PHASE)
    @rule()
    def phase_ends(self) -> None:
        """With something running, hardly anything is read from the follower: half of the steps are without."""
        self.phase, self.busy = 0, not self.busy
        self.run(self._end_all() if not self.busy else asyncio.sleep(0))

    async def _end_all(self) -> None:
        await self._heal()
        await self._end_writers()
        await self.sandbox.end_shells()

    @precondition(lambda self: self.busy)
    @rule(what=st.sampled_from(GOES_ON), name=names, seconds=st.sampled_from((0.02, 0.1, 0.4)))
    def go_on(self, what: str, name: str, seconds: float) -> None:
        self.run(self._go_on(what, name, seconds))

    async def _go_on(self, what: str, name: str, seconds: float) -> None:
        """What runs longer than its call, or may."""
        box, value = self.sandbox, self.sandbox.new_value()
        write = f"mkdir -p d; printf {value} > {name}"
        match what:
            case "session":
                if await box.session_exec("s", write, run_async=False):
                    self._holds(name, value)
            case "type":
                # What a terminal has shown has happened: a read that comes after it must know.
                if await box.type(write, f"done-{value}"):
                    self._holds(name, value)
                else:
                    box.expect(name, value)
                await box.read(name)
            case "later":
                box.expect(name, value, seconds + 2)
                await box.session_exec("s2", f"sleep {seconds}; {write}", run_async=True)
            case _:
                await self._begin_writing(name, in_place=what == "write in place")

    async def _begin_writing(self, name: str, *, in_place: bool) -> None:
        box = self.sandbox
        if not box.quiet(name) or "/" in name:
            return
        writer = Writer(name=f"w{next(box.numbers)}")
        box.writers[name] = writer
        value = f"{writer.name}:$i"
        write = f"printf %s {value} > {name}" if in_place else f"printf %s {value} > .{name}; mv .{name} {name}"
        loop = f"i=0; while [ ! -e /tmp/{writer.name} ]; do {write}; i=$((i+1)); sleep 0.01; done"
        if in_place:
            box.expect(name, "", 3600)
        if not await box.execute(f"({loop}) >/dev/null 2>&1 &"):
            box.expect(name, f"{writer.name}:", 3600)

    @precondition(lambda self: self.box is not None and self.box.writers)
    @rule()
    def end_writing(self) -> None:
        self.run(self._end_writers())

    async def _end_writers(self) -> None:
        box = self.sandbox
        for name, writer in list(box.writers.items()):
            await box.execute(f"touch /tmp/{writer.name}; sleep 0.05")
            last = box.disk(name)
            await asyncio.sleep(0.05)
            if box.disk(name) == last:
                del box.writers[name]
                box.landing.pop(name, None)

    # What is done to it from outside.

    @rule(what=st.sampled_from(OUTSIDE), name=names, tools=tools, wish=st.sampled_from(WISHES))
    def outside(self, what: str, name: str, tools: tuple[str, ...], wish: str) -> None:
        self.run(self._outside(what, name, tools, wish))

    async def _outside(self, what: str, name: str, tools: tuple[str, ...], wish: str) -> None:
        box = self.sandbox
        match what:
            case "flags":
                # Nobody waits for them: calls go on while they arrive.
                box.history.append(f"flags of {len(tools)} tools: {wish}")
                await asyncio.to_thread(set_flags, self.system, dict.fromkeys(tools, wish))
            case "cut":
                await box.cut(name, box.new_value() * 4000)
            case "trouble":
                fault = {"a": {"fail": 500}, "b": {"fail": 429}}.get(name, {"delay_seconds": 0.05})
                box.history.append(f"new: {fault}")
                box.failing = True
                await self.system.inject(**fault)
            case "heal":
                await self._heal()
            case _:
                await asyncio.sleep(0.2)

    async def _heal(self) -> None:
        await self.system.inject(fail=0, delay_seconds=0)
        self.sandbox.failing = False

    @precondition(lambda self: self.rarely)
    @rule(wish=st.sampled_from(("live", "shadow", "as it is")))
    def stop_and_start(self, wish: str) -> None:
        """The seat may move here: what it held before is what it holds then."""

        async def work() -> None:
            box, self.since = self.sandbox, 0
            if wish != "as it is":
                await use_flags(self.system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), wish))
                box.history.append(f"flags of all tools: {wish}")
            await self._heal()
            await self._end_writers()
            await box.hang_up()
            while not all(box.quiet(name) for name in FILES):
                await asyncio.sleep(0.2)
            assert self.http is not None
            before, held = box.seat, box.tree(box.seat)
            for verb in ("stop", "start"):
                answer = await self.http.post(f"/api/sandbox/{box.probe.id}/{verb}", headers=SDK_HEADERS)
                box.history.append(f"{verb} -> {answer.status_code}")
                if answer.status_code != 200:
                    box.wrong(f"{verb}: {answer.status_code} {answer.text[:200]}")
            box.sessions.clear()
            box.terminals.clear()
            await box.execute("true")  # waits where the seat is about to move
            box.seat = (await box.shown())["seat"]
            box.counted[f"moved from {before} to {box.seat}" if before != box.seat else "stayed"] += 1
            if box.tree(box.seat) != held:
                box.wrong(
                    f"{box.seat} does not hold what {before} held: {dict(held.items() ^ box.tree(box.seat).items())}"
                )

        self.run(work())

    @precondition(lambda self: self.rarely)
    @rule()
    def kill_the_router(self) -> None:
        async def work() -> None:
            self.since = 0
            await self.sandbox.hang_up()
            await self.system.router.kill()
            await self.system.router.start()
            assert self.http is not None
            await self.http.aclose()
            self.http = self.sandbox.probe.client = await self.system.client()
            self.sandbox.history.append("router killed")
            self.sandbox.counted["killed"] += 1

        self.run(work())
