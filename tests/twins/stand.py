"""A twin of two real embedded sandboxes, with a gate before each side: calls can be seen, held and answered there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done
from crossfade.ports import Backend, Channel, Clock, Twins
from crossfade.results import Content
from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from crossfade.upstream import Purpose
from router.twins.registry import Registry
from router.twins.settle import Settler
from router.twins.sides import Sides
from router.twins.state import Twin
from tests.backends.asking import Asking

PATIENCE = 20.0  # a deadline for what is awaited, never a pause
ROOT = "/workspace"

# Called before the backend: an outcome answers in its place, None lets the call through.
Before = Callable[[Operation], Awaitable[Outcome | None]]
# Called after it: what the caller gets.
After = Callable[[Operation, Outcome], Awaitable[Outcome]]


class HeldClock:
    """Time that stands still until it is set forward."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


class LoopClock:
    """Real time."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@dataclass(eq=False)
class Gate:
    """A backend before another. Nothing passes differently unless a test asks for it."""

    inner: Backend
    seen: list[tuple[Operation, Purpose]] = field(default_factory=list)
    before: dict[str, Before] = field(default_factory=dict)  # by operation name
    after: dict[str, After] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def names(self) -> list[str]:
        return [operation.name for operation, _ in self.seen]

    async def perform(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Outcome:
        self.seen.append((operation, purpose))
        if before := self.before.get(operation.name):
            answer = await before(operation)
            if answer is not None:
                return answer
        outcome = await self.inner.perform(operation, purpose)
        if after := self.after.get(operation.name):
            outcome = await after(operation, outcome)
        return outcome

    async def open(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Channel | Outcome:
        self.seen.append((operation, purpose))
        return await self.inner.open(operation, purpose)


@dataclass(eq=False)
class Held:
    """Stops calls at a gate: `reached` once one is there, `go` lets it and all later ones on."""

    answer: Outcome | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, _operation: Operation, outcome: Outcome | None = None) -> Outcome:
        self.reached.set()
        async with asyncio.timeout(PATIENCE):
            await self.go.wait()
        return self.answer or outcome  # type: ignore[return-value]  # before the backend, None lets it through


def answering(outcome: Outcome) -> Before:
    """Always answers so."""

    async def before(_operation: Operation) -> Outcome:
        return outcome

    return before


@dataclass(eq=False)
class Rows:
    """Durable rows in memory, written in the order they were asked for, as the store does."""

    rows: dict[str, TwinRow] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    hold: asyncio.Event | None = None  # a disk that is slow: everything waits for it
    broken: Exception | None = None
    order: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def load(self) -> list[TwinRow]:
        return list(self.rows.values())

    async def save(self, row: TwinRow) -> None:
        self.log.append(f"save {row.follower} dirty={row.dirty}")
        async with self.order:
            await self._disk()
            self.rows[row.id] = row

    async def mark_dirty(self, twin: str, dirty: bool) -> None:
        self.log.append(f"mark {dirty}")
        async with self.order:
            await self._disk()
            if twin in self.rows:
                self.rows[twin] = replace(self.rows[twin], dirty=dirty)

    async def _disk(self) -> None:
        await asyncio.sleep(0)
        if self.hold is not None:
            await self.hold.wait()
        if self.broken is not None:
            raise self.broken


@dataclass(eq=False)
class Stand:
    """One twin and what looks after it."""

    old: Asking
    new: Asking
    gates: Mapping[Origin, Gate]
    clock: Clock
    sides: Sides
    settler: Settler
    registry: Registry
    rows: Rows
    twin: Twin

    @property
    def seat(self) -> Gate:
        return self.gates[self.twin.seat]

    @property
    def follower(self) -> Gate:
        return self.gates[self.twin.seat.other]

    async def same_trees(self) -> bool:
        """Whether both sides hold the same, names, kinds, modes, links and bytes."""
        return await tree(self.old) == await tree(self.new)


async def tree(side: Asking) -> str:
    """A listing that differs when anything that twins promise to keep equal differs. Made without our own scan."""
    command = (
        f"cd {ROOT} && find . -mindepth 1 -printf '%y %m %l %p\\0' | sort -z | base64 -w0; echo; "
        "find . -type f -print0 | sort -z | xargs -0 -r md5sum -z | base64 -w0"
    )
    code, text = await side.sh(command)
    assert code == 0, text
    return text


def twin_of(old: str, new: str, **row: object) -> Twin:
    """A joined twin whose trees are not known equal yet."""
    fields = {"follower": FollowerState.JOINED, "ids": {Origin.OLD: old, Origin.NEW: new}, "dirty": True} | row
    return Twin(row=TwinRow(id=old, routing_key="key", nonce="nonce", **fields))  # type: ignore[arg-type]


async def content(outcome: Outcome) -> bytes:
    """The bytes of a download."""
    assert isinstance(outcome.value, Content), outcome
    return b"".join([chunk async for chunk in outcome.value.stream])


async def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Fails the test when it does not come about in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never came about: {what}") from None


def streaming(data: bytes) -> Outcome:
    """A download's outcome."""

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return done(Content(stream=chunks(), size=len(data)))


if TYPE_CHECKING:
    _backend: type[Backend] = Gate
    _twins: type[Twins] = Rows
    _clocks: tuple[type[Clock], type[Clock]] = (HeldClock, LoopClock)
