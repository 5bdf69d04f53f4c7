"""Captured calls driven again: each sandbox's in order, at their own pace, held against what old had answered."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comparators import UNCOMPARED, plain
from crossfade.comparison import Comparison, Pair
from crossfade.operation import Effect, Operation
from crossfade.outcome import Outcome, unknown
from crossfade.ports import Backend
from crossfade.results import SessionExec
from router import tasks
from router.capture.call import CapturedCall
from router.capture.masks import Masks
from router.compare.capture import captured
from router.compare.kinds import kinds
from router.compare.worker import CompareWorker
from router.doctor.scratch import scratch

_SANDBOX = "<sandbox>"
_HOSTS = ("e2b", "e2b.local")  # what E2B's machines call themselves, all of them
_DRIVEN = ("fs.", "process.", "session.", "git.")
_CALL_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """What became of one captured call. Neither compared nor skipped: it was done, with nothing to hold it against."""

    call: CapturedCall
    comparison: Comparison | None = None
    signatures: tuple[str, ...] = ()
    skipped: str = ""  # why it was not done


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How captured calls are driven. `speed` 2: twice as fast as they came; 0: without waiting."""

    backend: Backend
    worker: CompareWorker
    masks: Masks
    speed: float = 1.0
    snapshot: str = ""
    sandboxes: int = 4  # at once
    told: Callable[[Driven], None] = lambda _driven: None

    async def run(self, calls: Sequence[CapturedCall]) -> list[Driven]:
        """Drive them, each sandbox's in one made for it and removed. Raises NotMade where none can be made."""
        sandboxes: dict[str, list[CapturedCall]] = {}
        # A sort that keeps order: the operations of one call stand together as they were written.
        for call in sorted(calls, key=lambda call: (call.at, call.id)):
            sandboxes.setdefault(call.sandbox, []).append(call)
        turns = asyncio.Semaphore(self.sandboxes)
        work = [
            tasks.spawn(self._sandbox(each, turns), name=f"replay of {sandbox}", awaited=True)
            for sandbox, each in sandboxes.items()
        ]
        try:
            found = await asyncio.gather(*work)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        return [driven for each in found for driven in each]

    async def _sandbox(self, calls: Sequence[CapturedCall], turns: asyncio.Semaphore) -> list[Driven]:
        done: list[Driven] = []
        async with turns, scratch(self.backend, self.snapshot) as made:
            clock = asyncio.get_running_loop()
            started, first = clock.time(), calls[0].at
            commands: dict[str, str] = {}
            broken = ""
            for call in calls:
                skipped = broken or _why_not(call)
                if skipped:
                    driven = Driven(call=call, skipped=skipped)
                    if not call.complete:
                        broken = f"what came before it is not whole: {call.operation}"
                else:
                    if self.speed > 0:
                        await asyncio.sleep(max(0.0, started + (call.at - first) / self.speed - clock.time()))
                    driven = await self._one(call, made.id, commands)
                done.append(driven)
                self.told(driven)
        return done

    async def _one(self, call: CapturedCall, sandbox: str, commands: dict[str, str]) -> Driven:
        arguments = dict(call.arguments)
        if "command_id" in arguments:
            arguments["command_id"] = commands.get(str(arguments["command_id"]), arguments["command_id"])
        operation = Operation(name=call.operation, sandbox=sandbox, arguments=arguments, body=call.body)
        outcome = await self._performed(operation)
        reference = call.old if call.old is not None else call.new
        if isinstance(outcome.value, SessionExec):
            for said in (call.old, call.new):
                if said is not None and (known := (said.get("value") or {}).get("command_id")):
                    commands[str(known)] = outcome.value.command_id
        if reference is None or call.operation in UNCOMPARED:
            return Driven(call=call)
        answered = self.masks.answer(plain(call.operation, outcome), (sandbox,))
        names = dict.fromkeys((*_HOSTS, *call.own, self.masks.word(sandbox)), _SANDBOX)
        comparison = await self.worker.compare(
            Pair(operation=call.operation, old=_named(reference, names), new=_named(answered, names))
        )
        return Driven(call=call, comparison=comparison, signatures=kinds(call.operation, comparison))

    async def _performed(self, operation: Operation) -> Outcome:
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                return await captured(await self.backend.perform(operation))
        except TimeoutError:
            return unknown(f"no answer to {operation.name} within {_CALL_SECONDS:g} s", status=504)


def with_signature(calls: Sequence[CapturedCall], signature: str) -> list[CapturedCall]:
    """The sandboxes that showed it, each up to the last call that did: a call needs those before it."""
    last: dict[str, tuple[float, str]] = {}
    for call in calls:
        if signature in call.signatures:
            last[call.sandbox] = max(last.get(call.sandbox, (0.0, "")), (call.at, call.id))
    return [call for call in calls if call.sandbox in last and (call.at, call.id) <= last[call.sandbox]]


def _why_not(call: CapturedCall) -> str:
    if not call.complete:
        return "not all of it was kept"
    if not call.operation.startswith(_DRIVEN):
        return f"{call.operation} is not driven again"
    kind = Operation(name=call.operation).kind
    if kind.stream:
        return "a live stream is not driven again"
    if call.old is None and call.new is None and kind.effect is Effect.READ:
        return "its answer was not kept"
    return ""


def _named(plain: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {**plain, "names": names}
