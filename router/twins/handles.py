"""Handles on a follower: which sessions and PTYs of the seat exist there too, and what their commands are called."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Fate, Outcome

# Carried by every process the lane starts and its children, so that they can be found and ended (twins.md P9).
SHADOW_ENV = {"CROSSFADE_SHADOW": "1"}
LIFE = ("session.create", "session.delete", "pty.create", "pty.delete")
_CHANGING = (*LIFE, "session.exec", "session.input")


@dataclass(slots=True, eq=False)
class Handles:
    """A follower's sessions and PTYs. A name in `names` means: it was told all that the seat's was told."""

    names: set[str] = field(default_factory=set)  # "session:<id>", "pty:<id>"
    made: set[str] = field(default_factory=set)  # may exist there, alike or not
    # (session, id on the seat) -> (id on the follower, whether the command had ended when it was answered)
    commands: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)

    def why_not(self, operation: Operation) -> str:
        """Why the operation cannot be repeated there; empty when it can."""
        kind, arguments = operation.kind, operation.arguments
        if not kind.handle or operation.name in ("session.create", "pty.create"):
            return ""
        if name_of(operation) not in self.names:
            return f"{kind.handle} is not on the follower"
        if operation.name in ("session.logs", "session.command", "session.input"):
            known = self.commands.get((str(arguments["session"]), str(arguments["command_id"])))
            if known is None:
                return "command is not on the follower"
            if not known[1]:
                return "asynchronous command: the two sides are at different moments"
        return ""

    def there(self, operation: Operation) -> Operation:
        """The operation as it is sent to the follower."""
        arguments: dict[str, Any] = dict(operation.arguments)
        if "command_id" in arguments:
            known = self.commands.get((str(arguments.get("session")), str(arguments["command_id"])))
            arguments["command_id"] = known[0] if known else arguments["command_id"]
        if operation.name in ("process.exec", "process.code", "pty.create"):
            arguments["env"] = {**(arguments.get("env") or {}), **SHADOW_ENV}
        return replace(operation, arguments=arguments)

    def learn(self, operations: Sequence[Operation], answers: Sequence[Outcome], outcomes: Sequence[Outcome]) -> None:
        """Note what both sides have made or ended."""
        for operation, answer, outcome in zip(operations, answers, outcomes, strict=True):
            if not operation.kind.handle:
                continue
            if operation.name.endswith(".create") and (outcome.ok or outcome.fate is Fate.UNKNOWN):
                self.made.add(name_of(operation))
            if operation.name.endswith(".delete") and outcome.ok:
                self.made.discard(name_of(operation))
            if not (answer.ok and outcome.ok):
                continue
            if operation.name.endswith(".create"):
                self.names.add(name_of(operation))
            elif operation.name.endswith(".delete"):
                self.lose(name_of(operation))
            elif operation.name == "session.exec":
                key = (str(operation.arguments["session"]), answer.value.command_id)
                self.commands[key] = (outcome.value.command_id, answer.value.exit_code is not None)

    def lose(self, name: str) -> None:
        """It is not there any more, or not as on the seat."""
        self.names.discard(name)
        session = name.partition(":")[2]
        for key in [key for key in self.commands if key[0] == session]:
            del self.commands[key]

    def clear(self) -> None:
        """None is there any more."""
        self.names.clear()
        self.made.clear()
        self.commands.clear()


def name_of(operation: Operation) -> str:
    """The handle an operation is about."""
    return f"{operation.kind.handle}:{operation.arguments.get(operation.kind.handle)}"


def changed(operations: Sequence[Operation]) -> frozenset[str]:
    """Handles that these operations make, end or tell something: what that leaves, no copy of files brings."""
    return frozenset(name_of(operation) for operation in operations if operation.name in _CHANGING)
