"""The two sides of twins: each origin's backend, addressed by the twin instead of by its own sandbox id."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from crossfade.operation import Operation
from crossfade.outcome import Outcome, refused, unknown
from crossfade.ports import Backend, Channel, Clock
from crossfade.results import Content
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router import tasks
from router.twins.breaker import Breaker
from router.twins.paths import normal
from router.twins.state import Twin


@dataclass(slots=True)
class Sides:
    """Performs operations on either side of a twin."""

    backends: Mapping[Origin, Backend]
    clock: Clock
    breakers: dict[Origin, Breaker] = field(default_factory=dict)
    orphan_grace_seconds: float = 60.0
    awaited: Callable[[], None] = lambda: None  # hears of an unsplit sandbox's call that waits for its follower

    def __post_init__(self) -> None:
        self.breakers.update({origin: Breaker(self.clock) for origin in self.backends if origin not in self.breakers})

    def usable(self, twin: Twin) -> bool:
        """Whether the twin's follower may be used now."""
        return twin.usable(self.clock.monotonic()) and not self.breakers[twin.seat.other].open

    async def perform(
        self, twin: Twin, origin: Origin, operation: Operation, purpose: Purpose, *, seconds: float | None = None
    ) -> Outcome:
        """Carry it out there. Past `seconds` the outcome is unknown: it may still land."""
        there = twin.row.ids.get(origin)
        if not there:
            return refused(404, "NOT_FOUND", f"sandbox {twin.id} has no {origin} side")
        self._watch(twin, origin)
        self.breakers[origin].trying()
        started = self.clock.monotonic()
        try:
            async with asyncio.timeout(seconds):
                outcome = await self.backends[origin].perform(replace(operation, sandbox=there), purpose)
        except TimeoutError:
            outcome = unknown(f"{origin} did not answer {operation.name} within {seconds:g} s", status=504)
        self.breakers[origin].note(outcome)
        return replace(outcome, origin=origin, seconds=self.clock.monotonic() - started)

    async def open(self, twin: Twin, origin: Origin, operation: Operation, purpose: Purpose) -> Channel | Outcome:
        """Open a stream there."""
        there = twin.row.ids.get(origin)
        if not there:
            return refused(404, "NOT_FOUND", f"sandbox {twin.id} has no {origin} side")
        self._watch(twin, origin)
        return await self.backends[origin].open(replace(operation, sandbox=there), purpose)

    def lost(self, twin: Twin, operation: Operation) -> None:
        """A change asked of the follower may still land there, on top of what it is sent next (P9)."""
        bounded = operation.kind.bounded and all(path.startswith("/") for path in operation.paths)
        paths = [normal(path) for path in operation.paths] if bounded else ["/"]
        twin.late.update(dict.fromkeys(paths, self.clock.monotonic() + self.orphan_grace_seconds))
        twin.dirty_paths.update(paths)

    def _watch(self, twin: Twin, origin: Origin) -> None:
        if origin is not twin.seat and tasks.answering.get() is twin:
            self.awaited()


@dataclass(frozen=True, slots=True)
class OneSide:
    """One side of one twin, as a Backend that takes the client-visible sandbox id."""

    sides: Sides
    twin: Twin
    origin: Origin

    @property
    def name(self) -> str:
        return self.sides.backends[self.origin].name

    async def perform(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Outcome:
        """Carry it out on this side."""
        return await self.sides.perform(self.twin, self.origin, operation, purpose)

    async def open(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Channel | Outcome:
        """Open a stream on this side."""
        return await self.sides.open(self.twin, self.origin, operation, purpose)


async def discard(outcome: Outcome) -> None:
    """Let go of an outcome's unread content."""
    if isinstance(outcome.value, Content) and (close := getattr(outcome.value.stream, "aclose", None)):
        await close()
