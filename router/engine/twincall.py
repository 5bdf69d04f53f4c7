"""Calls of a sandbox that has two sides: admitted by its twin, answered by the side that admission names."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from crossfade.errors import Unreachable
from crossfade.operation import Effect, Operation
from crossfade.ports import Clock
from crossfade.stage import STAGES, Origin
from policies import stages
from policies.commands.commands import Commands
from router import tasks
from router.engine import masking, translate
from router.engine.answers import Answers
from router.engine.call import Call
from router.engine.classify import classify
from router.engine.commands import not_local, only_reads
from router.engine.decide import Decider, Wishes
from router.engine.ending import Ending
from router.engine.forward import body_size, has_body
from router.settings import Settings
from router.twins.admit import Ask, Go, How, admit, finish
from router.twins.birth import FENCE_SECONDS
from router.twins.comparable import NOT_EQUAL
from router.twins.evidence import Evidence, Verdict
from router.twins.keeper import Keeper
from router.twins.lanes import Lanes
from router.twins.paths import inside, normal
from router.twins.registry import Registry
from router.twins.sides import Sides
from router.twins.state import Twin
from router.wire.asgi import ClientGone, Send

log = logging.getLogger("crossfade.engine")
Done = Callable[[Call, Verdict], None]
_WHOLE_TREE = frozenset(("/",))
_BRING_ALL = frozenset(("fs.upload", "fs.bulk_upload"))  # writes that need nothing of what is there


@dataclass(slots=True, eq=False)
class TwinCalls:
    """Answers calls of twins, and hands evidence to the lane."""

    settings: Settings
    answers: Answers
    registry: Registry
    sides: Sides
    keeper: Keeper
    lanes: Lanes
    decider: Decider
    clock: Clock
    commands: Commands

    async def answer(self, call: Call, twin: Twin, send: Send, done: Done) -> bool:
        """Answer the client. True: evidence is under way and will call `done`."""
        body = await self._body(call)
        if isinstance(body, bytes):
            call.operations = await translate.operations(call, body)
        classify(call)
        await self.wait_for_fence(call, twin, process=_process(call))
        ask = self.ask(call, twin)
        twin.last_activity = self.clock.monotonic()
        go = admit(twin, ask, self.clock.monotonic())
        if go.side is not twin.seat and not self.sides.usable(twin):
            # The breaker of the follower's origin is open: as if it were not joined.
            finish(twin, go.call, equal=False)
            go = admit(twin, replace(ask, wish=twin.seat), self.clock.monotonic())
            go = replace(go, reason="follower's origin is failing")
        tasks.answering.set(None if twin.active else twin)
        self.decided(call, twin, ask, go)
        ending = Ending(twin, go.call)
        try:
            if go.mark_dirty_first:
                await self._mark_dirty(twin)
            await self.answers.by_side(call, twin, go, body, send, ending)
        except BaseException as error:
            if isinstance(error, ClientGone):
                self._cancelled(call, twin, go)
            self.interrupted(twin, go)
            raise
        finally:
            ending.over()
            self.after(call, twin, ask)
            masking.learn(twin, call.operations)
        return self.evidence(call, twin, go, done)

    async def stream(self, call: Call, twin: Twin, serve: Callable[[Origin], Awaitable[None]]) -> None:
        """A live stream: open on its side until it closes, and compared with nothing."""
        await self.wait_for_fence(call, twin, process=True)
        ask = self.ask(call, twin)
        go = admit(twin, ask, self.clock.monotonic())
        self.decided(call, twin, ask, go)
        if call.decision and call.decision.shadow is not None:
            call.decision = replace(call.decision, shadow=None)
            call.dropped = "a live stream is not compared"
        try:
            if go.mark_dirty_first:
                await self._mark_dirty(twin)
            await serve(go.side)
        finally:
            finish(twin, go.call, equal=False)
            self.after(call, twin, ask)
            if go.call.mutates:
                self.lanes.missed(twin)

    async def unknown(self, call: Call, twin: Twin, serve: Callable[[], Awaitable[None]]) -> bool:
        """A call of this sandbox that nobody knows: it may have done anything (P1). False: its seat cannot do it."""
        await self.wait_for_fence(call, twin, process=True)
        if twin.seat is Origin.NEW:
            return False
        mutates = call.method not in ("GET", "HEAD", "OPTIONS")
        ask = Ask(wish=twin.seat, paths=_WHOLE_TREE, mutates=mutates, unbounded=mutates)
        go = admit(twin, ask, self.clock.monotonic())
        try:
            if go.mark_dirty_first:
                await self._mark_dirty(twin)
            await serve()
        finally:
            finish(twin, go.call, equal=False)
            self.after(call, twin, ask)
            if mutates:
                self.lanes.missed(twin)
        return True

    async def _mark_dirty(self, twin: Twin) -> None:
        """The durable mark. A store that cannot be written stops no call: the follower is left alone until it can."""
        try:
            await self.registry.mark_dirty(twin)
        except Unreachable as error:
            log.error("dirty mark not written", extra={"sandbox": twin.id, "reason": str(error)})
            self.keeper.mark_later(twin)

    # Before the answer

    async def _body(self, call: Call) -> bytes | AsyncIterator[bytes]:
        """Held whole where it is small or must be read to know the call; a larger upload stays a stream."""
        if not has_body(call):
            return await call.client.read(0)
        if call.operation != "fs.upload":
            # A larger one is passed on unread where old answers, and held under a wider limit where it is translated.
            limit = self.settings.listen.body_limit_bytes
            return await call.client.read(limit) if body_size(call) <= limit else call.client.stream()
        if b"content-length" in call.fields and body_size(call) <= self.settings.mirror.body_limit_bytes:
            return await call.client.read(self.settings.mirror.body_limit_bytes)
        return call.client.stream()

    async def wait_for_fence(self, call: Call, twin: Twin, *, process: bool) -> None:
        """The only wait for twin work: at most the fence's patience, then the seat answers as it stands."""
        waiting = time.perf_counter()
        for fence in (twin.fence_process if process else None, twin.fence):
            if fence is not None:
                try:
                    async with asyncio.timeout(twin.fence_seconds or FENCE_SECONDS):
                        await fence.wait()
                except TimeoutError:
                    pass  # admission bumps the twin's gen, which calls the move off
        call.validation_seconds += time.perf_counter() - waiting

    def wish(self, call: Call, twin: Twin) -> Origin:
        """What the flag of the call's tool asks for; noted in the call."""
        assert call.decision is not None
        stage = self.noted(call, twin).stage(call.decision.tool)
        call.decision = replace(call.decision, stage=stage, wish=STAGES[stage].wish)
        return call.decision.wish

    def noted(self, call: Call, twin: Twin) -> Wishes:
        """The twin's wishes; the call notes what they were evaluated for."""
        assert call.decision is not None
        wishes = self.decider.wishes(twin)
        call.flag_version = wishes.values[call.decision.tool].version
        call.routing_key, call.organization = twin.row.routing_key, twin.row.organization
        call.bucket = wishes.bucket
        return wishes

    def ask(self, call: Call, twin: Twin) -> Ask:
        """The call as admission sees it."""
        kind = call.kind
        assert kind is not None and call.decision is not None
        wishes, tool = self.noted(call, twin), call.decision.tool
        stage = wishes.stage(tool)
        reads = kind.effect is Effect.READ or only_reads(self.commands, call.operations)
        mutates = not reads
        known = bool(call.operations)
        paths = _paths(call.operations, self.settings.new.work_dir)
        # The follower holds the roots only; elsewhere nothing is known equal, so the seat answers.
        bounded = kind.bounded and known and all(inside(path, self.settings.mirror.roots) for path in paths)
        if not bounded and not kind.bounded:
            paths = frozenset()
        if (kind.name.startswith("fs.") or (reads and kind.effect is Effect.EXECUTE)) and not paths:
            paths = _WHOLE_TREE
        return Ask(
            wish=stages.asked(tool, stage, self._situation(twin), bounded=bounded),
            paths=paths,
            bounded=bounded,
            mutates=mutates,
            unbounded=mutates
            and (kind.effect is Effect.EXECUTE or not kind.name.startswith("fs.") or kind.paths == ()),
            lists=kind.name == "fs.list",
            handle=_handle(call),
        )

    def decided(self, call: Call, twin: Twin, ask: Ask, go: Go) -> None:
        """Note the decision that admission makes of the call."""
        assert call.decision is not None and call.kind is not None
        tool, effect, row = call.decision.tool, call.kind.effect, twin.row
        sample = self.settings.tool(tool).sample
        wishes = self.decider.wishes(twin)
        key = (tool, effect, go.side, go.reason, row.seat, row.follower, row.held, twin.active)
        decided = wishes.made.get(key) if sample >= 1 else None
        if decided is None:
            now = self._situation(twin)
            decided = stages.decide(
                tool,
                wishes.stage(tool),
                effect,
                now,
                side=go.side,
                why=go.reason,
                call_id=call.id,
                sample=sample,
            )
            if sample >= 1:
                wishes.made[key] = decided
        call.decision, call.answering = decided.decision, go.side.value
        call.dropped = decided.dropped or call.dropped

    def _situation(self, twin: Twin) -> stages.Situation:
        wishes = self.decider.wishes(twin)
        return stages.Situation(
            seat=twin.seat,
            follower=twin.row.follower,
            active=twin.active,
            held=twin.row.held,
            limiting=wishes.limiting,
            bucket=wishes.bucket,
        )

    # After the answer

    def interrupted(self, twin: Twin, go: Go) -> None:
        """A call without its whole answer: what it changed reaches no lane."""
        if go.call.mutates:
            self.lanes.missed(twin)

    def _cancelled(self, call: Call, twin: Twin, go: Go) -> None:
        """The client went away: what it had sent may have landed in part (P7)."""
        if go.how is How.THROUGH:
            until = self.clock.monotonic() + self.settings.mirror.orphan_grace_seconds
            twin.late.update(dict.fromkeys(go.call.paths, until))
        call.reason = "client went away"

    def after(self, call: Call, twin: Twin, ask: Ask) -> None:
        """What the call leaves to be done for its twin."""
        twin.last_activity = self.clock.monotonic()
        if ask.mutates and twin.joined:
            self.keeper.settle_soon(twin)
        elif ask.bounded and ask.wish is not twin.seat and call.answering == str(twin.seat) and twin.joined:
            # A miss: copied in the background, so that the next read of it can be answered by the follower.
            for path in ask.paths:
                self.keeper.fill_soon(twin, path)

    def evidence(self, call: Call, twin: Twin, go: Go, done: Done) -> bool:
        """Hand the call to the lane. False: nothing is due and the record can be written."""
        decision = call.decision
        assert decision is not None
        if call.other_answers and not go.call.alike and call.operation not in _BRING_ALL:
            # The follower answers for what it does not have yet; that is no difference between the origins.
            call.dropped = NOT_EQUAL
            return False
        if call.other_answers:
            self.lanes.pair(call.operations, call.answers, call.other_answers, partial(done, call))
            return True
        if decision.shadow is None:
            if go.call.mutates:
                self.lanes.missed(twin, call.operations)
            return False
        if not call.operations or not call.answers:
            unread = "the request cannot be read" if call.unreadable else "answer or body too large to compare"
            call.dropped = call.dropped or unread
            if go.call.mutates:
                self.lanes.missed(twin, call.operations)
            return False
        evidence = Evidence(
            operations=call.operations,
            answers=call.answers,
            answered_by=Origin(call.answering),
            call=go.call,
            mirror_execute=self.settings.tool(decision.tool).mirror_execute,
            not_local=not_local(self.commands, call.operations, call.answers),
            done=partial(done, call),
            call_id=call.id,
            answer_bytes=call.bytes_out,
        )
        self.lanes.offer(twin, evidence)
        return True


def _process(call: Call) -> bool:
    kind = call.kind
    return kind is not None and not kind.name.startswith("fs.")


def _paths(operations: Sequence[Operation], work_dir: str) -> frozenset[str]:
    return frozenset(normal(path, work_dir) for operation in operations for path in operation.paths)


def _handle(call: Call) -> str:
    kind = call.kind
    if kind is None or not kind.handle or not call.operations or call.operation.endswith(".create"):
        return ""
    return f"{kind.handle}:{call.operations[0].arguments.get(kind.handle)}"
