"""Answers of a twin's call: by the seat, by the follower once it is proven equal, or by both for a split write."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from crossfade.comparison import Comparison
from crossfade.operation import Operation
from crossfade.outcome import Fate, Outcome
from crossfade.stage import Origin
from crossfade.upstream import Purpose, UpstreamFailed
from policies.stages import held
from router import tasks
from router.engine import split, translate
from router.engine.call import Call
from router.engine.ending import Ending
from router.engine.forward import Answer, Forward, has_body
from router.engine.keys import Keys
from router.engine.translate import Translation
from router.settings import Settings
from router.twins.admit import Go, How
from router.twins.paths import normal
from router.twins.sides import OneSide, Sides
from router.twins.state import Twin
from router.wire.asgi import Send, limited
from router.wire.relay import pass_on

Compare = Callable[[Operation, Outcome, Outcome, Origin], Awaitable[Comparison]]
Outcomes = tuple[Outcome, ...]
TRANSLATED_BODY_LIMIT = 32 * 1024 * 1024  # of JSON bodies; uploads are streamed


@dataclass(slots=True, eq=False)
class Answers:
    """Produces the client's answer on the side that admission named."""

    settings: Settings
    forward: Forward
    keys: Keys
    sides: Sides
    compare: Compare
    translation: Translation

    async def by_side(
        self, call: Call, twin: Twin, go: Go, body: bytes | AsyncIterator[bytes], send: Send, ending: Ending
    ) -> None:
        """Answer as admitted. The ending learns whether both sides carried out a write alike."""
        send = ending.before_last(send)
        if go.how is How.SEAT:
            await self.seat(call, twin, body, send)
            return
        if tasks.answering.get() is twin:
            self.sides.awaited()  # admitted to its follower though nothing of it is split
        await self.keys.check(call, twin, self.sides.clock.monotonic())
        assert isinstance(body, bytes)
        if go.how is How.THROUGH:
            await self._through(call, twin, body, send, ending)
        else:
            await self._read(call, twin, go, body, send)

    async def seat(self, call: Call, twin: Twin, body: bytes | AsyncIterator[bytes], send: Send) -> None:
        call.answering = str(twin.seat)
        if twin.seat is Origin.NEW:
            await self.keys.check(call, twin, self.sides.clock.monotonic())
            await self.translated(call, twin, send, body)
        else:
            await call.client.unless_gone(self._relay(call, twin, body, send))
        self.learn_handle(call, twin)

    async def _relay(self, call: Call, twin: Twin, body: bytes | AsyncIterator[bytes], send: Send) -> None:
        keep = self.settings.mirror.body_limit_bytes if call.decision and call.decision.shadow else 0
        started = time.perf_counter()
        response = await self.forward.send(call, body if has_body(call) else None, plain=keep > 0)
        relayed = await pass_on(response, send, extra=self.translation.extra(call), keep=keep)
        call.origin_seconds = time.perf_counter() - started
        call.answered(relayed.status, relayed.bytes_out, first_byte=relayed.started)
        if relayed.status < 400:
            self.keys.accept(call, twin, self.sides.clock.monotonic())
        if relayed.body is not None and call.operations:
            answer = Answer(status=relayed.status, headers=relayed.headers, body=relayed.body)
            call.answers = translate.outcomes(call, answer, call.origin_seconds)

    async def translated(self, call: Call, twin: Twin, send: Send, body: bytes | AsyncIterator[bytes]) -> None:
        """Answered by the seat on new, through the front's own words."""
        started = time.perf_counter()
        if not isinstance(body, bytes) and call.operation != "fs.upload":
            body = b"".join([chunk async for chunk in limited(body, TRANSLATED_BODY_LIMIT)])
            call.operations = await translate.operations(call, body)
        there = OneSide(self.sides, twin, Origin.NEW)
        call.answers = await call.client.unless_gone(self.translation.serve(call, body, there, send))
        call.origin_seconds = time.perf_counter() - started

    async def _read(self, call: Call, twin: Twin, go: Go, body: bytes, send: Send) -> None:
        tokens = [twin.tokens.get(normal(each.paths[0], self.settings.new.work_dir)) for each in call.operations]
        patience = self.settings.mirror.patience_seconds
        work = split.read(self.sides, twin, go.how, call.operations, tokens, patience)
        got = await call.client.unless_gone(work)
        call.validation_seconds += got.validation_seconds
        outcomes = got.outcomes
        if outcomes is not None and go.how is How.BOTH:
            compared = [
                await self.compare(operation, ours, theirs, go.side)
                for operation, ours, theirs in zip(call.operations, outcomes, got.seat_outcomes, strict=True)
            ]
            if not all(each.matched for each in compared):
                outcomes, got.why = None, "the follower's list differs from the seat's"
        if outcomes is None:
            self._fall_back(call, twin, got.why)
            await self.seat(call, twin, body, send)
            return
        call.origin_seconds = max(outcome.seconds for outcome in outcomes)
        call.answers = await call.client.unless_gone(self.translation.respond(call, outcomes, send))

    def _fall_back(self, call: Call, twin: Twin, why: str) -> None:
        decision = call.decision
        assert decision is not None
        reason = held(decision.tool, decision.stage, twin.seat, why)
        call.decision = replace(decision, answering=twin.seat, shadow=None, reason=reason)
        call.dropped = call.dropped or (why if decision.shadow else "")
        for path in self._paths(call):
            twin.tokens.pop(path, None)

    async def _through(self, call: Call, twin: Twin, body: bytes, send: Send, ending: Ending) -> None:
        """A split write: both sides at once. Both alike: the follower's answer; otherwise the seat's."""
        decision = call.decision
        assert decision is not None
        old = self._old_half(call, body)
        new = self._new_half(call, twin)
        on_old, on_new = await call.client.unless_gone(self._both(twin, old, new))
        call.mirrored = True
        outcomes_new = on_new if isinstance(on_new, tuple) else ()
        outcomes_old = translate.outcomes(call, on_old, 0.0) if isinstance(on_old, Answer) else ()
        self._note_lost(call, twin, outcomes_new if twin.seat is Origin.OLD else outcomes_old)
        alike = bool(outcomes_old and outcomes_new) and split.same_class(outcomes_old, outcomes_new)
        answers_new = (twin.seat is Origin.OLD) == alike
        call.answering = str(Origin.NEW if answers_new else Origin.OLD)
        ending.equal = alike and all(outcome.ok for outcome in outcomes_new)
        if not alike:
            self._fall_back(call, twin, "the two sides did not do the same")
        if answers_new and outcomes_new:
            outcomes_new = await self.translation.respond(call, outcomes_new, send)
        elif isinstance(on_old, Answer):
            await self.translation.answer(call, on_old, send)
        else:
            raise on_old if isinstance(on_old, Exception) else UpstreamFailed("neither side answered", sent=True)
        call.answers = outcomes_new if answers_new else outcomes_old
        call.other_answers = outcomes_old if answers_new else outcomes_new

    async def _old_half(self, call: Call, body: bytes) -> Answer:
        # The follower's half is the answer if both did alike; the seat's is the other half.
        purpose = Purpose.WRITE_THROUGH if call.twin and call.twin.seat is Origin.OLD else Purpose.ANSWER
        return await self.forward.fetch(call, body, self.settings.mirror.body_limit_bytes, purpose=purpose)

    async def _new_half(self, call: Call, twin: Twin) -> Outcomes:
        purpose = Purpose.WRITE_THROUGH if twin.seat is Origin.NEW else Purpose.ANSWER
        there = OneSide(self.sides, twin, Origin.NEW)
        return tuple([await there.perform(operation, purpose) for operation in call.operations])

    async def _both(
        self, twin: Twin, old: Coroutine[Any, Any, Answer], new: Coroutine[Any, Any, Outcomes]
    ) -> tuple[Answer | Exception | None, Outcomes | Exception | None]:
        """Both halves at once: the seat's for as long as it takes, the follower's within the patience."""
        on_old = tasks.spawn(_caught(old), name="old half", awaited=True)
        on_new = tasks.spawn(_caught(new), name="new half", awaited=True)
        seat, follower = (on_old, on_new) if twin.seat is Origin.OLD else (on_new, on_old)
        try:
            await asyncio.wait({seat, follower}, timeout=self.settings.mirror.patience_seconds)
            if not follower.done():
                follower.cancel()
            await asyncio.wait({seat, follower})
        except asyncio.CancelledError:
            on_old.cancel()
            on_new.cancel()
            raise
        return _value(on_old), _value(on_new)

    def _note_lost(self, call: Call, twin: Twin, follower: Outcomes) -> None:
        """The follower's half may still land: its paths are not used there until that is over (P9)."""
        if follower and all(outcome.fate is not Fate.UNKNOWN for outcome in follower):
            return
        until = self.sides.clock.monotonic() + self.settings.mirror.orphan_grace_seconds
        twin.late.update(dict.fromkeys(self._paths(call), until))
        self.sides.breakers[twin.seat.other].failed()

    def learn_handle(self, call: Call, twin: Twin) -> None:
        """A session or PTY lives where it was made, for ever (P5)."""
        kind = call.kind
        if kind is None or not kind.handle or not call.operations or call.status >= 300:
            return
        handle = f"{kind.handle}:{call.operations[0].arguments.get(kind.handle)}"
        if call.operation.endswith(".create"):
            twin.handles[handle] = twin.seat
        elif call.operation.endswith(".delete"):
            twin.handles.pop(handle, None)

    def _paths(self, call: Call) -> list[str]:
        work_dir = self.settings.new.work_dir
        return [normal(path, work_dir) for operation in call.operations for path in operation.paths]


async def _caught(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await work
    except Exception as error:
        return error


def _value(task: "asyncio.Task[Any]") -> Any:
    return None if task.cancelled() else task.result()
