"""Calls of a twin as the engine makes them: admitted, answered by the seat, finished, handed to the lane."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from crossfade.comparison import Change, Comparison, Difference, Severity
from crossfade.decision import MirrorExecute
from crossfade.operation import Effect, Operation
from crossfade.outcome import Outcome
from crossfade.results import FileInfo, SessionExec
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from policies.commands.commands import Commands
from policies.commands.rules import built_in
from router.compare.capture import captured
from router.engine.commands import not_local
from router.twins.admit import Ask, Go, admit, finish
from router.twins.evidence import Evidence, Verdict
from router.twins.lanes import Lanes
from router.twins.state import Twin
from tests.twins.stand import PATIENCE, Stand

COMMANDS = Commands(built_in())


async def compare(operation: Operation, one: Outcome, other: Outcome, _answered_by: Origin) -> Comparison:
    """Equal or not, ids of commands left out: what the real comparison does is tested where it is."""
    if _plain(one) == _plain(other):
        return Comparison(operation=operation.name)
    difference = Difference(path="value", change=Change.VALUE, severity=Severity.CONTENT)
    return Comparison(operation=operation.name, differences=(difference,))


def _plain(outcome: Outcome) -> object:
    value = outcome.value
    if isinstance(value, SessionExec):
        value = (value.marked, value.exit_code)
    if isinstance(value, FileInfo):
        value = (value,)
    if isinstance(value, tuple):
        value = tuple(replace(each, modified_ns=0) if isinstance(each, FileInfo) else each for each in value)
    return outcome.status, value


@dataclass(eq=False)
class Said:
    """One call: what it was answered, and the verdict once there is one."""

    go: Go
    operations: tuple[Operation, ...] = ()
    answers: tuple[Outcome, ...] = ()
    verdicts: list[Verdict] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def done(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self.over.set()

    async def verdict(self) -> str:
        """compared, differs, or why it was dropped."""
        async with asyncio.timeout(PATIENCE):
            await self.over.wait()
        [verdict] = self.verdicts
        if verdict.comparison is None:
            return verdict.dropped
        return "compared" if verdict.comparison.matched else "differs"


@dataclass(eq=False)
class Talk:
    """A client and the twin's lane."""

    stand: Stand
    lanes: Lanes
    idles: list[str]
    mirror_execute: MirrorExecute = MirrorExecute.ALWAYS

    @property
    def twin(self) -> Twin:
        return self.stand.twin

    async def say(self, name: str, body: bytes | None = None, /, *, offer: bool = True, **arguments: Any) -> Said:
        """A call from its admission to the lane."""
        said = self.begin(name, body, **arguments)
        await self.end(said, offer=offer)
        return said

    def begin(self, name: str, body: bytes | None = None, /, **arguments: Any) -> Said:
        """Admit it."""
        operation = Operation(name=name, arguments=arguments, body=body)
        return Said(admit(self.twin, _ask(operation), self.stand.clock.monotonic()), (operation,))

    async def end(self, said: Said, *, offer: bool = True) -> None:
        """Answer it, and hand it to the lane."""
        answers = [
            await self.stand.sides.perform(self.twin, said.go.side, operation, Purpose.ANSWER)
            for operation in said.operations
        ]
        said.answers = tuple([await captured(answer) for answer in answers])
        finish(self.twin, said.go.call, equal=False)
        if offer:
            self.offer(said)

    def offer(self, said: Said) -> None:
        self.lanes.offer(
            self.twin,
            Evidence(
                operations=said.operations,
                answers=said.answers,
                answered_by=said.go.side,
                call=said.go.call,
                mirror_execute=self.mirror_execute,
                not_local=not_local(COMMANDS, said.operations, said.answers),
                done=said.done,
            ),
        )

    def command(self, said: Said) -> str:
        """The id of the command that a session.exec started."""
        return str(said.answers[0].value.command_id)


def _ask(operation: Operation) -> Ask:
    kind = operation.kind
    mutates = kind.effect is not Effect.READ
    return Ask(
        wish=Origin.OLD,
        paths=frozenset(operation.paths)
        if kind.bounded
        else frozenset(("/",))
        if kind.name[:3] == "fs."
        else frozenset(),
        bounded=kind.bounded,
        mutates=mutates,
        unbounded=mutates and not kind.bounded,
        lists=kind.name == "fs.list",
    )


@asynccontextmanager
async def talking(stand: Stand, *, per_twin: int = 100, total: int = 1000, seconds: float = 10) -> AsyncIterator[Talk]:
    """A lane over the stand's twin. It is not in step until a settle, or a test, says so."""
    idles: list[str] = []
    lanes = Lanes(
        sides=stand.sides,
        compare=compare,
        capture=captured,
        per_twin=per_twin,
        total=total,
        call_seconds=seconds,
        usable=stand.sides.usable,
        active=lambda twin: twin.active or twin.turning_active,
        idle=lambda twin: idles.append(twin.id),
    )
    try:
        yield Talk(stand, lanes, idles)
    finally:
        await lanes.stop(0)
