"""Sandboxes older than the migration get a follower while their calls go on (twins.md P15, P20).

Such a sandbox may be written behind the router: links to its ports, shells and keys were given out before. So it is
always hot: what its follower answers is validated on the seat, and its seat stays until somebody says that nobody
writes there any more (`trust`).
"""

import asyncio
import logging
import math
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from crossfade.errors import CrossfadeError, Unreachable
from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.record import Record
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from crossfade.upstream import Purpose
from router import tasks
from router.engine import masking
from router.engine.decide import Decider
from router.front.daytona import objects
from router.front.daytona.dialect import Dialect
from router.twins.birth import Births
from router.twins.keeper import Keeper
from router.twins.state import Twin

log = logging.getLogger("crossfade.adopt")
BYPASS = "older than the router: it may be written behind it (crossfade relink, then crossfade twins trust)"
_ALIVE = ("started", "stopped", "archived")
_AT_ONCE = 4  # fills under way; each copies a whole tree
_SEEN = 100_000  # ids that were looked at because they were touched
_SECRETS = ("env", "authToken")


class NotAdopted(CrossfadeError):
    """It gets no follower; the message says why."""


class How(StrEnum):
    """What became of one sandbox of a backfill."""

    WAITING = "waiting"
    FILLING = "filling"
    FILLED = "filled"
    HELD = "held"


_LEFT = (How.WAITING, How.FILLING)


class Kept(Protocol):
    """Where a backfill outlives its router. Methods block and raise Unreachable."""

    def begin(self, sandboxes: Sequence[str], how: str) -> None: ...
    def tell(self, sandbox: str, how: str, why: str) -> None: ...
    def give_up(self, left: Sequence[str]) -> None: ...
    def read(self) -> Mapping[str, tuple[str, str]]: ...


@dataclass(slots=True)
class Backfill:
    """One run over many sandboxes. `told`: what became of each, with the reason where it is held."""

    told: dict[str, tuple[How, str]] = field(default_factory=dict)
    task: "asyncio.Task[None] | None" = None

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done()

    def count(self, how: How) -> int:
        return sum(each is how for each, _ in self.told.values())


@dataclass(slots=True, eq=False)
class Adoption:
    """Makes and fills followers of sandboxes that the router did not make."""

    keeper: Keeper
    births: Births
    decider: Decider
    is_eligible: Callable[[str], bool]
    kept: Kept
    backfill: Backfill = field(default_factory=Backfill)
    seen: set[str] = field(default_factory=set)
    beginning: asyncio.Lock = field(default_factory=asyncio.Lock)
    parallel: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    # On first touch...

    def observing(self, observe: Callable[[Record], None]) -> Callable[[Record], None]:
        """Who hears of every record: `observe`, and we, to find sandboxes that nobody knows."""

        def both(record: Record) -> None:
            observe(record)
            if record.sandbox and record.sandbox not in self.seen:
                self._touched(record)

        return both

    def _touched(self, record: Record) -> None:
        """Old answered a call for it, so it is there, and the caller may use it."""
        if record.status >= 300 or record.operation == "sandbox.delete" or record.answering != "old":
            return
        if len(self.seen) >= _SEEN:
            self.seen.clear()
        self.seen.add(record.sandbox)
        if self.keeper.registry.get(record.sandbox) is None and not self.keeper.stopping:
            tasks.spawn(self._quietly(record.sandbox), name=f"adopt {record.sandbox}")

    async def _quietly(self, sandbox: str) -> None:
        try:
            async with self.parallel:
                await self.adopt(sandbox)
        except NotAdopted as reason:
            log.info("not adopted", extra={"sandbox": sandbox, "reason": str(reason)})

    # In bulk...

    async def everybody(self) -> list[str]:
        """Sandboxes on old without a twin. Raises NotAdopted where old cannot be asked."""
        outcome = await self._old(Operation(name="sandbox.list", arguments={"labels": {}}))
        if not outcome.ok or not isinstance(outcome.value, tuple):
            raise NotAdopted(f"old gave no list: {outcome.status} {outcome.message}"[:200])
        return [each.id for each in outcome.value if each.state in _ALIVE and self._unknown(each.id)]

    async def start(self, sandboxes: Iterable[str]) -> Backfill:
        """Begin to adopt and fill these in the background; a router that starts anew goes on with them.

        Raises NotAdopted while another run is under way, Unreachable where the store cannot keep it.
        """
        async with self.beginning:
            if self.backfill.running:
                message = "a backfill is under way: `crossfade twins backfill --status` shows it, --stop ends it"
                raise NotAdopted(message)
            backfill = Backfill(told=dict.fromkeys(sandboxes, (How.WAITING, "")))
            await asyncio.to_thread(self.kept.begin, list(backfill.told), How.WAITING)
            self.backfill = backfill
            backfill.task = tasks.spawn(self._fill_all(backfill), name="backfill")
        return backfill

    async def resume(self) -> None:
        """After a start: go on with what the last router had begun."""
        try:
            kept = await asyncio.to_thread(self.kept.read)
        except Unreachable as error:
            log.warning("whether a backfill was under way is not known", extra={"reason": str(error)})
            return
        backfill = Backfill(told={id: (How(how), why) for id, (how, why) in kept.items()})
        self.backfill = backfill
        if any(how in _LEFT for how, _ in backfill.told.values()):
            backfill.task = tasks.spawn(self._fill_all(backfill), name="backfill")

    async def stop(self) -> None:
        """Begin no more; those that have a follower are settled like every other. Raises Unreachable."""
        if self.backfill.task is not None:
            self.backfill.task.cancel()
        await asyncio.to_thread(self.kept.give_up, _LEFT)

    async def _fill_all(self, backfill: Backfill) -> None:
        async def one(sandbox: str) -> None:
            async with self.parallel:
                if self.keeper.stopping:
                    return  # the next router goes on with it
                backfill.told[sandbox] = (How.FILLING, "")
                try:
                    twin = self.keeper.registry.get(sandbox)
                    if twin is None or twin.row.follower is FollowerState.ABSENT:
                        twin = await self.adopt(sandbox)
                    await self._filled(twin)
                    backfill.told[sandbox] = (How.FILLED, "")
                except NotAdopted as reason:
                    backfill.told[sandbox] = (How.HELD, str(reason))
                except Exception as error:
                    log.exception("backfill of one sandbox failed", extra={"sandbox": sandbox})
                    backfill.told[sandbox] = (How.HELD, f"our own failure: {type(error).__name__}")
                if not self.keeper.stopping:
                    await self._tell(sandbox, *backfill.told[sandbox])

        await asyncio.gather(*(one(each) for each, (how, _) in list(backfill.told.items()) if how in _LEFT))

    async def _tell(self, sandbox: str, how: How, why: str) -> None:
        try:
            await asyncio.to_thread(self.kept.tell, sandbox, how, why)
        except Unreachable as error:  # it is looked at again after a start, and found to be filled
            log.warning("backfill is not written down", extra={"sandbox": sandbox, "reason": str(error)})

    async def _filled(self, twin: Twin) -> None:
        if not twin.joined:
            raise NotAdopted(twin.row.held or f"follower is {twin.row.follower}")
        await self.keeper.settle_now(twin)
        if failed := self.keeper.failures.get(twin.id):
            raise NotAdopted(f"filled in part: {failed} settles failed; it is tried again")

    # One...

    async def adopt(self, sandbox: str) -> Twin:
        """Make its follower; the copying goes on behind its calls. Raises NotAdopted with the reason."""
        self._missing(sandbox)
        info = await self._look(sandbox)
        if (twin := self._missing(sandbox)) is None:
            twin = self._made(info)
        wishes = self.decider.wishes(twin)
        if wishes.all_off:
            raise NotAdopted("every tool is off")
        masking.learn_environment(twin, info.env)
        arguments = {"snapshot": info.snapshot, "env": dict(info.env), "labels": dict(info.labels)}
        await self.births.make_follower(twin, arguments, move_seat=False)
        if not twin.joined:
            reason = twin.row.held or "its follower could not be made"
            raise NotAdopted(reason)
        await self.keeper.registry.change(twin, held=BYPASS)
        twin.active = wishes.splits(twin.seat)
        self.keeper.settle_soon(twin)
        log.info("adopted", extra={"sandbox": sandbox})
        return twin

    def _missing(self, sandbox: str) -> Twin | None:
        """The twin, where an earlier try left one without a follower. Raises NotAdopted where it has one."""
        twin = self.keeper.registry.get(sandbox)
        if twin is not None and (twin.row.follower is not FollowerState.ABSENT or twin.creating):
            raise NotAdopted(f"it has a twin, whose follower is {twin.row.follower}")
        return twin

    def _made(self, info: SandboxInfo) -> Twin:
        key = str(uuid.uuid4())
        control = {name: value for name, value in info.raw.items() if name not in _SECRETS}
        wishes = self.decider.evaluate(self.decider.subject(key, info.organization), {})
        twin = self.keeper.registry.add(
            TwinRow(
                id=info.id,
                routing_key=key,
                organization=info.organization,
                ids={Origin.OLD: info.id},
                stages={tool: str(stage) for tool, stage in wishes.stages.items()},
                nonce=uuid.uuid4().hex,
                created_at=self.keeper.sides.clock.now(),
                dirty=True,
                bypass=True,
                control=control or objects.sandbox(info, Dialect(), ""),
                held=BYPASS,
            )
        )
        twin.gen, twin.hot = 1, True
        twin.ran_at = -math.inf  # nothing that runs there is known to be as old as it
        return twin

    async def _look(self, sandbox: str) -> SandboxInfo:
        outcome = await self._old(Operation(name="sandbox.get", sandbox=sandbox))
        info = outcome.value
        if not outcome.ok or not isinstance(info, SandboxInfo):
            raise NotAdopted(f"old does not show it: {outcome.status} {outcome.message}"[:200])
        if info.id != sandbox:
            raise NotAdopted(f"that is its name; its id is {info.id}")
        if info.state not in _ALIVE:
            raise NotAdopted(f"it is {info.state}")
        if not self.is_eligible(info.organization):
            listed = "is not listed in mirror.eligible_orgs"
            raise NotAdopted(f"organisation {info.organization or '(unknown)'} {listed}")
        if info.gpu or info.raw.get("volumes"):
            raise NotAdopted("it has a graphics processor or volumes, which new has not")
        return info

    async def trust(self, twin: Twin) -> None:
        """Nobody writes behind the router any more: from its next start on it is a sandbox like every other."""
        await self.keeper.registry.change(twin, bypass=False, held="")
        self.keeper.settle_soon(twin)

    async def detach(self, twin: Twin, reason: str) -> None:
        """Give its follower up for good, and delete it. Raises NotAdopted where that is not possible."""
        if twin.seat is Origin.NEW:
            raise NotAdopted("its seat is on new: move it to old first (crossfade twins move --to old)")
        await self.keeper.detach(twin, reason)
        twin.active = False
        if Origin.NEW in twin.row.ids:
            gone = Operation(name="sandbox.delete")
            outcome = await self.keeper.sides.perform(twin, Origin.NEW, gone, Purpose.KEEPER, seconds=60)
            if not outcome.ok and outcome.status != 404:
                raise NotAdopted(f"new did not delete its side: {outcome.status} {outcome.message}"[:200])
        ids = {origin: id for origin, id in twin.row.ids.items() if origin != Origin.NEW}
        held = f"detached: {reason}"[:200]
        await self.keeper.registry.change(twin, ids=ids, follower=FollowerState.ABSENT, held=held)

    def _unknown(self, sandbox: str) -> bool:
        return self.keeper.registry.get(sandbox) is None

    async def _old(self, operation: Operation) -> Outcome:
        return await self.keeper.sides.backends[Origin.OLD].perform(operation, Purpose.KEEPER)
