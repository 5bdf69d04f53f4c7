"""After a flag change: pins are renewed, followers detached or attached, made active or passive."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from crossfade.stage import STAGES, Stage
from crossfade.twin import FollowerState
from policies import transitions
from policies.transitions import Happening
from router import tasks
from router.engine.decide import FILE_TOOLS, Decider, Wishes
from router.twins.keeper import Keeper
from router.twins.moves import Moves
from router.twins.registry import Registry
from router.twins.state import Twin


@dataclass(slots=True, eq=False)
class Reconciler:
    """Brings every twin in line with the flags, in the background."""

    registry: Registry
    decider: Decider
    keeper: Keeper
    moves: Moves | None = None  # known once it is wired: it tells us of every seat it gave
    version: int = -1
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def restore(self) -> None:
        """At start, before any call: followers that answered before the restart answer after it (by the pins)."""
        for twin in self.registry:
            stages = [Stage(pin) for tool in FILE_TOOLS if (pin := twin.row.stages.get(tool)) in list(Stage)]
            twin.active = twin.joined and any(STAGES[stage].wish is not twin.seat for stage in stages)

    def flags_changed(self) -> None:
        """Call on the event loop. Flags that are merely unknown move nothing."""
        tasks.spawn(self.run(), name="reconcile twins with flags")

    async def run(self) -> None:
        # One at a time: a run that began under older flags must not have the last word on a twin.
        async with self.turn:
            for twin in self.registry:
                wishes = self.decider.wishes(twin)
                if not wishes.pinned:
                    await self._one(twin, wishes)
                    if self.moves is not None:
                        self.moves.consider(twin)
                # Twelve evaluations take a quarter of a millisecond: a thousand twins must not hold up a call.
                await asyncio.sleep(0)

    async def moved(self, twin: Twin) -> None:
        """Its seat was given to the other side: who may answer file calls is asked anew."""
        wishes = self.decider.wishes(twin)
        if not wishes.pinned:
            await self._one(twin, wishes)

    async def _one(self, twin: Twin, wishes: Wishes) -> None:
        detached = twin.row.follower is FollowerState.DETACHED
        now = transitions.standing(seat=twin.seat, joined=twin.joined, detached=detached)
        wished = transitions.wish(all_off=wishes.all_off, seat=wishes.seat)
        match transitions.happening(now, wished):
            case Happening.DETACH:
                twin.active = False
                await self.keeper.detach(twin, "every tool is off")
            case Happening.JOIN:
                await self.keeper.attach(twin)
            case Happening.KEEP | Happening.MOVE | Happening.HOLD:
                pass  # `moves` waits for the moment at which nothing is left behind
        await self._activate(twin, wishes)
        await self._pin(twin, {tool: str(stage) for tool, stage in wishes.stages.items()})

    async def _activate(self, twin: Twin, wishes: Wishes) -> None:
        wanted = twin.joined and wishes.splits(twin.seat)
        if wanted and not twin.active:
            # Processes of the evidence lane end before the follower answers anything (twins.md P4).
            await self.keeper.before_active(twin)
        twin.active = wanted
        twin.turning_active = False

    async def _pin(self, twin: Twin, stages: Mapping[str, str]) -> None:
        if stages != dict(twin.row.stages):
            await self.registry.change(twin, stages=stages)
