"""Split calls: one-path file calls answered by the side that has not the seat (twins.md §1)."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crossfade.operation import Operation
from crossfade.outcome import Fate, Outcome
from crossfade.results import FileInfo
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router import tasks
from router.twins.admit import How
from router.twins.settle import token_of
from router.twins.sides import Sides, discard
from router.twins.state import Token, Twin


@dataclass(slots=True)
class SplitRead:
    """What a read at the follower came to. `outcomes` is None when the seat has to answer."""

    outcomes: tuple[Outcome, ...] | None
    seat_outcomes: tuple[Outcome, ...] = ()  # where both sides were asked in full
    why: str = ""
    validation_seconds: float = 0.0


async def read(
    sides: Sides, twin: Twin, how: How, operations: Sequence[Operation], tokens: Sequence[Token | None], patience: float
) -> SplitRead:
    """Ask the follower and, in parallel, the seat for what proves the answer. Contents come back unread."""
    follower = twin.seat.other
    started = time.perf_counter()
    asked = [
        tasks.spawn(sides.perform(twin, follower, each, Purpose.ANSWER), name="follower's half", awaited=True)
        for each in operations
    ]
    proofs = [
        tasks.spawn(
            sides.perform(twin, twin.seat, _proof(each, how), Purpose.VALIDATE), name="seat's half", awaited=True
        )
        for each in operations
        if how is not How.CLEAN
    ]
    try:
        _, late = await asyncio.wait([*asked, *proofs], timeout=patience)
        if late:
            if not late.isdisjoint(asked):
                sides.breakers[follower].silent()
            await _abandon([*asked, *proofs])
            return SplitRead(None, why=f"follower or validation took longer than {patience:g} s")
        outcomes = tuple(task.result() for task in asked)
        spent = time.perf_counter() - started
        if any(outcome.fate in (Fate.UNKNOWN, Fate.UNSUPPORTED) or outcome.status >= 500 for outcome in outcomes):
            await _discard_all(outcomes)
            return SplitRead(None, why=f"follower answered {worst(outcomes).status}")
        if how is How.CLEAN:
            return SplitRead(outcomes)
        proven = tuple(task.result() for task in proofs)
        waited = max(0.0, spent - max(outcome.seconds for outcome in outcomes))
        if how is How.BOTH:
            # Equal or not is for the caller to say: it knows how to normalise.
            return SplitRead(outcomes, seat_outcomes=proven, validation_seconds=waited)
        if all(_valid(proof, token) for proof, token in zip(proven, tokens, strict=True)):
            return SplitRead(outcomes, validation_seconds=waited)
        await _discard_all(outcomes)
        return SplitRead(None, why="changed on the seat since it was copied", validation_seconds=waited)
    except BaseException:
        await _abandon([*asked, *proofs])
        raise


def _proof(operation: Operation, how: How) -> Operation:
    if how is How.BOTH:
        return operation
    return Operation(name="fs.info", sandbox=operation.sandbox, arguments={"path": operation.arguments["path"]})


def _valid(proof: Outcome, token: Token | None) -> bool:
    return proof.ok and isinstance(proof.value, FileInfo) and token_of(proof.value) == token


async def _abandon(running: Sequence["asyncio.Task[Outcome]"]) -> None:
    for task in running:
        task.cancel()
    for result in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(result, Outcome):
            await discard(result)


async def _discard_all(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        await discard(outcome)


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome that speaks for a call of several operations: the first that failed, else the first."""
    return next((outcome for outcome in outcomes if not outcome.ok), outcomes[0])


def same_class(one: Sequence[Outcome], other: Sequence[Outcome]) -> bool:
    """Whether both sides did the same kind of thing with every operation, completely. A 5xx may be half done."""
    return len(one) == len(other) and all(
        a.fate is b.fate and a.status // 100 == b.status // 100 < 5 and a.fate in (Fate.OK, Fate.FAILED)
        for a, b in zip(one, other, strict=True)
    )


def from_origin(outcomes: Sequence[Outcome], origin: Origin) -> tuple[Outcome, ...]:
    return tuple(replace(outcome, origin=origin) for outcome in outcomes)
