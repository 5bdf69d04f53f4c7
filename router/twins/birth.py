"""Birth: the follower of a new sandbox is made in the background and never delays or fails the client's create."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Fate
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from crossfade.upstream import Purpose
from router.twins import probe
from router.twins.budget import Budget
from router.twins.commit import NotMoved, move
from router.twins.egress import Egress
from router.twins.reaper import Reaper
from router.twins.registry import Registry
from router.twins.settle import Settler
from router.twins.sides import Sides
from router.twins.state import Twin
from router.wire.headers import call_id
from router.wire.limits import Bucket

log = logging.getLogger("crossfade.birth")
FENCE_SECONDS = 2.0
_CALL_CAME = "a call came in while the seat was to move at birth"


@dataclass(slots=True)
class Births:
    """Makes followers, and moves the seat to new at birth where every process tool's flag asks for it."""

    registry: Registry
    sides: Sides
    settler: Settler
    egress: Egress
    create_seconds: float = 120.0
    fence_seconds: float = FENCE_SECONDS
    creates: Bucket | None = None  # creates that new allows; followers leave one for clients' own
    budget: Budget = field(default_factory=Budget)
    reaper: Reaper = field(init=False)

    def __post_init__(self) -> None:
        self.reaper = Reaper(self.sides.backends)

    def announce(self, twin: Twin) -> None:
        """Process calls wait from now on, at most FENCE_SECONDS: the seat is to move before anything runs."""
        twin.fence_process = asyncio.Event()

    async def make_follower(self, twin: Twin, arguments: Mapping[str, Any], *, move_seat: bool) -> None:
        """Create the other side. Any failure leaves the sandbox on its seat, with the reason."""
        call_id.set("")  # our own work, though a client's create gave rise to it
        twin.creating = True
        try:
            before = twin.row.follower
            if before is not FollowerState.ABSENT:
                return  # deleted before it began (P17)
            if reason := self.budget.refusal():
                await self.registry.change(twin, held=reason)
                return
            # The durable intent goes first: after a crash the nonce finds what was made (P16).
            await self.registry.change(twin, follower=FollowerState.CREATING)
            there = twin.seat.other
            ids = await self._create(twin, there, arguments)
            if ids is None:
                return
            if twin.row.follower is not FollowerState.CREATING:
                # Deleted while we created (P17): the tombstone must know what to delete.
                await self.registry.change(twin, ids=ids)
                return
            await self.registry.change(twin, ids=ids, follower=FollowerState.JOINED)
            if move_seat:
                await self._move_seat(twin)
        finally:
            twin.creating = False
            if twin.fence_process is not None:
                twin.fence_process.set()
                twin.fence_process = None

    async def resume(self) -> None:
        """After a start: followers that were being made when the router died are not ours to wait for any more."""
        for twin in self.registry:
            if twin.row.follower is FollowerState.CREATING:
                self.reaper.watch(twin.seat.other, twin.row.nonce)
                await self._hold(twin, "the router ended while its follower was made")

    async def _create(self, twin: Twin, there: Origin, arguments: Mapping[str, Any]) -> dict[str, str] | None:
        metadata = {"crossfade_key": twin.row.routing_key, "crossfade_nonce": twin.row.nonce, "dt_id": twin.id}
        shut_in = {"internet": False} if self.egress.born_shut_in(there) else {}
        create = Operation(name="sandbox.create", arguments={**arguments, "metadata": metadata, **shut_in})
        backend, asked = self.sides.backends[there], False
        try:
            async with asyncio.timeout(self.create_seconds):
                if self.creates is not None:
                    await self.creates.wait(leave=1.0)
                asked = True
                outcome = await backend.perform(create, Purpose.KEEPER)
        except TimeoutError:
            if not asked:
                await self._hold(twin, f"{there} allows no more creates now (origins.new.creates_per_second)")
                return None
            self.reaper.watch(there, twin.row.nonce)
            await self._hold(twin, f"{there} did not create within {self.create_seconds:g} s")
            return None
        if not outcome.ok or not isinstance(outcome.value, SandboxInfo):
            if outcome.ok or outcome.fate is Fate.UNKNOWN:
                self.reaper.watch(there, twin.row.nonce)
            await self._hold(twin, f"{there} refused to create: {outcome.status} {outcome.message}"[:200])
            return None
        return {**twin.row.ids, there: outcome.value.id}

    async def _hold(self, twin: Twin, reason: str) -> None:
        log.warning("follower not made", extra={"sandbox": twin.id, "reason": reason})
        if twin.row.follower is FollowerState.CREATING:
            await self.registry.change(twin, follower=FollowerState.ABSENT, held=reason)

    async def _move_seat(self, twin: Twin) -> None:
        """At birth only: nothing has run yet, so nothing but files can be left behind."""
        if twin.gen != 0 or twin.handles:
            await self.registry.change(twin, held="a process started before new was ready at birth")
            return
        if twin.late_paths(frozenset(("/",)), self.sides.clock.monotonic()):
            await self.registry.change(twin, held="a lost write may still land on new")
            return
        to = twin.seat.other
        if reason := await self.egress.open(twin, to):
            await self.registry.change(twin, held=f"seat did not move at birth: {reason}"[:200])
            return
        try:
            await move(
                self.registry,
                self.settler,
                twin,
                seconds=self.fence_seconds,
                disturbed=lambda: "" if twin.gen == 0 else _CALL_CAME,
            )
        except NotMoved as error:
            reason = str(error)
            held = reason if reason == _CALL_CAME else f"seat did not move at birth: {reason}"[:200]
            await self.registry.change(twin, held=held)
        if twin.seat is not to:
            await self.egress.shut(twin, to)

    async def baseline(self, twin: Twin) -> None:
        """Learn which processes a sandbox is born with. Where a call comes first, the keeper's probes learn it."""
        if twin.gen != 0:
            return
        running = await probe.ask(self.sides, twin)
        if running is not None and twin.gen == 0:
            twin.baseline = probe.counted(running)
            await self.registry.change(twin, baseline=dict(twin.baseline))
