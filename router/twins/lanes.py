"""The evidence lanes: calls repeated on the other side only to be compared. Bounded; what they drop is counted."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from crossfade.comparison import Comparison
from crossfade.operation import Effect, Operation
from crossfade.outcome import Fate, Outcome
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router import tasks
from router.compare.capture import TooLarge
from router.twins.comparable import why_not
from router.twins.direct import Direct
from router.twins.egress import Egress
from router.twins.evidence import Evidence, Verdict, merged, same_class, verdict_of
from router.twins.lane import Gap, Lane
from router.twins.pace import Pace
from router.twins.sides import Sides
from router.twins.state import Twin
from router.wire.headers import call_id

log = logging.getLogger("crossfade.lane")
_STOPPED = "router stopped"
_NOT_USABLE = "follower not usable"
Compare = Callable[[Operation, Outcome, Outcome, Origin], Awaitable[Comparison]]


class Capture(Protocol):
    """Reads an outcome's content, for its digest. Raises TooLarge."""

    def __call__(self, outcome: Outcome, *, limit: int) -> Awaitable[Outcome]: ...


@dataclass(slots=True, eq=False)
class Lanes:
    """All lanes, within one limit."""

    sides: Sides
    compare: Compare
    capture: Capture
    per_twin: int
    total: int
    call_seconds: float
    usable: Callable[[Twin], bool]
    active: Callable[[Twin], bool]
    idle: Callable[[Twin], None]  # called when a lane has emptied
    agreeing: Callable[[Operation, Outcome, Outcome, Origin], Comparison | None] = lambda *_: None
    direct: Direct | None = None
    egress: Egress = field(default_factory=lambda: Egress(blocked=False))
    pace: Pace = field(default_factory=Pace)
    lanes: dict[str, Lane] = field(default_factory=dict)
    waiting: int = 0
    stopped: bool = False
    pairing: set["asyncio.Task[None]"] = field(default_factory=set)

    def of(self, twin: Twin) -> Lane:
        return self.lanes.setdefault(twin.id, Lane())

    def busy(self, twin: Twin) -> bool:
        """Whether evidence of it waits or is under way."""
        lane = self.lanes.get(twin.id)
        return lane is not None and (lane.running or lane.calls > 0)

    def offer(self, twin: Twin, evidence: Evidence) -> None:
        """Queue it, or report it dropped at once. Never blocks."""
        lane = self.of(twin)
        reason = self._refusal(lane)
        if reason:
            self._skip(lane, evidence.operations, changes=evidence.call.mutates)
            evidence.done(Verdict(dropped=reason))
            return
        lane.waiting.append(evidence)
        lane.calls += 1
        self.waiting += 1
        self._start(twin, lane)

    def pair(
        self,
        operations: Sequence[Operation],
        answers: Sequence[Outcome],
        others: Sequence[Outcome],
        done: Callable[[Verdict], None],
    ) -> None:
        """Hold together what both sides have done already (a split write). Off the answering path, like the lane."""
        task = tasks.spawn(self._pair(operations, answers, others, done), name="compare a split write")
        self.pairing.add(task)
        task.add_done_callback(self.pairing.discard)

    async def _pair(
        self,
        operations: Sequence[Operation],
        answers: Sequence[Outcome],
        others: Sequence[Outcome],
        done: Callable[[Verdict], None],
    ) -> None:
        verdict = Verdict(dropped="our own failure", mirrored=True)
        try:
            by = answers[0].origin or Origin.OLD
            comparisons = [
                await self.compare(operation, one, other, by)
                for operation, one, other in zip(operations, answers, others, strict=True)
            ]
            verdict = replace(
                verdict_of(others, merged(comparisons)),
                status=others[0].status,
                fate=str(others[0].fate),
                seconds=max(other.seconds for other in others),
            )
        except Exception:
            log.exception("comparison failed")
        finally:
            done(verdict)

    def missed(self, twin: Twin, operations: Sequence[Operation] = ()) -> None:
        """A mutation went by that the follower is not sent: what comes after it is not compared until a settle."""
        self._skip(self.of(twin), operations, changes=True)

    def settled(self, twin: Twin) -> None:
        """A full settle ended with equal trees."""
        self.of(twin).synced = True

    def disturbed(self, twin: Twin) -> None:
        """A settle ended without that: it may have brought what came after the reads that wait."""
        for evidence in self.of(twin).waiting:
            if isinstance(evidence, Evidence) and not evidence.operations[0].kind.handle:
                evidence.call.overlapped = True

    def hold(self, twin: Twin, on: bool) -> None:
        """Stand still while the follower is settled: a replay of what a copy already brought would double it."""
        lane = self.of(twin)
        lane.settling = on
        if not on:
            self._start(twin, lane)

    async def still(self, twin: Twin) -> bool:
        """Wait until nothing of a lane that is held is under way. False: that takes too long."""
        lane = self.of(twin)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.call_seconds):
                while lane.running:  # noqa: ASYNC110 - rare, and an event would cost every repeated call
                    await asyncio.sleep(0.01)
        return not lane.running

    def changes_wait(self, twin: Twin) -> bool:
        """Whether a change is yet to be repeated: a copy would bring it first."""
        waiting = self.of(twin).waiting
        return any(each.changes if isinstance(each, Gap) else each.call.mutates for each in waiting)

    def newborn(self, twin: Twin) -> None:
        """Both sides start alike: calls wait in order until the follower is there."""
        lane = self.of(twin)
        lane.newborn()

    def born(self, twin: Twin) -> None:
        """The follower is there: what waits for it may start."""
        lane = self.of(twin)
        lane.unborn = False
        self._start(twin, lane)

    def restarted(self, twin: Twin) -> None:
        """Nothing runs any more that ran; the trees are looked at anew."""
        lane = self.of(twin)
        lane.handles.clear()
        lane.synced = False

    def forget(self, twin: Twin, reason: str) -> None:
        """Drop everything that waits, counted."""
        lane = self.lanes.pop(twin.id, None)
        if lane is not None:
            self._empty(lane, reason)

    async def stop(self, seconds: float) -> None:
        """Let lanes empty for that long, then drop what is left, counted: no answered call goes without its record."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.pairing or any(lane.running or lane.calls for lane in self.lanes.values()):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        self.stopped = True
        running = [lane.task for lane in self.lanes.values() if lane.running and lane.task is not None]
        running += self.pairing
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for lane in self.lanes.values():
            if (under_way := lane.direct) is not None:
                lane.direct = None
                under_way[0].let_go()
                under_way[1].done(Verdict(dropped=_STOPPED, mirrored=True))
            self._empty(lane, _STOPPED)
        self.pace.stop()

    def refusing(self, twin: Twin) -> str:
        """Why evidence of this twin would be dropped now: then its answer need not be kept. Empty: it is welcome."""
        if not self.usable(twin):
            return _NOT_USABLE
        return self._refusal(self.of(twin))

    def _refusal(self, lane: Lane) -> str:
        if self.stopped:
            return _STOPPED
        if self.waiting >= self.total:
            return "all lanes full"
        if lane.calls >= self.per_twin:
            return "lane full"
        return ""

    def _empty(self, lane: Lane, reason: str) -> None:
        while lane.waiting:
            head = self._head(lane)
            if isinstance(head, Evidence):
                head.done(Verdict(dropped=reason))

    def _head(self, lane: Lane) -> Evidence | Gap:
        head = lane.waiting.popleft()
        if isinstance(head, Evidence):
            lane.calls -= 1
            self.waiting -= 1
        return head

    def _skip(self, lane: Lane, operations: Sequence[Operation], *, changes: bool) -> None:
        """Calls that come after all that waits are not repeated."""
        gap = lane.gap()
        gap.widen(operations, changes=changes)
        if lane.waiting[0] is gap and not lane.running:
            lane.waiting.clear()
            lane.pass_over(gap)

    def _lose(self, lane: Lane, evidence: Evidence) -> None:
        """The call at the lane's head is not repeated, or not with the same effect."""
        gap = Gap()
        gap.widen(evidence.operations, changes=evidence.call.mutates)
        lane.pass_over(gap)

    def _start(self, twin: Twin, lane: Lane) -> None:
        if lane.running or lane.held or not lane.waiting:
            return
        lane.running = True
        if not self._directly(twin, lane):
            self._spawn(twin, lane, self._run(twin, lane))

    def _spawn(self, twin: Twin, lane: Lane, work: Coroutine[Any, Any, None]) -> None:
        lane.task = tasks.spawn(work, name=f"evidence lane {twin.id}")

    # By callbacks, where one request is all...

    def _directly(self, twin: Twin, lane: Lane) -> bool:
        """Repeat the lane's head without a task, when its turn comes. False: it takes one."""
        if self.direct is None or not _single(lane.waiting[0]):
            return False
        if not self.pace.take(partial(self._turn, twin, lane)) or self._asked(twin, lane):
            return True
        self.pace.give()
        return False

    def _turn(self, twin: Twin, lane: Lane) -> bool:
        """The lane's turn has come. False: it is not used."""
        if self.stopped or lane.held or not lane.waiting:
            lane.running = False
            return False
        if self._asked(twin, lane):
            return True
        self._spawn(twin, lane, self._run(twin, lane))
        return False

    def _asked(self, twin: Twin, lane: Lane) -> bool:
        head = lane.waiting[0]
        if self.direct is None or isinstance(head, Gap) or not _single(head) or self._why_not(twin, lane, head):
            return False
        done = partial(self._told, twin, lane, head)
        there, operation = head.answered_by.other, head.operations[0]
        shadow = self.direct.ask(twin, there, operation, head.call_id, done, limit=head.limit)
        if shadow is None:
            return False
        lane.direct = shadow, head
        self._head(lane)
        return True

    def _told(self, twin: Twin, lane: Lane, evidence: Evidence, outcome: Outcome | None, why: str) -> None:
        self.pace.give()
        lane.direct = None
        try:
            verdict = self._at_once(evidence, outcome, why)
        except Exception:
            log.exception("mirrored call failed", extra={"call": evidence.call_id})
            verdict = Verdict(dropped="our own failure", mirrored=True)
        if verdict is None:
            self._spawn(twin, lane, self._run(twin, lane, evidence, outcome))
            return
        evidence.done(verdict)
        lane.running = False
        if lane.waiting:
            self._start(twin, lane)
        else:
            self.idle(twin)

    def _at_once(self, evidence: Evidence, outcome: Outcome | None, why: str) -> Verdict | None:
        """The verdict where there is nothing to wait for."""
        if outcome is None:
            return None
        if why:
            return verdict_of((outcome,), Comparison(operation=evidence.operations[0].name, limited=why))
        comparison = self.agreeing(evidence.operations[0], evidence.answers[0], outcome, evidence.answered_by)
        return None if comparison is None else verdict_of((outcome,), comparison)

    # In a task...

    async def _run(self, twin: Twin, lane: Lane, asked: Evidence | None = None, outcome: Outcome | None = None) -> None:
        """Until the lane is empty. `asked` was taken from it already; its `outcome` may be known."""
        try:
            if asked is not None:
                await self._one(twin, lane, asked, outcome)
            while lane.waiting and not lane.held:
                head = self._head(lane)
                if isinstance(head, Gap):
                    lane.pass_over(head)
                else:
                    await self._one(twin, lane, head)
        finally:
            lane.running = False
        if not lane.waiting:
            self.idle(twin)

    async def _one(self, twin: Twin, lane: Lane, evidence: Evidence, outcome: Outcome | None = None) -> None:
        reason = "" if outcome is not None else self._why_not(twin, lane, evidence)
        if reason:
            self._lose(lane, evidence)
            evidence.done(Verdict(dropped=reason))
            return
        verdict = Verdict()
        lane.sent = outcome is not None
        try:
            if outcome is not None:
                verdict = verdict_of((outcome,), await self._held_together(evidence, (outcome,)))
            else:
                async with self.pace:
                    verdict = await self._repeat(twin, lane, evidence)
        except asyncio.CancelledError:
            verdict = Verdict(dropped=_STOPPED, mirrored=lane.sent)
            raise
        except Exception:
            # A defect of ours on the shadow side: logged once, counted, and no client hears of it.
            log.exception("mirrored call failed", extra={"call": evidence.call_id})
            verdict = Verdict(dropped="our own failure", mirrored=lane.sent)
            self._lose(lane, evidence)
        finally:
            evidence.done(verdict)

    def _why_not(self, twin: Twin, lane: Lane, evidence: Evidence) -> str:
        if not self.usable(twin):
            return _NOT_USABLE
        return why_not(twin, lane, evidence, active=self.active(twin), now=self.sides.clock.monotonic())

    async def _repeat(self, twin: Twin, lane: Lane, evidence: Evidence) -> Verdict:
        if reason := await self.egress.why_not(twin, evidence):
            self._lose(lane, evidence)
            return Verdict(dropped=reason)
        there = evidence.answered_by.other
        call_id.set(evidence.call_id)  # the lane runs in the context of whichever call woke it
        outcomes: list[Outcome] = []
        for operation in evidence.operations:
            sent = lane.handles.there(operation)
            lane.sent = True
            seconds = evidence.patience(self.call_seconds)
            outcome = await self.sides.perform(twin, there, sent, Purpose.MIRROR, seconds=seconds)
            if outcome.fate is Fate.UNKNOWN and evidence.call.mutates:
                self.sides.lost(twin, operation)
            try:
                outcomes.append(await self.capture(outcome, limit=evidence.limit))
            except TooLarge as error:
                self.sides.breakers[there].failed()
                return verdict_of((outcome,), Comparison(operation=operation.name, limited=str(error)))
        if evidence.operations[0].kind.effect is Effect.EXECUTE:
            lane.tainted = lane.ran = True
        lane.handles.learn(evidence.operations, evidence.answers, outcomes)
        comparison = await self._held_together(evidence, outcomes)
        if evidence.call.mutates and not same_class(evidence.answers, outcomes):
            self._lose(lane, evidence)
        return verdict_of(outcomes, comparison)

    async def _held_together(self, evidence: Evidence, outcomes: Sequence[Outcome]) -> Comparison:
        pairs = zip(evidence.operations, evidence.answers, outcomes, strict=True)
        comparisons = [
            await self.compare(operation, answer, other, evidence.answered_by) for operation, answer, other in pairs
        ]
        return merged(comparisons)


def _single(head: Evidence | Gap) -> bool:
    """Whether it is one read that one request may carry out."""
    if isinstance(head, Gap) or len(head.operations) != 1:
        return False
    kind = head.operations[0].kind
    return kind.effect is Effect.READ and not kind.handle
