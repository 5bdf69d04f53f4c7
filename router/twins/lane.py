"""The evidence lane: calls repeated on the other side only to be compared. Bounded; what it drops is counted."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from crossfade.comparison import Comparison
from crossfade.decision import MirrorExecute
from crossfade.operation import Effect, Operation
from crossfade.outcome import Outcome
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router import tasks
from router.twins.sides import Sides
from router.twins.state import OpenCall, Twin
from router.wire.headers import call_id

log = logging.getLogger("crossfade.lane")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one piece of evidence: compared, or dropped with a reason."""

    comparison: Comparison | None = None
    dropped: str = ""
    mirrored: bool = False  # the other origin was sent the call
    status: int = 0
    fate: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A call that was answered, to be repeated on the other side. Bodies are held whole, within the cap."""

    operations: tuple[Operation, ...]
    answers: tuple[Outcome, ...]  # plain: contents replaced by digests
    answered_by: Origin
    call: OpenCall
    mirror_execute: MirrorExecute
    done: Callable[[Verdict], None]
    call_id: str = ""


_STOPPED = "router stopped"
_HANDLE_LIFE = ("session.create", "session.delete", "pty.create", "pty.delete")
Compare = Callable[[Operation, Outcome, Outcome, Origin], Awaitable[Comparison]]
Capture = Callable[[Outcome], Awaitable[Outcome]]


@dataclass(slots=True, eq=False)
class Lane:
    """One twin's lane. `synced`: the follower has seen every mutation before the lane's head."""

    waiting: deque[Evidence] = field(default_factory=deque)
    synced: bool = False
    running: bool = False
    task: "asyncio.Task[None] | None" = None
    sent: bool = False  # the other side was sent something of the call at the lane's head
    settling: bool = False
    handles: set[str] = field(default_factory=set)  # sessions and PTYs that exist on the follower too
    commands: dict[tuple[str, str], tuple[str, bool]] = field(
        default_factory=dict
    )  # (session, id) -> (id there, ended)
    tainted: bool = False  # processes of ours may run on the follower
    processes_equal: bool = True  # everything that was left running on the seat was started on the follower too


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
    lanes: dict[str, Lane] = field(default_factory=dict)
    waiting: int = 0
    stopped: bool = False
    pairing: set["asyncio.Task[None]"] = field(default_factory=set)

    def of(self, twin: Twin) -> Lane:
        return self.lanes.setdefault(twin.id, Lane())

    def busy(self, twin: Twin) -> bool:
        lane = self.lanes.get(twin.id)
        return lane is not None and (lane.running or bool(lane.waiting))

    def offer(self, twin: Twin, evidence: Evidence) -> None:
        """Queue it, or report it dropped at once. Never blocks."""
        lane = self.of(twin)
        reason = self._refusal(twin, lane, evidence)
        if reason:
            self._drop(lane, evidence, reason)
            return
        lane.waiting.append(evidence)
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
            verdict = Verdict(
                comparison=merged(comparisons),
                mirrored=True,
                status=others[0].status,
                fate=str(others[0].fate),
                seconds=max(other.seconds for other in others),
            )
        except Exception:
            log.exception("comparison failed")
        finally:
            done(verdict)

    def missed(self, twin: Twin) -> None:
        """A mutation went by that the follower was not sent: reads cannot be compared until a settle."""
        self.of(twin).synced = False

    def settled(self, twin: Twin) -> None:
        """A full settle ended with equal trees."""
        self.of(twin).synced = True

    def hold(self, twin: Twin, on: bool) -> None:
        """Stand still while the follower is settled: a replay of what a copy already brought would double it."""
        lane = self.of(twin)
        lane.settling = on
        if not on:
            self._start(twin, lane)

    def newborn(self, twin: Twin) -> None:
        """Both sides start alike: calls wait in order until the follower is there (then `hold(twin, False)`)."""
        lane = self.of(twin)
        lane.synced = lane.settling = True

    def forget(self, twin: Twin, reason: str) -> None:
        """Drop everything that waits, counted."""
        lane = self.lanes.pop(twin.id, None)
        while lane is not None and lane.waiting:
            self.waiting -= 1
            self._drop(lane, lane.waiting.popleft(), reason)

    async def stop(self, seconds: float) -> None:
        """Let lanes empty for that long, then drop what is left, counted: no answered call goes without its record."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.pairing or any(lane.running or lane.waiting for lane in self.lanes.values()):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        self.stopped = True
        running = [lane.task for lane in self.lanes.values() if lane.running and lane.task is not None]
        running += self.pairing
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for lane in self.lanes.values():
            while lane.waiting:
                self.waiting -= 1
                self._drop(lane, lane.waiting.popleft(), _STOPPED)

    def _refusal(self, twin: Twin, lane: Lane, evidence: Evidence) -> str:
        if self.stopped:
            return _STOPPED
        if self.waiting >= self.total:
            return "all lanes full"
        if len(lane.waiting) >= self.per_twin:
            return "lane full"
        return ""

    def _drop(self, lane: Lane, evidence: Evidence, reason: str) -> None:
        first = evidence.operations[0]
        if evidence.call.mutates:
            lane.synced = False
        if first.name == "session.exec":
            # What it left in its shell, or left running, is missing on the follower for good: no copy brings it.
            lane.handles.discard(f"session:{first.arguments.get('session')}")
            lane.processes_equal = lane.processes_equal and not first.arguments.get("run_async")
        evidence.done(Verdict(dropped=reason))

    def _start(self, twin: Twin, lane: Lane) -> None:
        if not lane.running and not lane.settling and lane.waiting:
            lane.running = True
            lane.task = tasks.spawn(self._run(twin, lane), name=f"evidence lane {twin.id}")

    async def _run(self, twin: Twin, lane: Lane) -> None:
        try:
            while lane.waiting and not lane.settling:
                evidence = lane.waiting.popleft()
                self.waiting -= 1
                await self._one(twin, lane, evidence)
        finally:
            lane.running = False
        if not lane.waiting:
            self.idle(twin)

    async def _one(self, twin: Twin, lane: Lane, evidence: Evidence) -> None:
        reason = self._why_not(twin, lane, evidence)
        if reason:
            self._drop(lane, evidence, reason)
            return
        verdict = Verdict()
        lane.sent = False
        try:
            verdict = await self._repeat(twin, lane, evidence)
        except asyncio.CancelledError:
            verdict = Verdict(dropped=_STOPPED, mirrored=lane.sent)
            raise
        except Exception:
            # A defect of ours on the shadow side: logged once, counted, and no client hears of it.
            log.exception("mirrored call failed", extra={"call": evidence.call_id})
            verdict = Verdict(dropped="our own failure", mirrored=lane.sent)
            lane.synced = False
        finally:
            evidence.done(verdict)

    def _why_not(self, twin: Twin, lane: Lane, evidence: Evidence) -> str:
        """Why this evidence cannot be had now; empty when it can."""
        first, call = evidence.operations[0], evidence.call
        if not self.usable(twin):
            return "follower not usable"
        if call.overlapped and first.name not in _HANDLE_LIFE:
            return "overlapped another call"
        if first.kind.stream:
            return "a live stream is not compared"
        if evidence.answered_by is not twin.seat or self.active(twin):
            return self._why_not_active(twin, evidence)
        effect = first.kind.effect
        if effect is Effect.EXECUTE and evidence.mirror_execute is not MirrorExecute.ALWAYS:
            return f"execute not repeated (mirror_execute = {evidence.mirror_execute})"
        if reason := _why_not_handle(lane, first):
            return reason
        makes_or_ends_handle = first.name in _HANDLE_LIFE
        if not lane.synced and not makes_or_ends_handle and (effect is not Effect.READ or not first.kind.handle):
            return "follower is behind"
        if effect is Effect.EXECUTE and not lane.processes_equal and not makes_or_ends_handle:
            return "a process that runs on the seat was not started on the follower"
        return ""

    def _why_not_active(self, twin: Twin, evidence: Evidence) -> str:
        first, call = evidence.operations[0], evidence.call
        if first.kind.effect is not Effect.READ:
            return "follower answers file calls, so nothing is run on it"
        if first.kind.handle or not first.kind.bounded:
            return "follower answers file calls, so only one-path reads are repeated"
        if call.mutations != twin.mutations:
            return "superseded by a later change"
        if not twin.known_equal(call.paths, self.sides.clock.monotonic()):
            return "follower is not equal there"
        return ""

    async def _repeat(self, twin: Twin, lane: Lane, evidence: Evidence) -> Verdict:
        there = evidence.answered_by.other
        call_id.set(evidence.call_id)  # the lane runs in the context of whichever call woke it
        outcomes: list[Outcome] = []
        for operation in evidence.operations:
            sent = _for_other_side(lane, operation)
            lane.sent = True
            outcome = await self.sides.perform(twin, there, sent, Purpose.MIRROR, seconds=self.call_seconds)
            outcomes.append(await self.capture(outcome))
        if evidence.operations[0].kind.effect is Effect.EXECUTE:
            lane.tainted = True
        _learn(lane, evidence, outcomes)
        comparison = await self._held_together(evidence, outcomes)
        if evidence.call.mutates and not _same_class(evidence.answers, outcomes):
            lane.synced = False
        worst = min(outcomes, key=lambda outcome: outcome.ok)
        return Verdict(
            comparison=comparison,
            mirrored=True,
            status=worst.status,
            fate=str(worst.fate),
            seconds=sum(outcome.seconds for outcome in outcomes),
        )

    async def _held_together(self, evidence: Evidence, outcomes: Sequence[Outcome]) -> Comparison:
        pairs = zip(evidence.operations, evidence.answers, outcomes, strict=True)
        comparisons = [
            await self.compare(operation, answer, other, evidence.answered_by) for operation, answer, other in pairs
        ]
        return merged(comparisons)


def merged(comparisons: Sequence[Comparison]) -> Comparison:
    """One comparison for a call that was several operations."""
    first = comparisons[0]
    if len(comparisons) == 1:
        return first
    differences = dict.fromkeys(difference for each in comparisons for difference in each.differences)
    return replace(
        first, differences=tuple(differences), limited=next((c.limited for c in comparisons if c.limited), "")
    )


def _why_not_handle(lane: Lane, operation: Operation) -> str:
    kind, arguments = operation.kind, operation.arguments
    if not kind.handle or operation.name in ("session.create", "pty.create"):
        return ""
    if f"{kind.handle}:{arguments.get(kind.handle)}" not in lane.handles:
        return f"{kind.handle} is not on the follower"
    if operation.name in ("session.logs", "session.command", "session.input"):
        known = lane.commands.get((str(arguments["session"]), str(arguments["command_id"])))
        if known is None:
            return "command is not on the follower"
        if not known[1]:
            return "asynchronous command: the two sides are at different moments"
    return ""


# Carried by every process the lane starts and its children, so that they can be found and ended (twins.md P9).
SHADOW_ENV = {"CROSSFADE_SHADOW": "1"}


def _for_other_side(lane: Lane, operation: Operation) -> Operation:
    arguments: dict[str, Any] = dict(operation.arguments)
    if "command_id" in arguments:
        known = lane.commands.get((str(arguments.get("session")), str(arguments["command_id"])))
        arguments["command_id"] = known[0] if known else arguments["command_id"]
    if operation.name in ("process.exec", "process.code", "pty.create"):
        arguments["env"] = {**(arguments.get("env") or {}), **SHADOW_ENV}
    return replace(operation, arguments=arguments)


def _learn(lane: Lane, evidence: Evidence, outcomes: Sequence[Outcome]) -> None:
    """Note which handles and command ids exist on the other side now."""
    for operation, answer, outcome in zip(evidence.operations, evidence.answers, outcomes, strict=True):
        kind = operation.kind
        if not kind.handle or not (answer.ok and outcome.ok):
            continue
        handle = f"{kind.handle}:{operation.arguments.get(kind.handle)}"
        if operation.name.endswith(".create"):
            lane.handles.add(handle)
        elif operation.name.endswith(".delete"):
            lane.handles.discard(handle)
        elif operation.name == "session.exec":
            key = (str(operation.arguments["session"]), answer.value.command_id)
            lane.commands[key] = (outcome.value.command_id, answer.value.exit_code is not None)


def _same_class(answers: Sequence[Outcome], outcomes: Sequence[Outcome]) -> bool:
    return all(
        one.fate is other.fate and one.status // 100 == other.status // 100
        for one, other in zip(answers, outcomes, strict=True)
    )
