"""Commands of calls: by which rules they are classed, and what a call's command allows."""

from collections.abc import Sequence
from pathlib import Path

from crossfade.errors import SettingsError
from crossfade.operation import Effect, Operation
from crossfade.outcome import Outcome
from policies.commands.commands import Commands
from policies.commands.rules import Rules, RulesError, built_in, extended
from policies.commands.uses import reads, why_not_repeated
from router.settings import Mirror


def rules_of(mirror: Mirror) -> Rules:
    """The built-in rules and those of the operator's file. Raises SettingsError naming file and rule."""
    name = mirror.command_rules
    if not name:
        return built_in()
    try:
        return extended(built_in(), Path(name).read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read mirror.command_rules '{name}': {error}") from None
    except RulesError as error:
        raise SettingsError(f"mirror.command_rules: {error}") from None


def only_reads(commands: Commands, operations: Sequence[Operation]) -> bool:
    """Whether the call runs a command that changes nothing, and nothing else."""
    if len(operations) != 1:
        return False
    operation, arguments = operations[0], operations[0].arguments
    command = arguments.get("command")
    if operation.name not in ("process.exec", "session.exec") or not isinstance(command, str):
        return False
    session = operation.name == "session.exec"
    if session and arguments.get("run_async"):
        return False
    return reads(commands.classed(command), session=session, clean=commands.harmless(arguments.get("env") or ()))


def not_local(commands: Commands, operations: Sequence[Operation], answers: Sequence[Outcome]) -> str:
    """Why the call is not repeated where only local executes are; empty when it may be, or runs nothing."""
    operation = operations[0]
    if operation.kind.effect is not Effect.EXECUTE:
        return ""
    command = operation.arguments.get("command")
    if operation.name != "process.exec" or not isinstance(command, str):
        return "only one-shot commands are"
    clean = commands.harmless(operation.arguments.get("env") or ())
    seconds = max((answer.seconds for answer in answers), default=0.0)
    return why_not_repeated(commands.classed(command), clean=clean, seconds=seconds)
